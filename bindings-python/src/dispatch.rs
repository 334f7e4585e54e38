//! From an event to the call of a handler, and from the handler's result to what follows.
//!
//! Events leave the ring one by one, in order. Most lead to a call, which [`crate::worker`] runs; the rest is bookkeeping
//! and is done on the spot.

use ferrio::net::exchange::Response;
use ferrio_embed::{AckEnd, Command, ConnId, Event, LinkData, LinkId, SocketId};
use ferrio_protocol::engine::Frame;
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Dialect, Text};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use smallvec::SmallVec;

use crate::engine::ServerCore;
use crate::state::{Awaited, State, schedule_flush};
use crate::table::{Connection, Phase, Socket};
use crate::{decode, encode, errors, ffi};

pub(crate) type Args<'py> = SmallVec<[Bound<'py, PyAny>; 6]>;

/// A handler to be called.
pub(crate) struct Call<'py> {
    pub(crate) callable: Bound<'py, PyAny>,
    pub(crate) args: Args<'py>,
    /// Its own: a copy of the connection's.
    pub(crate) context: Bound<'py, PyAny>,
    pub(crate) then: Then,
}

/// What the end of a handler leads to.
pub(crate) struct Then {
    /// Its result is the ack of this event.
    ack: Option<(SocketId, u64)>,
    /// The connection has waited for it.
    holds: Option<ConnId>,
    /// The event's name, for the report of an exception.
    what: What,
}

enum What {
    Event(Py<PyAny>),
    Other(&'static str),
}

/// The next call that the ring holds. Does everything on the way that needs no call.
pub(crate) fn next_call<'py>(core: &Bound<'py, ServerCore>) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    loop {
        let event = {
            let mut state = core.get().state.borrow(py);
            state.budget += 1;
            state.ring.pop_front()
        };
        let Some(event) = event else { return Ok(None) };
        match prepare(core, event) {
            Ok(None) => {}
            Ok(Some(call)) => return Ok(Some(call)),
            Err(error) => report(core, &error, &What::Other("an event")),
        }
    }
}

/// Takes the result of a handler. An error is one that ends the loop (`KeyboardInterrupt`, `SystemExit`).
pub(crate) fn finish<'py>(
    core: &Bound<'py, ServerCore>,
    then: Then,
    result: PyResult<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let py = core.py();
    let fatal = match result {
        Ok(value) => acknowledge(core, &then, &value),
        // The original takes a cancelled handler for one that returned nothing.
        Err(error) if is_cancelled(py, &error) => acknowledge(core, &then, py.None().bind(py)),
        Err(error) if is_fatal(py, &error) => Some(error),
        Err(error) => {
            report(core, &error, &then.what);
            None
        }
    };
    if let Some(conn) = then.holds {
        release_parked(core, conn)?;
    }
    fatal.map_or(Ok(()), Err)
}

fn acknowledge(core: &Bound<'_, ServerCore>, then: &Then, value: &Bound<'_, PyAny>) -> Option<PyErr> {
    let (socket, id) = then.ack?;
    let sent = encode::answer(value).and_then(|payload| {
        let bytes = payload.text.len();
        send(core, Command::Ack { socket, id, payload }, bytes)
    });
    if let Err(error) = sent {
        report(core, &error, &then.what);
    }
    None
}

/// Queues a command.
pub(crate) fn send(core: &Bound<'_, ServerCore>, command: Command, bytes: usize) -> PyResult<()> {
    let py = core.py();
    let schedule = core.get().state.borrow(py).push(command, bytes);
    if schedule { schedule_flush(py, &core.get().state) } else { Ok(()) }
}

/// What came while a handler held the connection goes to the front of the ring.
fn release_parked(core: &Bound<'_, ServerCore>, conn: ConnId) -> PyResult<()> {
    let py = core.py();
    let drain = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(connection) = state.connections.get(conn.0) else { return Ok(()) };
        connection.busy = false;
        if connection.parked.is_empty() {
            return Ok(());
        }
        while let Some(event) = connection.parked.pop_back() {
            state.ring.push_front(event);
        }
        !state.draining
    };
    if drain { crate::engine::schedule_drain(core) } else { Ok(()) }
}

