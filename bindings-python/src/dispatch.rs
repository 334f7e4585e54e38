//! From an event to the call of a handler, and from the handler's result to what follows.
//!
//! Events leave the ring one by one, in order. Most lead to a call, which [`crate::worker`] runs; the rest is bookkeeping
//! and is done on the spot.

use std::sync::atomic::Ordering;

use ferrio_embed::{Command, ConnId, Event, SocketId};
use ferrio_protocol::socket::Payload;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use smallvec::SmallVec;

use crate::called::{self, Question};
use crate::engine::ServerCore;
use crate::state::{Kind, State, schedule_flush};
use crate::table::Phase;
use crate::{answers, codec, drain, ffi, presence, script};

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
    pub(crate) ack: Option<Reply>,
    /// The connection has waited for it.
    pub(crate) holds: Option<ConnId>,
    /// The event's name, for the report of an exception.
    pub(crate) what: What,
}

/// Who asked for the ack.
pub(crate) enum Reply {
    /// A client of the server's.
    Socket(SocketId, u64),
    /// The server that one of our clients is connected to.
    Server(Box<Question>),
}

pub(crate) enum What {
    Event(Py<PyAny>),
    Other(&'static str),
}

/// The next call that the ring holds. Does everything on the way that needs no call.
pub(crate) fn next_call<'py>(core: &Bound<'py, ServerCore>) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    loop {
        let feeders;
        let event = {
            let mut state = core.get().state.borrow(py);
            state.budget += 1;
            let parked = unpark(&mut state)?;
            feeders = std::mem::take(&mut state.feeders);
            match parked {
                Some(event) => Some(event),
                None => state.ring.pop_front(),
            }
        };
        for feeder in feeders {
            answers::settle(feeder.bind(py), py.None().bind(py))?;
        }
        let Some(mut event) = event else { return Ok(None) };
        if !core.get().state.borrow(py).scripts.is_empty() {
            let Some(other) = script::keep(core, event)? else { continue };
            event = other;
        }
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
        // A thread of its own would end by it, and nothing else.
        Err(error) if is_fatal(py, &error) && core.get().state.borrow(py).kind == Kind::Loop => Some(error),
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
    let reply = then.ack.as_ref()?;
    // What listens beside the handlers has not answered.
    if value.is(value.py().NotImplemented()) {
        return None;
    }
    let sent = match reply {
        Reply::Socket(socket, id) => codec::answer(core, value).and_then(|payload| {
            let bytes = payload.text.len();
            send(core, Command::Ack { socket: *socket, id: *id, payload }, bytes)
        }),
        Reply::Server(question) => called::answer(core, question, value),
    };
    if let Err(error) = sent {
        report(core, &error, &then.what);
    }
    None
}

/// Queues a command.
pub(crate) fn send(core: &Bound<'_, ServerCore>, command: Command, bytes: usize) -> PyResult<()> {
    let py = core.py();
    let schedule = core.get().state.borrow(py).push(command, bytes)?;
    if schedule { schedule_flush(py, &core.get().state) } else { Ok(()) }
}

/// Events of a connection that wait for its handler, above which no more is read of it; and at which it is again.
const HOLD_ABOVE: usize = 256;
const HOLD_BELOW: usize = HOLD_ABOVE / 2;

/// Keeps an event until the connection's handler has ended.
pub(crate) fn park(state: &mut State, conn: ConnId, event: Event) -> PyResult<()> {
    let Some(connection) = state.connections.get(conn.0) else { return Ok(()) };
    connection.parked.push_back(event);
    if connection.parked.len() > HOLD_ABOVE && !std::mem::replace(&mut connection.held, true) {
        state.push(Command::Hold { conn, on: true }, 0)?;
        // The rest of a drain may take long.
        state.flush();
    }
    Ok(())
}

/// The next event of a connection whose handler has ended: one at a time, for it may hold the connection again.
fn unpark(state: &mut State) -> PyResult<Option<Event>> {
    while let Some(&conn) = state.unparked.front() {
        let (mut goes_on, mut feeders) = (false, Vec::new());
        let next = state.connections.get(conn.0).filter(|connection| !connection.busy).and_then(|connection| {
            let event = connection.parked.pop_front()?;
            goes_on = connection.held && connection.parked.len() <= HOLD_BELOW;
            connection.held &= !goes_on;
            if goes_on {
                feeders = std::mem::take(&mut connection.feeders);
            }
            Some(event)
        });
        let Some(event) = next else {
            state.unparked.pop_front();
            continue;
        };
        if goes_on {
            state.feeders.append(&mut feeders);
            state.push(Command::Hold { conn, on: false }, 0)?;
            state.flush();
        }
        return Ok(Some(event));
    }
    Ok(None)
}

