//! Sessions without a client: a program plays the client's part by calls, and hears everything that follows before each
//! call returns, in its own thread. Flask-SocketIO's test client is made so.
//!
//! A scripted session is a link like that of a host's server. What its events lead to is kept until the program asks for
//! it ([`crate::seat::Seat`] gives it out), and a *barrier* tells when everything so far has happened: an emit to nobody,
//! whose end comes back through the engine's queue and the mailbox behind all that was there before.

use ferrio_embed::{AckId, AckRequest, Command, ConnId, Event, Flags, LinkData, LinkId, SocketId, Target};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::socket::Payload;
use pyo3::prelude::*;

use crate::dispatch;
use crate::engine::ServerCore;
use crate::state::{Awaited, State};

/// No socket has this number.
const NOBODY: SocketId = SocketId(u64::MAX);

/// Keeps an event of a scripted session for the program; gives every other back.
pub(crate) fn keep(core: &Bound<'_, ServerCore>, event: Event) -> PyResult<Option<Event>> {
    let py = core.py();
    if let Event::LinkWrite { link, data } = &event
        && core.get().state.borrow(py).scripts.contains(&link.0)
        && data.iter().all(is_ping)
    {
        // A program does not keep the heart beating.
        return answer_ping(core, *link).map(|()| None);
    }
    let mut state = core.get().state.borrow(py);
    if is_scripted(&mut state, &event) {
        state.script.push_back(event);
        return Ok(None);
    }
    Ok(Some(event))
}

/// A promise of the moment when everything has happened that was asked for before.
pub(crate) fn barrier(core: &Bound<'_, ServerCore>) -> PyResult<Py<PyAny>> {
    let py = core.py();
    let create_future = core.get().state.borrow(py).running()?.create_future.clone_ref(py);
    let promise = create_future.call0(py)?;
    let number = {
        let mut state = core.get().state.borrow(py);
        let number = state.number();
        state.acks.insert(number, Awaited::Barrier(promise.clone_ref(py)));
        number
    };
    let command = Command::Emit {
        target: Target::Socket(NOBODY),
        payload: Payload { text: Text::from("[]"), attachments: Vec::new() },
        flags: Flags::default(),
        ack: Some(AckRequest { ack: AckId(number), timeout: None }),
    };
    dispatch::send(core, command, 0)?;
    core.get().state.borrow(py).flush();
    Ok(promise)
}

fn is_scripted(state: &mut State, event: &Event) -> bool {
    match event {
        Event::Message { socket, .. } | Event::Disconnect { socket, .. } | Event::Ack { socket, .. } => {
            let conn = state.sockets.get(socket.0).map(|member| member.conn);
            conn.is_some_and(|conn| is_script(state, conn))
        }
        Event::Connect { conn, .. } | Event::Close { conn, .. } => is_script(state, *conn),
        Event::LinkWrite { link, .. } | Event::LinkClose { link } => state.scripts.contains(&link.0),
        _ => false,
    }
}

fn is_script(state: &mut State, conn: ConnId) -> bool {
    state.connections.get(conn.0).is_some_and(|connection| connection.scripted)
}

fn is_ping(data: &LinkData) -> bool {
    matches!(data, LinkData::Frame(Frame::Text(text)) if &**text == "2")
}

fn answer_ping(core: &Bound<'_, ServerCore>, link: LinkId) -> PyResult<()> {
    dispatch::send(core, Command::Feed { link, data: LinkData::Frame(Frame::Text(Text::from("3"))) }, 1)
}
