//! What somebody waits for: acks, answers to HTTP requests, the end of the engine; and WebSockets that the host's server
//! frames.

use std::borrow::Cow;

use ferrio::net::exchange::Response;
use ferrio_embed::{AckEnd, LinkData, LinkId, SocketId};
use ferrio_protocol::engine::Frame;
use ferrio_protocol::socket::Payload;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::dispatch::{Args, Call, Then, What};
use crate::engine::ServerCore;
use crate::state::Awaited;
use crate::{codec, errors, ffi, polls};

pub(crate) fn ack_came<'py>(
    core: &Bound<'py, ServerCore>,
    number: u64,
    socket: SocketId,
    payload: &Payload,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let (awaited, context) = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let awaited = match state.acks.get(&number) {
            Some(Awaited::Callback { callback, one: false }) => {
                Some(Awaited::Callback { callback: callback.clone_ref(py), one: false })
            }
            Some(Awaited::All { future, answers, one: false }) => {
                Some(Awaited::All { future: future.clone_ref(py), answers: answers.clone_ref(py), one: false })
            }
            Some(_) => state.acks.remove(&number),
            None => None,
        };
        let conn = state.sockets.get(socket.0).map(|member| member.conn);
        let connection = conn.and_then(|conn| state.connections.get(conn.0));
        (awaited, connection.map(|connection| connection.context.clone_ref(py)))
    };
    let Some(awaited) = awaited else { return Ok(None) };
    let arguments = codec::arguments(core, payload)?;
    match awaited {
        Awaited::Future(future) => settle(future.bind(py), &arguments.into_any()).map(|()| None),
        Awaited::All { future, answers, one } => {
            answers.bind(py).append(arguments)?;
            if one {
                settle(future.bind(py), answers.bind(py).as_any())?;
            }
            Ok(None)
        }
        // Nobody was asked.
        Awaited::Barrier(_) => Ok(None),
        Awaited::Callback { callback, .. } => {
            let context = ffi::copy_context(py, context.as_ref().map(|context| context.bind(py)))?;
            let then = Then { ack: None, holds: None, what: What::Other("an acknowledgement") };
            let args = arguments.iter().collect();
            Ok(Some(Call { callable: callback.into_bound(py), args, context, then }))
        }
    }
}

pub(crate) fn ack_ended(core: &Bound<'_, ServerCore>, number: u64, end: AckEnd) -> PyResult<()> {
    let py = core.py();
    let awaited = core.get().state.borrow(py).acks.remove(&number);
    match awaited {
        Some(Awaited::Future(future)) => fail(future.bind(py), &errors::timeout(py)?),
        Some(Awaited::All { future, answers, .. }) if end == AckEnd::Complete => {
            settle(future.bind(py), answers.bind(py).as_any())
        }
        Some(Awaited::All { future, answers, .. }) => {
            let error = errors::timeout(py)?;
            error.setattr(intern!(py, "responses"), answers)?;
            fail(future.bind(py), &error)
        }
        Some(Awaited::Barrier(promise)) => settle(promise.bind(py), py.None().bind(py)),
        Some(Awaited::Callback { .. }) | None => Ok(()),
    }
}

pub(crate) fn respond(core: &Bound<'_, ServerCore>, request: u64, response: &Response) -> PyResult<()> {
    let py = core.py();
    let (future, _opening) = {
        let mut state = core.get().state.borrow(py);
        (state.requests.remove(&request), state.opening.remove(&request))
    };
    let Some(future) = future else {
        let poll = core.get().state.borrow(py).polls.remove(&request);
        return poll.map_or(Ok(()), |poll| polls::answer(core, &poll, response));
    };
    let headers = PyList::empty(py);
    for (name, value) in &response.headers {
        let mut value = Cow::Borrowed(value.as_str());
        if name == "set-cookie" && response.opened.is_some() {
            // Attributes that are made anew for each cookie.
            value.to_mut().push_str(&core.call_method0(intern!(py, "_late_cookie_attributes"))?.extract::<String>()?);
        }
        headers.append((PyBytes::new(py, name.as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    let answer = (response.status, headers, PyBytes::new(py, &response.body)).into_pyobject(py)?;
    settle(future.bind(py), answer.as_any())
}

// ---- WebSockets that the host's server frames

pub(crate) fn link_write<'py>(
    core: &Bound<'py, ServerCore>,
    link: LinkId,
    data: Vec<LinkData>,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let frames = PyList::empty(py);
    for item in &data {
        match item {
            LinkData::Frame(Frame::Text(text)) => frames.append((PyString::new(py, text), text.len()))?,
            LinkData::Frame(Frame::Binary(bytes)) | LinkData::Bytes(bytes) => {
                frames.append((PyBytes::new(py, bytes), bytes.len()))?;
            }
        }
    }
    link_call(core, link, intern!(py, "write"), Args::from_iter([frames.into_any()]), false)
}

pub(crate) fn link_close<'py>(core: &Bound<'py, ServerCore>, link: LinkId) -> PyResult<Option<Call<'py>>> {
    link_call(core, link, intern!(core.py(), "finish"), Args::new(), true)
}

fn link_call<'py>(
    core: &Bound<'py, ServerCore>,
    link: LinkId,
    method: &Bound<'py, PyString>,
    args: Args<'py>,
    last: bool,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let (found, _opening) = {
        let mut state = core.get().state.borrow(py);
        if last {
            state.scripts.remove(&link.0);
            (state.links.remove(&link.0), state.opening.remove(&link.0))
        } else {
            (state.links.get(&link.0).map(|(link, context)| (link.clone_ref(py), context.clone_ref(py))), None)
        }
    };
    let Some((object, context)) = found else { return Ok(None) };
    let callable = object.bind(py).getattr(method)?;
    let context = ffi::copy_context(py, Some(context.bind(py)))?;
    let then = Then { ack: None, holds: None, what: What::Other("a WebSocket") };
    Ok(Some(Call { callable, args, context, then }))
}

pub(crate) fn closed(core: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = core.py();
    let closed = core.get().state.borrow(py).closed.as_ref().map(|closed| closed.clone_ref(py));
    match closed {
        Some(closed) => settle(closed.bind(py), py.None().bind(py)),
        None => Ok(()),
    }
}

/// Resolves a future that may have been cancelled meanwhile.
pub(crate) fn settle(future: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(intern!(py, "set_result"), (value,)).map(drop)
}

pub(crate) fn fail(future: &Bound<'_, PyAny>, error: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(intern!(py, "set_exception"), (error,)).map(drop)
}
