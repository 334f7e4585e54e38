//! Requests and WebSockets that reach the host's own server, handed to the engine.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferrio::net::exchange::Head;
use ferrio_embed::{Command, ConnId, Flags, LinkData, LinkId, RequestId};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::engine::ServerCore;
use crate::state::{Host, State};
use crate::table::Source;
use crate::{dispatch, ffi};

/// The head of a request, its headers as ASGI has them: pairs of bytes.
pub(crate) fn head(
    slf: &Bound<'_, ServerCore>,
    source: Option<&Py<PyAny>>,
    method: String,
    target: String,
    headers: &Bound<'_, PyAny>,
    remote: String,
    secure: bool,
) -> PyResult<Head> {
    let mut pairs = Vec::with_capacity(16);
    for header in headers.try_iter()? {
        // A tuple with most servers, a list with some.
        let header = header?;
        let (name, value) = (header.get_item(0)?, header.get_item(1)?);
        let (name, value) = (name.cast::<PyBytes>()?, value.cast::<PyBytes>()?);
        let mut name = latin1(name.as_bytes());
        name.make_ascii_lowercase();
        pairs.push((Cow::Owned(name), latin1(value.as_bytes())));
    }
    let mut head = Head { method, target, headers: pairs, remote, secure, sid: None, allowed: None };
    if let Some(origin) = head.header("origin")
        && slf.get().asks_origins.load(Ordering::Relaxed)
    {
        let allowed = slf.call_method1(intern!(slf.py(), "_allows_origin"), (origin, source, &head.target))?;
        head.allowed = Some(allowed.is_truthy()?);
    }
    Ok(head)
}

/// HTTP's own reading of header bytes.
fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Hands a request over. `source` makes the `environ` of the connection that it may open.
pub(crate) fn request(
    slf: &Bound<'_, ServerCore>,
    head: Head,
    source: Option<Py<PyAny>>,
    body: Option<&Bound<'_, PyBytes>>,
    end: bool,
) -> PyResult<(u64, Py<PyAny>)> {
    let py = slf.py();
    let create_future = slf.get().state.borrow(py).running()?.create_future.clone_ref(py);
    let future = create_future.call0(py)?;
    let number = register(slf, source)?;
    slf.get().state.borrow(py).requests.insert(number, future.clone_ref(py));
    let request = RequestId(number);
    let body = body.filter(|body| !body.as_bytes().is_empty());
    dispatch::send(slf, Command::Request { request, head, end: end && body.is_none() }, 0)?;
    if let Some(chunk) = body {
        self::body(slf, number, chunk, end)?;
    }
    Ok((number, future))
}

pub(crate) fn body(slf: &Bound<'_, ServerCore>, request: u64, chunk: &Bound<'_, PyBytes>, end: bool) -> PyResult<()> {
    let chunk = Bytes::copy_from_slice(chunk.as_bytes());
    let bytes = chunk.len();
    dispatch::send(slf, Command::Body { request: RequestId(request), chunk, end }, bytes)
}

pub(crate) fn abort(slf: &Bound<'_, ServerCore>, request: u64) -> PyResult<()> {
    let py = slf.py();
    let _dropped = {
        let mut state = slf.get().state.borrow(py);
        (state.requests.remove(&request), state.polls.remove(&request), state.opening.remove(&request))
    };
    dispatch::send(slf, Command::Abort { request: RequestId(request) }, 0)
}

/// `scripted`: a program plays the client of the session that this opens.
pub(crate) fn open_link(
    slf: &Bound<'_, ServerCore>,
    link: Py<PyAny>,
    head: Head,
    source: Py<PyAny>,
    scripted: bool,
) -> PyResult<u64> {
    let py = slf.py();
    let number = register(slf, Some(source))?;
    let context = caller_context(slf)?;
    let _old = {
        let mut state = slf.get().state.borrow(py);
        // An upgrade.
        let conn = session_of(&head.target).and_then(|sid| state.by_eio_sid.get(sid.as_bytes()).copied());
        if let Some(conn) = conn {
            state.link_conns.insert(number, conn);
        }
        if scripted {
            state.scripts.insert(number);
        }
        state.links.insert(number, (link, context))
    };
    let command = Command::OpenLink { link: LinkId(number), head, raw: false, headers: Vec::new() };
    dispatch::send(slf, command, 0)?;
    Ok(number)
}

#[cfg(unix)]
#[expect(clippy::too_many_arguments, reason = "the head of a request")]
pub(crate) fn take_over(
    slf: &Bound<'_, ServerCore>,
    descriptor: i32,
    target: String,
    headers: &Bound<'_, PyAny>,
    remote: String,
    source: Py<PyAny>,
    read: &Bound<'_, PyBytes>,
    answer: Vec<(String, String)>,
) -> PyResult<()> {
    use std::os::fd::FromRawFd;
    // First of all, so that the descriptor is closed whatever fails below.
    // SAFETY: the caller has duplicated it for us.
    let stream = unsafe { std::net::TcpStream::from_raw_fd(descriptor) };
    let head = head(slf, Some(&source), "GET".into(), target, headers, remote, false)?;
    let link = LinkId(register(slf, Some(source))?);
    let read = Bytes::copy_from_slice(read.as_bytes());
    dispatch::send(slf, Command::TakeOver { link, head, stream, read, headers: answer }, 0)
}

/// The id of the session that a request's target names.
fn session_of(target: &str) -> Option<&str> {
    target.split_once('?')?.1.split('&').find_map(|pair| pair.strip_prefix("sid="))
}

