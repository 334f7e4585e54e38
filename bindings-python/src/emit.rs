//! Out: from a call of the application's to a command, with an eye on those who do not keep up.

use std::time::Duration;

use bytes::Bytes;
use ferrio_embed::{AckId, AckRequest, Command, Flags, SocketId, Target};
use ferrio_protocol::socket::Payload;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::engine::{ServerCore, namespace_or_default};
use crate::ready::happened;
use crate::rooms::{Aim, aim, connecting, skipped};
use crate::state::{Awaited, Kind, State, schedule_flush};
use crate::{dispatch, encode};

const FLAGS: Flags = Flags { volatile: false, compress: true, stamped: false };

/// Bytes to one connection after which the engine is asked how much waits there.
const ASK_AFTER: usize = 64 << 10;

#[expect(clippy::too_many_arguments, reason = "python-socketio's signature")]
pub(crate) fn emit<'py>(
    slf: &Bound<'py, ServerCore>,
    event: &Bound<'py, PyAny>,
    data: Option<&Bound<'py, PyAny>>,
    to: Option<&Bound<'py, PyAny>>,
    room: Option<&Bound<'py, PyAny>>,
    skip_sid: Option<&Bound<'py, PyAny>>,
    namespace: Option<&Bound<'py, PyString>>,
    callback: Option<&Bound<'py, PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let room = match to {
        Some(to) if to.is_truthy()? => Some(to),
        _ => room,
    };
    let nsp = namespace_or_default(namespace)?;
    if slf.get().verbose.load(std::sync::atomic::Ordering::Relaxed) {
        slf.call_method1(intern!(py, "_log_emit"), (event, room, &*nsp))?;
    }
    let aim = aim(slf, room, &nsp)?;
    let except = skipped(slf, skip_sid, &nsp)?;
    match aim {
        Aim::Nobody => done(slf, 0),
        Aim::One(socket) => {
            let own = slf.get().state.borrow(py).sockets.get(socket.0).map(|member| member.sid_text.clone());
            if own.is_some_and(|sid| except.contains(&sid)) {
                return done(slf, 0);
            }
            let payload = encode::event(event, data)?;
            send_one(slf, socket, payload, callback)
        }
        Aim::Rooms(rooms) => {
            let payload = encode::event(event, data)?;
            if rooms.is_empty() {
                for (socket, sid) in connecting(slf, &nsp) {
                    if !except.contains(&sid) {
                        send(slf, Target::Socket(socket), payload.clone(), None)?;
                    }
                }
            }
            let ack = callback.map(|callback| await_ack(slf, callback, false));
            let bytes = size(&payload);
            send(slf, Target::Rooms { nsp, rooms, except }, payload, ack)?;
            done(slf, bytes)
        }
    }
}

/// `call`: a future of the answer.
pub(crate) fn ask<'py>(
    slf: &Bound<'py, ServerCore>,
    event: &Bound<'py, PyAny>,
    data: Option<&Bound<'py, PyAny>>,
    to: &Bound<'py, PyAny>,
    namespace: &Bound<'py, PyString>,
    timeout: Option<f64>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let nsp = namespace_or_default(Some(namespace))?;
    let payload = encode::event(event, data)?;
    let target = match aim(slf, Some(to), &nsp)? {
        Aim::One(socket) => Target::Socket(socket),
        Aim::Rooms(rooms) => Target::Rooms { nsp, rooms, except: Vec::new() },
        Aim::Nobody => return Err(PyErr::from_value(crate::errors::timeout(py)?)),
    };
    let future = {
        let create_future = slf.get().state.borrow(py).running()?.create_future.clone_ref(py);
        create_future.call0(py)?
    };
    let number = {
        let mut state = slf.get().state.borrow(py);
        let number = state.number();
        state.acks.insert(number, Awaited::Future(future.clone_ref(py)));
        number
    };
    // More than a Duration holds is for ever.
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    send(slf, target, payload, Some(AckRequest { ack: AckId(number), timeout }))?;
    Ok(future)
}

fn await_ack(slf: &Bound<'_, ServerCore>, callback: &Bound<'_, PyAny>, one: bool) -> AckRequest {
    let mut state = slf.get().state.borrow(slf.py());
    let number = state.number();
    state.acks.insert(number, Awaited::Callback { callback: callback.clone().unbind(), one });
    AckRequest { ack: AckId(number), timeout: None }
}

fn send(slf: &Bound<'_, ServerCore>, target: Target, payload: Payload, ack: Option<AckRequest>) -> PyResult<()> {
    let bytes = size(&payload);
    dispatch::send(slf, Command::Emit { target, payload, flags: FLAGS, ack }, bytes)
}

fn size(payload: &Payload) -> usize {
    payload.text.len() + payload.attachments.iter().map(Bytes::len).sum::<usize>()
}

/// Sends to one client, and looks after a client that does not keep up: the result is then a future of better times.
fn send_one(
    slf: &Bound<'_, ServerCore>,
    socket: SocketId,
    payload: Payload,
    callback: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let ack = callback.map(|callback| await_ack(slf, callback, true));
    let bytes = size(&payload);
    let command = Command::Emit { target: Target::Socket(socket), payload, flags: FLAGS, ack };
    let (schedule, slow) = {
        let mut state = slf.get().state.borrow(py);
        let schedule = state.push(command, bytes)?;
        (schedule, falls_behind(&mut state, socket, bytes))
    };
    if schedule {
        schedule_flush(py, &slf.get().state)?;
    }
    if slow { wait_for_drain(slf, socket) } else { done(slf, bytes) }
}

/// What an emit returns that need not wait: now and then a future of the loop's next turn.
fn done(slf: &Bound<'_, ServerCore>, bytes: usize) -> PyResult<Py<PyAny>> {
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
fn own_future(slf: &Bound<'_, ServerCore>) -> PyResult<Option<Py<PyAny>>> {
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