fn prepare<'py>(core: &Bound<'py, ServerCore>, event: Event) -> PyResult<Option<Call<'py>>> {
    match event {
        Event::Message { socket, id, payload } => message(core, socket, id, payload),
        Event::Connect { socket, conn, nsp, sid, auth } => connect(core, socket, conn, nsp, sid, auth),
        Event::Disconnect { socket, .. } => disconnect(core, socket, event),
        Event::Open { conn, sid, request, head, .. } => {
            open(core, conn, &sid, request.map(|request| request.0), head.as_deref()).map(|()| None)
        }
        Event::Close { conn, .. } => close(core, conn).map(|()| None),
        Event::Ack { ack, socket, payload } => ack_came(core, ack.0, socket, &payload),
        Event::AckEnd { ack, end, .. } => ack_ended(core, ack.0, end).map(|()| None),
        Event::Drain { conn } => caught_up(core, conn).map(|()| None),
        Event::Response { request, response } => respond(core, request.0, &response).map(|()| None),
        Event::LinkWrite { link, data } => link_write(core, link, data),
        Event::LinkClose { link } => link_close(core, link),
        Event::Closed => closed(core).map(|()| None),
        // `transport()` asks the engine.
        Event::Upgrade { .. } => Ok(None),
    }
}

// ---- sockets

fn message<'py>(
    core: &Bound<'py, ServerCore>,
    socket: SocketId,
    id: Option<u64>,
    payload: Payload,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let (sid, nsp, context, holds) = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(member) = state.sockets.get(socket.0) else { return Ok(None) };
        if member.phase != Phase::Connected {
            return Ok(None);
        }
        let Some(connection) = state.connections.get(member.conn.0) else { return Ok(None) };
        let holds = (!state.async_handlers).then_some(member.conn);
        if holds.is_some() {
            if connection.busy {
                connection.parked.push_back(Event::Message { socket, id, payload });
                return Ok(None);
            }
            connection.busy = true;
        }
        (member.sid.clone_ref(py), member.nsp.clone_ref(py), connection.context.clone_ref(py), holds)
    };
    let call = handler_call(core, socket, id, &payload, sid, nsp.bind(py), context.bind(py), holds);
    if !matches!(call, Ok(Some(_)))
        && let Some(conn) = holds
    {
        release_parked(core, conn)?;
    }
    call
}

#[expect(clippy::too_many_arguments, reason = "what `message` looked up, once")]
fn handler_call<'py>(
    core: &Bound<'py, ServerCore>,
    socket: SocketId,
    id: Option<u64>,
    payload: &Payload,
    sid: Py<PyString>,
    nsp: &Bound<'py, PyString>,
    context: &Bound<'py, PyAny>,
    holds: Option<ConnId>,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let mut items = decode::arguments(py, payload)?.into_iter();
    let Some(name) = items.next() else { return Ok(None) };
    if core.get().verbose.load(std::sync::atomic::Ordering::Relaxed) {
        core.call_method1(intern!(py, "_log_event"), (&name, &sid, nsp))?;
    }
    let Some((callable, prefix)) = resolve(core, &name, nsp)? else { return Ok(None) };
    let mut args = Args::new();
    if let Some(prefix) = prefix {
        args.extend(prefix.iter());
    }
    args.push(sid.into_bound(py).into_any());
    args.extend(items);
    let context = ffi::copy_context(py, Some(context))?;
    let then = Then { ack: id.map(|id| (socket, id)), holds, what: What::Event(name.unbind()) };
    Ok(Some(Call { callable, args, context, then }))
}

type Resolved<'py> = Option<(Bound<'py, PyAny>, Option<Bound<'py, PyTuple>>)>;

/// The handler of an event and the arguments that come before the sid.
fn resolve<'py>(
    core: &Bound<'py, ServerCore>,
    name: &Bound<'py, PyAny>,
    nsp: &Bound<'py, PyString>,
) -> PyResult<Resolved<'py>> {
    let py = core.py();
    // The usual case without a call into Python: `handlers[namespace][event]`.
    let handlers = core.get().handlers.borrow(py).clone_ref(py).into_bound(py);
    if let Some(of_namespace) = handlers.get_item(nsp)?
        && let Ok(of_namespace) = of_namespace.cast::<PyDict>()
        && let Some(handler) = of_namespace.get_item(name)?
    {
        return Ok(Some((handler, None)));
    }
    let found = core.call_method1(intern!(py, "_resolve"), (name, nsp))?;
    if found.is_none() {
        return Ok(None);
    }
    let (handler, prefix): (Bound<'py, PyAny>, Bound<'py, PyTuple>) = found.extract()?;
    Ok(Some((handler, Some(prefix))))
}