/// Gives a future of the moment from which more may be read of the link, if that is not now.
pub(crate) fn feed(slf: &Bound<'_, ServerCore>, link: u64, message: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let (frame, bytes) = frame(message)?;
    dispatch::send(slf, Command::Feed { link: LinkId(link), data: LinkData::Frame(frame) }, bytes)?;
    let create_future = {
        let mut state = slf.get().state.borrow(py);
        let Some(&conn) = state.link_conns.get(&link) else { return Ok(None) };
        if !is_held(&mut state, conn) {
            return Ok(None);
        }
        state.running()?.create_future.clone_ref(py)
    };
    let future = create_future.call0(py)?;
    let mut state = slf.get().state.borrow(py);
    let Some(&conn) = state.link_conns.get(&link) else { return Ok(None) };
    if !is_held(&mut state, conn) {
        return Ok(None);
    }
    if let Some(connection) = state.connections.get(conn.0) {
        connection.feeders.push(future.clone_ref(py));
    }
    Ok(Some(future))
}

fn is_held(state: &mut State, conn: ConnId) -> bool {
    state.connections.get(conn.0).is_some_and(|connection| connection.held && !connection.closed)
}

pub(crate) fn write(slf: &Bound<'_, ServerCore>, eio_sid: &str, message: &Bound<'_, PyAny>) -> PyResult<()> {
    let conn = slf.get().state.borrow(slf.py()).by_eio_sid.get(eio_sid.as_bytes()).copied();
    let Some(conn) = conn else { return Ok(()) };
    let (frame, bytes) = frame(message)?;
    let flags = Flags { compress: true, ..Flags::default() };
    dispatch::send(slf, Command::Write { conns: vec![conn], data: vec![frame], flags, receipt: None }, bytes)
}

/// A message and its size.
fn frame(message: &Bound<'_, PyAny>) -> PyResult<(Frame, usize)> {
    Ok(if let Ok(text) = message.cast::<PyString>() {
        let text = Text::from(text.to_str()?);
        let bytes = text.len();
        (Frame::Text(text), bytes)
    } else {
        let bytes = Bytes::copy_from_slice(message.cast::<PyBytes>()?.as_bytes());
        let length = bytes.len();
        (Frame::Binary(bytes), length)
    })
}

pub(crate) fn link_closed(slf: &Bound<'_, ServerCore>, link: u64, error: bool) -> PyResult<()> {
    let py = slf.py();
    let _dropped = {
        let mut state = slf.get().state.borrow(py);
        state.link_conns.remove(&link);
        (state.links.remove(&link), state.opening.remove(&link))
    };
    dispatch::send(slf, Command::LinkClosed { link: LinkId(link), error }, 0)
}

pub(crate) fn link_sent(slf: &Bound<'_, ServerCore>, link: u64, bytes: usize) -> PyResult<()> {
    dispatch::send(slf, Command::LinkSent { link: LinkId(link), bytes }, 0)
}

/// The session's `environ`: the same object at every call.
pub(crate) fn environ(slf: &Bound<'_, ServerCore>, eio_sid: &str) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let (conn, source) = {
        let mut state = slf.get().state.borrow(py);
        let Some(&conn) = state.by_eio_sid.get(eio_sid.as_bytes()) else { return Ok(None) };
        let Some(connection) = state.connections.get(conn.0) else { return Ok(None) };
        if let Some(environ) = &connection.environ {
            return Ok(Some(environ.clone_ref(py)));
        }
        (conn, std::mem::take(&mut connection.source))
    };
    let source = match source {
        Source::Gone => None,
        Source::Asgi(source) => Some(source),
        Source::Head(packed) => Some(unpack(py, &packed)?),
    };
    let environ = slf.call_method1(intern!(py, "_make_environ"), (source,))?.unbind();
    let mut state = slf.get().state.borrow(py);
    if let Some(connection) = state.connections.get(conn.0) {
        connection.environ = Some(environ.clone_ref(py));
    }
    Ok(Some(environ))
}

/// A head in one piece of memory, a line for each part: nothing in a head holds a line's end.
pub(crate) fn pack(head: &Head) -> Box<str> {
    let secure = if head.secure { "https" } else { "http" };
    let mut lines = vec![head.method.as_str(), head.target.as_str(), head.remote.as_str(), secure];
    lines.extend(head.headers.iter().flat_map(|(name, value)| [name.as_ref(), value.as_str()]));
    lines.join("\n").into_boxed_str()
}

/// `(method, target, [(name, value)], remote, secure)`.
pub(crate) fn unpack(py: Python<'_>, packed: &str) -> PyResult<Py<PyAny>> {
    let mut lines = packed.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, target, remote, secure) = (line(), line(), line(), line() == "https");
    let headers = PyList::empty(py);
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        headers.append((name, value))?;
    }
    Ok((method, target, headers, remote, secure).into_pyobject(py)?.into_any().unbind())
}

/// A number for a request or link that may open a connection.
fn register(slf: &Bound<'_, ServerCore>, source: Option<Py<PyAny>>) -> PyResult<u64> {
    let py = slf.py();
    let context = caller_context(slf)?;
    let mut state = slf.get().state.borrow(py);
    let number = state.number();
    if let Some(source) = source {
        state.opening.insert(number, (source, context));
    }
    Ok(number)
}

/// What the handlers of a connection see of the request that opens it: in an event loop its context variables, as in a Task
/// made there; in a thread nothing, as in a thread of their own.
fn caller_context(slf: &Bound<'_, ServerCore>) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    {
        let state = slf.get().state.borrow(py);
        let running = state.running()?;
        if !matches!(running.host, Host::Loop(_)) {
            return Ok(running.context.clone_ref(py));
        }
    }
    ffi::copy_context(py, None).map(Bound::unbind)
}