/// What came while a handler held the connection has its turn.
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
        state.unparked.push_back(conn);
        !state.draining
    };
    if drain { drain::schedule(core) } else { Ok(()) }
}

pub(crate) fn prepare<'py>(core: &Bound<'py, ServerCore>, event: Event) -> PyResult<Option<Call<'py>>> {
    match event {
        Event::Message { socket, id, payload } => message(core, socket, id, payload),
        Event::Connect { .. } => presence::connect(core, event),
        Event::Disconnect { socket, .. } => presence::disconnect(core, socket, event),
        Event::Open { conn, sid, request, head, transport, .. } => {
            presence::open(core, conn, &sid, request.map(|request| request.0), head.as_deref())?;
            presence::tell_open(core, &sid, transport).map(|()| None)
        }
        Event::Close { conn, .. } => presence::close(core, conn).map(|()| None),
        Event::Ack { ack, socket, payload } => answers::ack_came(core, ack.0, socket, &payload),
        Event::AckEnd { ack, end, .. } => answers::ack_ended(core, ack.0, end).map(|()| None),
        Event::Drain { conn } => presence::caught_up(core, conn).map(|()| None),
        Event::Response { request, response } => answers::respond(core, request.0, &response).map(|()| None),
        Event::LinkWrite { link, data } => answers::link_write(core, link, data),
        Event::LinkClose { link } => answers::link_close(core, link),
        Event::Closed => answers::closed(core).map(|()| None),
        // `transport()` asks the engine.
        Event::Upgrade { conn } => presence::tell_upgrade(core, conn).map(|()| None),
        Event::Packet { conn, sent, kind, data } => {
            presence::tell_packet(core, conn, sent, kind, data.as_ref()).map(|()| None)
        }
        // Only for hosts that ask for them (`layer`, a receipt); nobody does here.
        Event::Data { .. } | Event::Written { .. } => Ok(None),
        Event::Client { client, event } => called::happened(core, client, event),
        Event::Refused { code, message, .. } => {
            core.call_method1(intern!(core.py(), "_on_refused"), (code, &*message)).map(|_| None)
        }
        Event::SessionExpired { nsp, pid, .. } => {
            core.call_method1(intern!(core.py(), "_on_expired"), (&*nsp, &*pid)).map(|_| None)
        }
    }
}

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
                let conn = member.conn;
                park(state, conn, Event::Message { socket, id, payload })?;
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
    let mut items = codec::arguments(core, payload)?.into_iter();
    let Some(name) = items.next() else { return Ok(None) };
    if core.get().verbose.load(Ordering::Relaxed) {
        core.call_method1(intern!(py, "_log_event"), (&name, &sid, nsp))?;
    }
    let mut args = Args::new();
    let callable = if core.get().hears_events.load(Ordering::Relaxed) {
        // More than a handler takes part: middlewares, listeners.
        let callable = rule(core, core.as_any(), intern!(py, "_on_event"), &mut args)?;
        args.extend([nsp.clone().into_any(), name.clone()]);
        callable
    } else {
        let Some((callable, prefix)) = resolve(core, &name, nsp)? else { return Ok(None) };
        if let Some(prefix) = prefix {
            args.extend(prefix.iter());
        }
        callable
    };
    args.push(sid.into_bound(py).into_any());
    args.extend(items);
    let context = ffi::copy_context(py, Some(context))?;
    let then = Then { ack: id.map(|id| Reply::Socket(socket, id)), holds, what: What::Event(name.unbind()) };
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

/// Calls a method of the Python part of the server.
pub(crate) fn call_own<'py>(
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
    let mut own = Args::new();
    let callable = rule(core, core.as_any(), method, &mut own)?;
    own.extend(args);
    Ok(Some(Call { callable, args: own, context, then }))
}

/// What calls a coroutine method of the server or of a client, and the arguments that come first.
pub(crate) fn rule<'py>(
    core: &Bound<'py, ServerCore>,
    owner: &Bound<'py, PyAny>,
    method: &Bound<'py, PyString>,
    args: &mut Args<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = core.py();
    let method = owner.getattr(method)?;
    if core.get().state.borrow(py).kind == Kind::Loop {
        return Ok(method);
    }
    // A thread has no Task for it.
    args.push(method);
    core.getattr(intern!(py, "_complete"))
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
    error.is_instance_of::<CancelledError>(py)
}

fn is_fatal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py)
}