fn connect<'py>(
    core: &Bound<'py, ServerCore>,
    socket: SocketId,
    conn: ConnId,
    nsp: Text,
    sid: Text,
    auth: Option<Text>,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let auth_value = match &auth {
        Some(text) => decode::value(py, text)?,
        None => py.None().into_bound(py),
    };
    let (sid_object, nsp_object, eio_sid, context) = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(connection) = state.connections.get(conn.0) else { return Ok(None) };
        if connection.busy {
            connection.parked.push_back(Event::Connect { socket, conn, nsp, sid, auth });
            return Ok(None);
        }
        connection.busy = true;
        connection.sockets.push(socket);
        let (sid_object, nsp_object) = (PyString::new(py, &sid), PyString::intern(py, &nsp));
        *state.population.entry(nsp.as_bytes().clone()).or_default() += 1;
        state.by_sid.insert(sid.as_bytes().clone(), socket);
        let (eio_sid, context) = (connection.eio_sid.clone_ref(py), connection.context.clone_ref(py));
        let member = Socket {
            conn,
            sid: sid_object.clone().unbind(),
            sid_text: sid,
            nsp: nsp_object.clone().unbind(),
            nsp_text: nsp,
            phase: Phase::Connecting,
            ended: false,
        };
        state.sockets.insert(socket.0, member);
        state.connecting.push(socket);
        (sid_object, nsp_object, eio_sid, context)
    };
    let args = Args::from_iter([
        socket.0.into_pyobject(py)?.into_any(),
        sid_object.into_any(),
        nsp_object.into_any(),
        eio_sid.into_bound(py).into_any(),
        auth_value,
    ]);
    call_own(core, intern!(py, "_on_connect"), args, &context, Some(conn), "connect")
}

fn disconnect<'py>(core: &Bound<'py, ServerCore>, socket: SocketId, event: Event) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let Event::Disconnect { reason, .. } = &event else { return Ok(None) };
    let reason = reason.as_str(Dialect::Python);
    let call = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        match state.sockets.get(socket.0) {
            // Refused meanwhile.
            None => None,
            Some(member) => {
                let Some(connection) = state.connections.get(member.conn.0) else { return Ok(None) };
                // The connect handler, or another one that holds the connection, comes to its end first.
                if connection.busy && member.phase != Phase::Leaving {
                    connection.parked.push_back(event);
                    return Ok(None);
                }
                member.ended = true;
                match member.phase {
                    Phase::Connected => {
                        member.phase = Phase::Leaving;
                        connection.busy = true;
                        let args = (member.sid.clone_ref(py), member.nsp.clone_ref(py));
                        Some((args, connection.context.clone_ref(py), member.conn))
                    }
                    // `disconnect()` runs the handler and releases the socket when that has ended.
                    Phase::Leaving => return Ok(None),
                    // Its connect handler raised.
                    Phase::Connecting => None,
                }
            }
        }
    };
    let Some(((sid, nsp), context, conn)) = call else {
        return forget_socket(core, socket).map(|()| None);
    };
    let args = Args::from_iter([
        socket.0.into_pyobject(py)?.into_any(),
        sid.into_bound(py).into_any(),
        nsp.into_bound(py).into_any(),
        PyString::intern(py, reason).into_any(),
    ]);
    call_own(core, intern!(py, "_on_disconnect"), args, &context, Some(conn), "disconnect")
}

/// The end of a socket's disconnect handler, whoever called it.
pub(crate) fn release(core: &Bound<'_, ServerCore>, socket: SocketId) -> PyResult<()> {
    let py = core.py();
    let ended = match core.get().state.borrow(py).sockets.get(socket.0) {
        Some(member) => member.ended,
        None => return Ok(()),
    };
    if ended {
        return forget_socket(core, socket);
    }
    // The engine's `Disconnect` is still to come: gone for the application, kept until then for the engine.
    remove_socket(core, socket).map(drop)
}

/// Forgets a socket here and in the engine.
pub(crate) fn forget_socket(core: &Bound<'_, ServerCore>, socket: SocketId) -> PyResult<()> {
    remove_socket(core, socket)?;
    send(core, Command::Release { socket }, 0)
}

