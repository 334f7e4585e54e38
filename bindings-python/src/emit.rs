//! Out: from a call of the application's to a command, with an eye on those who do not keep up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrio_embed::{AckRequest, Command, Flags, SocketId, Target};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::answers::settle;
use crate::engine::{ServerCore, namespace_or_default};
use crate::ready::happened;
use crate::rooms::{Aim, aim, connecting, is_among, left_out};
use crate::state::{Awaited, Kind, State, schedule_flush};
use crate::{codec, dispatch};

/// Bytes to one connection after which the engine is asked how much waits there.
pub(crate) const ASK_AFTER: usize = 64 << 10;

/// One event, as the application asked for it.
pub(crate) struct Emit<'a, 'py> {
    pub(crate) event: &'a Bound<'py, PyAny>,
    /// A tuple is several arguments, nothing is none, anything else is one.
    pub(crate) data: Option<&'a Bound<'py, PyAny>>,
    /// A sid, a room, or a list of them; nothing is everybody.
    pub(crate) to: Option<&'a Bound<'py, PyAny>>,
    /// A sid or a list of sids that are left out.
    pub(crate) skip_sid: Option<&'a Bound<'py, PyAny>>,
    /// A room or a list of rooms whose members are left out.
    pub(crate) except: Option<&'a Bound<'py, PyAny>>,
    pub(crate) namespace: Option<&'a Bound<'py, PyString>>,
    pub(crate) flags: Flags,
}

/// Whose ack is awaited.
pub(crate) enum Answers {
    /// The one answer, or the first of several.
    First,
    /// Everybody's.
    All,
}

pub(crate) fn emit(
    slf: &Bound<'_, ServerCore>,
    emit: &Emit<'_, '_>,
    callback: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let nsp = namespace_or_default(emit.namespace)?;
    tell(slf, emit, &nsp)?;
    let Some(target) = receivers(slf, emit, nsp)? else { return done(slf, 0) };
    let payload = codec::event(slf, emit.event, emit.data)?;
    let bytes = payload.size();
    match target {
        Target::Socket(socket) => send_one(slf, socket, payload, emit.flags, callback),
        Target::Rooms { .. } => {
            for socket in early(slf, &target)? {
                send(slf, Target::Socket(socket), payload.clone(), emit.flags, None)?;
            }
            let ack = callback.map(|callback| {
                let callback = callback.clone().unbind();
                let ack = slf.get().state.borrow(py).await_ack(Awaited::Callback { callback, one: false });
                AckRequest { ack, timeout: None }
            });
            send(slf, target, payload, emit.flags, ack)?;
            done(slf, bytes)
        }
    }
}

/// `call` and `emit_with_acks`: a future of the answer or of all answers.
pub(crate) fn ask(
    slf: &Bound<'_, ServerCore>,
    emit: &Emit<'_, '_>,
    answers: &Answers,
    timeout: Option<f64>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let nsp = namespace_or_default(emit.namespace)?;
    tell(slf, emit, &nsp)?;
    let payload = codec::event(slf, emit.event, emit.data)?;
    let create_future = slf.get().state.borrow(py).running()?.create_future.clone_ref(py);
    let future = create_future.call0(py)?;
    let target = match (receivers(slf, emit, nsp)?, answers) {
        (Some(target), _) => target,
        (None, Answers::First) => return Err(PyErr::from_value(crate::errors::timeout(py)?)),
        // Nobody was asked, and everybody has answered.
        (None, Answers::All) => {
            settle(future.bind(py), PyList::empty(py).as_any())?;
            return Ok(future);
        }
    };
    let awaited = match answers {
        Answers::First => Awaited::Future(future.clone_ref(py)),
        Answers::All => {
            let one = matches!(target, Target::Socket(_));
            Awaited::All { future: future.clone_ref(py), answers: PyList::empty(py).unbind(), one }
        }
    };
    let ack = slf.get().state.borrow(py).await_ack(awaited);
    // More than a Duration holds is for ever.
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    send(slf, target, payload, emit.flags, Some(AckRequest { ack, timeout }))?;
    Ok(future)
}

/// Whoever listens to what goes out hears of it: the log, and the application's listeners.
fn tell(slf: &Bound<'_, ServerCore>, emit: &Emit<'_, '_>, nsp: &Text) -> PyResult<()> {
    if !slf.get().hears_emits.load(Ordering::Relaxed) {
        return Ok(());
    }
    slf.call_method1(intern!(slf.py(), "_on_emit"), (emit.event, emit.data, emit.to, &**nsp)).map(drop)
}

