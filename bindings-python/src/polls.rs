//! Long-polling past the host's server: a whole request in one read goes to the engine as it came, its answer back as the bytes
//! of a response.
//!
//! Through ASGI a request costs 30 us in uvicorn before and after the application, twice that for an echo. Here is a short
//! way for what nearly every poll is; all else takes the long one. See `_polls.py`.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferrio::net::exchange::{Head, Response};
use ferrio_embed::{Command, RequestId};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::dispatch;
use crate::engine::ServerCore;

/// Headers of a request; more are the host's server's affair.
const MAX_HEADERS: usize = 48;

/// What the engine reads of a request with a session.
const KNOWN: [&str; 7] =
    ["origin", "host", "accept-encoding", "user-agent", "content-type", "x-forwarded-proto", "x-forwarded-host"];

/// Takes `data` if it is one whole poll or POST of a session that is there, under `path` (up to the `?`), and nothing more.
/// `own_path`: the engine's, with the `?`. Gives its number, 0 for anything else. `connection.answer(head, body)` is called with the response.
pub(crate) fn take(
    slf: &Bound<'_, ServerCore>,
    connection: &Bound<'_, PyAny>,
    data: &[u8],
    path: &[u8],
    own_path: &str,
) -> PyResult<u64> {
    let py = slf.py();
    let Some((mut head, body)) = read(data, path) else { return Ok(0) };
    if slf.get().asks_origins.load(Ordering::Relaxed) && head.header("origin").is_some() {
        // A function of the program's has a say.
        return Ok(0);
    }
    let request = {
        let mut state = slf.get().state.borrow(py);
        if state.running().is_err() || state.closed.is_some() {
            return Ok(0);
        }
        match session(&head.target) {
            Some(sid) if state.by_eio_sid.contains_key(sid) => {}
            _ => return Ok(0),
        }
        head.target.insert_str(0, own_path);
        let number = state.number();
        state.polls.insert(number, connection.clone().unbind());
        RequestId(number)
    };
    let body = (!body.is_empty()).then(|| Bytes::copy_from_slice(body));
    let bytes = body.as_ref().map_or(0, Bytes::len);
    dispatch::send(slf, Command::Request { request, head, end: body.is_none() }, 0)?;
    if let Some(chunk) = body {
        dispatch::send(slf, Command::Body { request, chunk, end: true }, bytes)?;
    }
    Ok(request.0)
}

/// The response as it stands on the wire: its head without the empty line, for the host's server has headers of its own, and
/// its body.
pub(crate) fn answer(core: &Bound<'_, ServerCore>, connection: &Py<PyAny>, response: &Response) -> PyResult<()> {
    let py = core.py();
    let whole = response.to_http1();
    let head = &whole[..whole.len() - response.body.len() - 2];
    let arguments = (response.status, PyBytes::new(py, head), PyBytes::new(py, &response.body));
    connection.call_method1(py, intern!(py, "answer"), arguments).map(drop)
}

/// A request in which nothing is out of the ordinary: its head, with the query for a target, and its body.
fn read<'a>(data: &'a [u8], path: &[u8]) -> Option<(Head, &'a [u8])> {
    let target = data.strip_prefix(b"GET ").or_else(|| data.strip_prefix(b"POST "))?;
    let query = target.strip_prefix(path)?.strip_prefix(b"?")?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(data).ok()? else { return None };
    if request.version != Some(1) {
        return None;
    }
    let body = &data[length..];
    let mut announced = None;
    let mut kept = Vec::with_capacity(KNOWN.len());
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).ok().filter(|value| value.is_ascii())?;
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                // Twice, or anything but digits: two readers may read two lengths.
                if announced.is_some() || value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                announced = Some(value.parse::<usize>().ok()?);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => return None,
            7 if header.name.eq_ignore_ascii_case("upgrade") => return None,
            6 if header.name.eq_ignore_ascii_case("expect") => return None,
            10 if header.name.eq_ignore_ascii_case("connection") => {
                if !value.eq_ignore_ascii_case("keep-alive") {
                    return None;
                }
            }
            _ => {
                if let Some(known) = KNOWN.iter().find(|known| header.name.eq_ignore_ascii_case(known)) {
                    kept.push((Cow::Borrowed(*known), value.to_owned()));
                }
            }
        }
    }
    let posts = request.method == Some("POST");
    if announced.unwrap_or(0) != body.len() || (posts && announced.is_none()) || (!posts && !body.is_empty()) {
        return None;
    }
    let length = query.iter().position(|byte| *byte == b' ')?;
    let query = std::str::from_utf8(&query[..length]).ok()?;
    let head = Head {
        method: if posts { "POST".into() } else { "GET".into() },
        target: query.to_owned(),
        headers: kept,
        ..Head::default()
    };
    Some((head, body))
}

/// The session that a query names, if it is written plainly.
fn session(query: &str) -> Option<&[u8]> {
    query.split('&').find_map(|pair| pair.strip_prefix("sid=")).map(str::as_bytes)
}