/// Forgets a socket here.
pub(crate) fn remove_socket(core: &Bound<'_, ServerCore>, socket: SocketId) -> PyResult<()> {
    let py = core.py();
    // What is removed is dropped when the state is no longer borrowed.
    let _removed = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(member) = state.sockets.remove(socket.0) else { return Ok(()) };
        state.by_sid.remove(member.sid_text.as_bytes());
        state.connecting.retain(|other| *other != socket);
        if let Some(count) = state.population.get_mut(member.nsp_text.as_bytes()) {
            *count -= 1;
            if *count == 0 {
                state.population.remove(member.nsp_text.as_bytes());
            }
        }
        let connection = match state.connections.get(member.conn.0) {
            Some(connection) => {
                connection.sockets.retain(|other| *other != socket);
                let done = connection.closed && connection.sockets.is_empty();
                if done { forget_connection(state, member.conn) } else { None }
            }
            None => None,
        };
        (member, connection)
    };
    Ok(())
}

// ---- connections

fn open(
    core: &Bound<'_, ServerCore>,
    conn: ConnId,
    sid: &Text,
    request: Option<u64>,
    head: Option<&ferrio::net::exchange::Head>,
) -> PyResult<()> {
    let py = core.py();
    let of_head = match head {
        Some(head) => {
            let headers = PyList::new(py, head.headers.iter().map(|(name, value)| (name.as_ref(), value.as_str())))?;
            let parts = (&head.method, &head.target, headers, &head.remote, head.secure).into_pyobject(py)?;
            Some(parts.into_any().unbind())
        }
        None => None,
    };
    let mut state = core.get().state.borrow(py);
    let (source, context) = match request.and_then(|request| state.opening.remove(&request)) {
        Some((source, context)) => (Some(source), context),
        None => (of_head, state.running()?.host.context.clone_ref(py)),
    };
    let connection = Connection {
        eio_sid: PyString::new(py, sid).unbind(),
        eio_sid_text: sid.clone(),
        source,
        environ: None,
        context,
        sessions: None,
        sockets: SmallVec::new(),
        busy: false,
        parked: std::collections::VecDeque::new(),
        sent: 0,
        slow: false,
        waiters: Vec::new(),
        closed: false,
    };
    state.by_eio_sid.insert(sid.as_bytes().clone(), conn);
    let replaced = state.connections.insert(conn.0, connection);
    drop(state);
    drop(replaced);
    Ok(())
}

fn close(core: &Bound<'_, ServerCore>, conn: ConnId) -> PyResult<()> {
    let py = core.py();
    let (waiters, _removed) = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(connection) = state.connections.get(conn.0) else { return Ok(()) };
        connection.closed = true;
        connection.slow = false;
        let waiters = std::mem::take(&mut connection.waiters);
        // Its environ and sessions are there as long as a disconnect handler runs.
        let done = connection.sockets.is_empty() && connection.parked.is_empty();
        (waiters, if done { forget_connection(state, conn) } else { None })
    };
    waiters.iter().try_for_each(|waiter| settle(waiter.bind(py), py.None().bind(py)))
}

fn forget_connection(state: &mut State, conn: ConnId) -> Option<Connection> {
    let connection = state.connections.remove(conn.0)?;
    state.by_eio_sid.remove(connection.eio_sid_text.as_bytes());
    Some(connection)
}

fn caught_up(core: &Bound<'_, ServerCore>, conn: ConnId) -> PyResult<()> {
    let py = core.py();
    let waiters = match core.get().state.borrow(py).connections.get(conn.0) {
        Some(connection) => {
            connection.slow = false;
            std::mem::take(&mut connection.waiters)
        }
        None => return Ok(()),
    };
    waiters.iter().try_for_each(|waiter| settle(waiter.bind(py), py.None().bind(py)))
}

// ---- answers

fn ack_came<'py>(
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
            Some(_) => state.acks.remove(&number),
            None => None,
        };
        let conn = state.sockets.get(socket.0).map(|member| member.conn);
        let connection = conn.and_then(|conn| state.connections.get(conn.0));
        (awaited, connection.map(|connection| connection.context.clone_ref(py)))
    };
    let Some(awaited) = awaited else { return Ok(None) };
    let arguments = decode::arguments(py, payload)?;
    match awaited {
        Awaited::Future(future) => settle(future.bind(py), &arguments.into_any()).map(|()| None),
        Awaited::Callback { callback, .. } => {
            let context = ffi::copy_context(py, context.as_ref().map(|context| context.bind(py)))?;
            let then = Then { ack: None, holds: None, what: What::Other("an acknowledgement") };
            let args = arguments.iter().collect();
            Ok(Some(Call { callable: callback.into_bound(py), args, context, then }))
        }
    }
}