/// The receivers of an event; `None` if there can be none.
fn receivers(slf: &Bound<'_, ServerCore>, emit: &Emit<'_, '_>, nsp: Text) -> PyResult<Option<Target>> {
    let aim = aim(slf, emit.to, &nsp)?;
    if matches!(aim, Aim::Nobody) {
        return Ok(None);
    }
    let Some(except) = left_out(slf, emit.skip_sid, emit.except, &nsp)? else { return Ok(None) };
    Ok(match aim {
        Aim::Nobody => None,
        Aim::One(socket) if except.is_empty() => Some(Target::Socket(socket)),
        Aim::One(socket) => (!is_among(slf, socket, &except)?).then_some(Target::Socket(socket)),
        Aim::Rooms(rooms) => Some(Target::Rooms { nsp, rooms, except }),
    })
}

/// What everybody in a namespace gets, those get too whose connect handler runs: the engine does not count them yet.
fn early(slf: &Bound<'_, ServerCore>, target: &Target) -> PyResult<Vec<SocketId>> {
    let Target::Rooms { nsp, rooms, except } = target else { return Ok(Vec::new()) };
    if !rooms.is_empty() {
        return Ok(Vec::new());
    }
    let mut sockets = connecting(slf, nsp);
    if !except.is_empty() {
        for socket in std::mem::take(&mut sockets) {
            if !is_among(slf, socket, except)? {
                sockets.push(socket);
            }
        }
    }
    Ok(sockets)
}

fn send(
    slf: &Bound<'_, ServerCore>,
    target: Target,
    payload: Payload,
    flags: Flags,
    ack: Option<AckRequest>,
) -> PyResult<()> {
    let bytes = payload.size();
    dispatch::send(slf, Command::Emit { target, payload, flags, ack }, bytes)
}

/// Sends to one client, and looks after a client that does not keep up: the result is then a future of better times.
fn send_one(
    slf: &Bound<'_, ServerCore>,
    socket: SocketId,
    payload: Payload,
    flags: Flags,
    callback: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let bytes = payload.size();
    let (schedule, slow) = {
        let mut state = slf.get().state.borrow(py);
        let ack = callback.map(|callback| {
            let callback = callback.clone().unbind();
            AckRequest { ack: state.await_ack(Awaited::Callback { callback, one: true }), timeout: None }
        });
        let schedule = state.push(Command::Emit { target: Target::Socket(socket), payload, flags, ack }, bytes)?;
        // What may be dropped is not waited for.
        (schedule, !flags.volatile && falls_behind(&mut state, socket, bytes))
    };
    if schedule {
        schedule_flush(py, &slf.get().state)?;
    }
    if slow { wait_for_drain(slf, socket) } else { done(slf, bytes) }
}

/// What an emit returns that need not wait: now and then a future of the loop's next turn.
pub(crate) fn done(slf: &Bound<'_, ServerCore>, bytes: usize) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let breathless = {
        let mut state = slf.get().state.borrow(py);
        state.kind == Kind::Loop && state.is_breathless(bytes)
    };
    if !breathless {
        return happened(slf);
    }
    let Some(future) = own_future(slf)? else { return happened(slf) };
    let call_soon = slf.get().state.borrow(py).running()?.event_loop()?.call_soon.clone_ref(py);
    let settle = slf.getattr(intern!(py, "_settle"))?;
    call_soon.call1(py, (settle, &future))?;
    Ok(future)
}

/// A future of the moment when a client has caught up.
fn wait_for_drain(slf: &Bound<'_, ServerCore>, socket: SocketId) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let Some(future) = own_future(slf)? else { return happened(slf) };
    let waits = {
        let mut state = slf.get().state.borrow(py);
        let conn = state.sockets.get(socket.0).map(|member| member.conn);
        match conn.and_then(|conn| state.connections.get(conn.0)) {
            Some(connection) if connection.slow => {
                connection.waiters.push(future.clone_ref(py));
                true
            }
            _ => false,
        }
    };
    if waits { Ok(future) } else { happened(slf) }
}

/// A future of the loop's (on another thread there is none: nobody there could await it), or a promise.
pub(crate) fn own_future(slf: &Bound<'_, ServerCore>) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let create_future = match slf.get().state.borrow(py).running() {
        Ok(running) if running.can_wait() => running.create_future.clone_ref(py),
        _ => return Ok(None),
    };
    create_future.call0(py).map(Some)
}

fn falls_behind(state: &mut State, socket: SocketId, bytes: usize) -> bool {
    let Some(conn) = state.sockets.get(socket.0).map(|member| member.conn) else { return false };
    let Some(connection) = state.connections.get(conn.0) else { return false };
    if connection.slow || connection.closed {
        return connection.slow;
    }
    connection.sent += bytes;
    if connection.sent < ASK_AFTER {
        return false;
    }
    connection.sent = 0;
    state.flush();
    let slow = state.running().is_ok_and(|running| running.engine.buffered(socket).1);
    if let Some(connection) = state.connections.get(conn.0) {
        connection.slow = slow;
    }
    slow
}
