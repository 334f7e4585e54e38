//! Connections and sockets as they come and go: what the binding knows of them, and the handlers that are asked and told.

use std::sync::atomic::Ordering;

use ferrio::net::exchange::Head;
use ferrio_embed::{Command, ConnId, Event, PacketKind, SocketId};
use ferrio_protocol::engine::{Frame, Transport};
use ferrio_protocol::{Dialect, Text};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use smallvec::SmallVec;

use crate::answers::settle;
use crate::codec;
use crate::dispatch::{Args, Call, call_own, send};
use crate::engine::ServerCore;
use crate::state::State;
use crate::table::{Connection, Phase, Socket, Source};
use crate::{dispatch, http};

pub(crate) fn connect<'py>(core: &Bound<'py, ServerCore>, event: Event) -> PyResult<Option<Call<'py>>> {
    let Event::Connect { socket, conn, ref nsp, ref sid, ref auth, ref pid, recovered } = event else {
        return Ok(None);
    };
    let (nsp, sid) = (nsp.clone(), sid.clone());
    let pid = pid.as_ref().map(|pid| Box::<str>::from(&**pid));
    let py = core.py();
    let auth_value = match auth {
        Some(text) => codec::read(core, text)?,
        None => py.None().into_bound(py),
    };
    let came_back_by = pid.as_deref().filter(|_| recovered).map(|pid| PyString::new(py, pid));
    let (sid_object, nsp_object, eio_sid, context) = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(connection) = state.connections.get(conn.0) else { return Ok(None) };
        if connection.busy {
            dispatch::park(state, conn, event)?;
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
            pid,
            recovered,
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
        came_back_by.into_pyobject(py)?,
    ]);
    call_own(core, intern!(py, "_on_connect"), args, &context, Some(conn), "connect")
}

pub(crate) fn disconnect<'py>(
    core: &Bound<'py, ServerCore>,
    socket: SocketId,
    event: Event,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let Event::Disconnect { reason, .. } = &event else { return Ok(None) };
    let (reason, recoverable) = (reason.as_str(Dialect::Python), reason.is_recoverable());
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
                    let conn = member.conn;
                    dispatch::park(state, conn, event)?;
                    return Ok(None);
                }
                member.ended = true;
                match member.phase {
                    Phase::Connected => {
                        member.phase = Phase::Leaving;
                        connection.busy = true;
                        let pid = member.pid.as_deref().filter(|_| recoverable).map(|pid| PyString::new(py, pid));
                        let args = (member.sid.clone_ref(py), member.nsp.clone_ref(py), pid);
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
    let Some(((sid, nsp, pid), context, conn)) = call else {
        return forget_socket(core, socket).map(|()| None);
    };
    let args = Args::from_iter([
        socket.0.into_pyobject(py)?.into_any(),
        sid.into_bound(py).into_any(),
        nsp.into_bound(py).into_any(),
        PyString::intern(py, reason).into_any(),
        pid.into_pyobject(py)?,
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

pub(crate) fn open(
    core: &Bound<'_, ServerCore>,
    conn: ConnId,
    sid: &Text,
    request: Option<u64>,
    head: Option<&Head>,
) -> PyResult<()> {
    let py = core.py();
    let mut state = core.get().state.borrow(py);
    let (source, context) = match request.and_then(|request| state.opening.remove(&request)) {
        Some((source, context)) => (Source::Asgi(source), context),
        None => (
            head.map(|head| Source::Head(http::pack(head))).unwrap_or_default(),
            state.running()?.context.clone_ref(py),
        ),
    };
    let connection = Connection {
        eio_sid: PyString::new(py, sid).unbind(),
        eio_sid_text: sid.clone(),
        source,
        environ: None,
        context,
        sessions: None,
        sockets: SmallVec::new(),
        scripted: request.is_some_and(|request| state.scripts.contains(&request)),
        busy: false,
        parked: std::collections::VecDeque::new(),
        held: false,
        feeders: Vec::new(),
        sent: 0,
        slow: false,
        waiters: Vec::new(),
        closed: false,
    };
    state.by_eio_sid.insert(sid.as_bytes().clone(), conn);
    if let Some(link) = request.filter(|request| state.links.contains_key(request)) {
        state.link_conns.insert(link, conn);
    }
    let replaced = state.connections.insert(conn.0, connection);
    drop(state);
    drop(replaced);
    Ok(())
}

/// Tells of the first packet of a connection, which the engine does not, if packets are logged.
pub(crate) fn tell_open(core: &Bound<'_, ServerCore>, sid: &Text, transport: Transport) -> PyResult<()> {
    if !core.get().logs_packets.load(Ordering::Relaxed) {
        return Ok(());
    }
    core.call_method1(intern!(core.py(), "_log_open"), (&**sid, transport == Transport::WebSocket)).map(drop)
}

pub(crate) fn tell_packet(
    core: &Bound<'_, ServerCore>,
    conn: ConnId,
    sent: bool,
    kind: PacketKind,
    data: Option<&Frame>,
) -> PyResult<()> {
    let py = core.py();
    let Some(eio_sid) = eio_sid(core, conn) else { return Ok(()) };
    let data = match data {
        Some(Frame::Text(text)) => Some(&**text),
        Some(Frame::Binary(_)) => Some("<binary>"),
        None => None,
    };
    core.call_method1(intern!(py, "_log_packet"), (eio_sid, sent, kind as u8, data)).map(drop)
}

pub(crate) fn tell_upgrade(core: &Bound<'_, ServerCore>, conn: ConnId) -> PyResult<()> {
    if !core.get().logs_packets.load(Ordering::Relaxed) {
        return Ok(());
    }
    let Some(eio_sid) = eio_sid(core, conn) else { return Ok(()) };
    core.call_method1(intern!(core.py(), "_log_upgrade"), (eio_sid,)).map(drop)
}

fn eio_sid(core: &Bound<'_, ServerCore>, conn: ConnId) -> Option<Py<PyString>> {
    let py = core.py();
    core.get().state.borrow(py).connections.get(conn.0).map(|connection| connection.eio_sid.clone_ref(py))
}

pub(crate) fn close(core: &Bound<'_, ServerCore>, conn: ConnId) -> PyResult<()> {
    let py = core.py();
    let (waiters, _removed) = {
        let mut state = core.get().state.borrow(py);
        let state = &mut *state;
        let Some(connection) = state.connections.get(conn.0) else { return Ok(()) };
        connection.closed = true;
        connection.slow = false;
        let mut waiters = std::mem::take(&mut connection.waiters);
        waiters.append(&mut connection.feeders);
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

pub(crate) fn caught_up(core: &Bound<'_, ServerCore>, conn: ConnId) -> PyResult<()> {
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