fn ack_ended(core: &Bound<'_, ServerCore>, number: u64, _end: AckEnd) -> PyResult<()> {
    let py = core.py();
    let awaited = core.get().state.borrow(py).acks.remove(&number);
    match awaited {
        Some(Awaited::Future(future)) => fail(future.bind(py), &errors::timeout(py)?),
        Some(Awaited::Callback { .. }) | None => Ok(()),
    }
}

fn respond(core: &Bound<'_, ServerCore>, request: u64, response: &Response) -> PyResult<()> {
    let py = core.py();
    let (future, _opening) = {
        let mut state = core.get().state.borrow(py);
        (state.requests.remove(&request), state.opening.remove(&request))
    };
    let Some(future) = future else { return Ok(()) };
    let headers = response
        .headers
        .iter()
        .map(|(name, value)| (PyBytes::new(py, name.as_bytes()), PyBytes::new(py, value.as_bytes())));
    let headers = PyList::new(py, headers)?;
    let answer = (response.status, headers, PyBytes::new(py, &response.body)).into_pyobject(py)?;
    settle(future.bind(py), answer.as_any())
}

// ---- WebSockets that the host's server frames

fn link_write<'py>(core: &Bound<'py, ServerCore>, link: LinkId, data: Vec<LinkData>) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let frames = PyList::empty(py);
    for item in &data {
        match item {
            LinkData::Frame(Frame::Text(text)) => frames.append(PyString::new(py, text))?,
            LinkData::Frame(Frame::Binary(bytes)) | LinkData::Bytes(bytes) => frames.append(PyBytes::new(py, bytes))?,
        }
    }
    link_call(core, link, intern!(py, "write"), Args::from_iter([frames.into_any()]), false)
}

fn link_close<'py>(core: &Bound<'py, ServerCore>, link: LinkId) -> PyResult<Option<Call<'py>>> {
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

fn closed(core: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = core.py();
    let closed = core.get().state.borrow(py).closed.as_ref().map(|closed| closed.clone_ref(py));
    match closed {
        Some(closed) => settle(closed.bind(py), py.None().bind(py)),
        None => Ok(()),
    }
}

// ---- helpers

/// Calls a method of the Python part of the server.
fn call_own<'py>(
    core: &Bound<'py, ServerCore>,
    method: &Bound<'py, PyString>,
    args: Args<'py>,
    context: &Py<PyAny>,
    holds: Option<ConnId>,
    what: &'static str,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let then = Then { ack: None, holds, what: What::Other(what) };
    let context = ffi::copy_context(py, Some(context.bind(py)))?;
    Ok(Some(Call { callable: core.getattr(method)?, args, context, then }))
}

/// Resolves a future that may have been cancelled meanwhile.
pub(crate) fn settle(future: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(intern!(py, "set_result"), (value,)).map(drop)
}

fn fail(future: &Bound<'_, PyAny>, error: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(intern!(py, "set_exception"), (error,)).map(drop)
}

/// Tells of an exception that nobody caught. Never fails: an event's failure must not stop the next.
fn report(core: &Bound<'_, ServerCore>, error: &PyErr, what: &What) {
    let py = core.py();
    let name = match what {
        What::Event(name) => name.bind(py).clone(),
        What::Other(name) => PyString::new(py, name).into_any(),
    };
    // Before 3.12 the traceback travels beside the exception.
    let traced = match error.traceback(py) {
        Some(traceback) => error.value(py).setattr(intern!(py, "__traceback__"), traceback),
        None => Ok(()),
    };
    let told = traced.and_then(|()| core.call_method1(intern!(py, "_report"), (error.value(py), name)));
    if let Err(error) = told {
        error.write_unraisable(py, Some(core.as_any()));
    }
}

fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<pyo3::exceptions::asyncio::CancelledError>(py)
}

fn is_fatal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(py)
        || error.is_instance_of::<pyo3::exceptions::PySystemExit>(py)
}
