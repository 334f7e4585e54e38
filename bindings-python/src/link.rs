//! A client's connection: who waits for an answer, what is sent, and whether the server keeps up.

use std::collections::HashMap;

use ferrio_embed::{ClientCommand, ClientId, Command};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyString;
use smallvec::SmallVec;

use crate::answers::{fail, settle};
use crate::client::ClientCore;
use crate::emit::{self, ASK_AFTER};
use crate::engine::ServerCore;
use crate::errors;
use crate::ready::Ready;
use crate::state::{Awaited, schedule_flush};

/// Bytes that wait for the server above which an emit waits. As of a connection of a server's.
const HIGH_MARK: usize = 1 << 20;

/// One connection.
pub(crate) struct Link {
    core: Py<ServerCore>,
    pub(crate) client: ClientId,
    /// Handlers run in copies of it.
    pub(crate) context: Py<PyAny>,
    members: SmallVec<[Member; 1]>,
    /// Bytes given to it since the engine was last asked how much waits.
    sent: usize,
    /// The server does not keep up; these wait for it.
    slow: bool,
    waiters: Vec<Py<PyAny>>,
}

/// One namespace.
struct Member {
    nsp: Text,
    name: Py<PyString>,
    last_id: u64,
    acks: HashMap<u64, Awaited>,
}

impl Link {
    pub(crate) fn new(core: Py<ServerCore>, client: ClientId, context: Py<PyAny>) -> Self {
        Self { core, client, context, members: SmallVec::new(), sent: 0, slow: false, waiters: Vec::new() }
    }

    /// A namespace, by its name as it came; it is made if need be.
    fn member(&mut self, py: Python<'_>, nsp: &Text) -> &mut Member {
        let known = self.members.iter().position(|member| member.nsp == *nsp);
        let index = known.unwrap_or_else(|| {
            let name = PyString::new(py, nsp).unbind();
            self.members.push(Member { nsp: nsp.clone(), name, last_id: 0, acks: HashMap::new() });
            self.members.len() - 1
        });
        &mut self.members[index]
    }

    /// A namespace's name.
    pub(crate) fn name(&mut self, py: Python<'_>, nsp: &Text) -> Py<PyString> {
        self.member(py, nsp).name.clone_ref(py)
    }

    fn named(&mut self, py: Python<'_>, name: &str) -> &mut Member {
        match self.members.iter().position(|member| member.nsp == name) {
            Some(index) => &mut self.members[index],
            None => self.member(py, &Text::from(name)),
        }
    }

    /// Everybody who waits for an answer in a namespace, or in all.
    fn take_awaited(&mut self, nsp: Option<&str>) -> Vec<Awaited> {
        let those = self.members.iter_mut().filter(|member| nsp.is_none_or(|nsp| member.nsp == nsp));
        those.flat_map(|member| std::mem::take(&mut member.acks).into_values()).collect()
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.core)?;
        visit.call(&self.context)?;
        for awaited in self.members.iter().flat_map(|member| member.acks.values()) {
            if let Awaited::Future(object) | Awaited::Callback { callback: object, .. } = awaited {
                visit.call(object)?;
            }
        }
        self.waiters.iter().try_for_each(|waiter| visit.call(waiter))
    }
}

/// The engine of a client's connection, and the connection's number there.
pub(crate) fn address(client: &ClientCore, py: Python<'_>) -> Option<(Py<ServerCore>, ClientId)> {
    client.link.borrow(py).as_ref().map(|link| (link.core.clone_ref(py), link.client))
}

/// Sends an event. What is returned is to be awaited (or waited for): a server that does not keep up is waited for.
pub(crate) fn send(
    slf: &Bound<'_, ClientCore>,
    name: &Bound<'_, PyString>,
    payload: Payload,
    callback: Option<&Bound<'_, PyAny>>,
    volatile: bool,
) -> PyResult<Py<PyAny>> {
    let awaited = callback.map(|callback| Awaited::Callback { callback: callback.clone().unbind(), one: true });
    let bytes = payload.size();
    let Some((core, _)) = push(slf, name, payload, awaited, volatile)? else {
        // In a handler of a connection that has ended.
        return Ready::for_client(slf);
    };
    let core = core.bind(slf.py());
    if !volatile && falls_behind(slf, core, bytes) { wait_for_drain(slf, core) } else { emit::done(core, bytes) }
}

/// Sends an event, and gives its number and a future of the answer's arguments.
pub(crate) fn ask(
    slf: &Bound<'_, ClientCore>,
    name: &Bound<'_, PyString>,
    payload: Payload,
) -> PyResult<(u64, Py<PyAny>)> {
    let py = slf.py();
    // As when it ends while we wait.
    let gone = || errors::timeout(py).map_or_else(|error| error, PyErr::from_value);
    let Some((core, _)) = address(slf.get(), py) else { return Err(gone()) };
    let create_future = core.bind(py).get().state.borrow(py).running()?.create_future.clone_ref(py);
    let future = create_future.call0(py)?;
    let pushed = push(slf, name, payload, Some(Awaited::Future(future.clone_ref(py))), false)?;
    let Some((_, Some(number))) = pushed else { return Err(gone()) };
    Ok((number, future))
}

/// Queues an event, under a number if somebody waits for the answer. `None` without a connection.
fn push(
    slf: &Bound<'_, ClientCore>,
    name: &Bound<'_, PyString>,
    payload: Payload,
    awaited: Option<Awaited>,
    volatile: bool,
) -> PyResult<Option<(Py<ServerCore>, Option<u64>)>> {
    let py = slf.py();
    let (core, client, nsp, id) = {
        let mut link = slf.get().link.borrow(py);
        let Some(link) = link.as_mut() else { return Ok(None) };
        let (core, client) = (link.core.clone_ref(py), link.client);
        let member = link.named(py, name.to_str()?);
        let id = awaited.map(|awaited| {
            member.last_id += 1;
            member.acks.insert(member.last_id, awaited);
            member.last_id
        });
        (core, client, member.nsp.clone(), id)
    };
    let bytes = payload.size();
    let command = Command::Client { client, command: ClientCommand::Emit { nsp, id, payload, volatile } };
    let schedule = core.bind(py).get().state.borrow(py).push(command, bytes)?;
    if schedule {
        schedule_flush(py, &core.bind(py).get().state)?;
    }
    Ok(Some((core, id)))
}

/// Whether so much waits for the server that an emit should.
fn falls_behind(slf: &Bound<'_, ClientCore>, core: &Bound<'_, ServerCore>, bytes: usize) -> bool {
    let py = slf.py();
    let client = {
        let mut link = slf.get().link.borrow(py);
        let Some(link) = link.as_mut() else { return false };
        link.sent += bytes;
        if link.slow || link.sent < ASK_AFTER {
            return link.slow;
        }
        link.sent = 0;
        link.client
    };
    let slow = {
        let mut state = core.get().state.borrow(py);
        state.flush();
        state.running().is_ok_and(|running| running.engine.client_buffered(client) > HIGH_MARK)
    };
    if let Some(link) = slf.get().link.borrow(py).as_mut().filter(|link| link.client == client) {
        link.slow = slow;
    }
    slow
}

/// A future of the moment when the server has caught up.
fn wait_for_drain(slf: &Bound<'_, ClientCore>, core: &Bound<'_, ServerCore>) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let Some(future) = emit::own_future(core)? else { return Ready::for_client(slf) };
    let waits = match slf.get().link.borrow(py).as_mut() {
        Some(link) if link.slow => {
            link.waiters.push(future.clone_ref(py));
            true
        }
        _ => false,
    };
    if waits { Ok(future) } else { Ready::for_client(slf) }
}

/// The server has caught up.
pub(crate) fn caught_up(slf: &Bound<'_, ClientCore>) -> PyResult<()> {
    let py = slf.py();
    let waiters = match slf.get().link.borrow(py).as_mut() {
        Some(link) => {
            link.slow = false;
            std::mem::take(&mut link.waiters)
        }
        None => return Ok(()),
    };
    waiters.iter().try_for_each(|waiter| settle(waiter.bind(py), py.None().bind(py)))
}

/// Who waits for an answer, and waits no more.
pub(crate) fn take_ask(slf: &Bound<'_, ClientCore>, nsp: &Text, number: u64) -> Option<(Awaited, Py<PyAny>)> {
    let py = slf.py();
    let mut link = slf.get().link.borrow(py);
    let link = link.as_mut()?;
    let member = link.members.iter_mut().find(|member| member.nsp == *nsp)?;
    let awaited = member.acks.remove(&number)?;
    Some((awaited, link.context.clone_ref(py)))
}

pub(crate) fn drop_ask(client: &ClientCore, py: Python<'_>, namespace: &str, number: u64) -> Option<Awaited> {
    let mut link = client.link.borrow(py);
    let member = link.as_mut()?.members.iter_mut().find(|member| member.nsp == namespace)?;
    member.acks.remove(&number)
}

/// The connection is of no account any more.
pub(crate) fn forget(slf: &Bound<'_, ClientCore>) -> PyResult<()> {
    let py = slf.py();
    let Some(mut link) = slf.get().link.borrow(py).take() else { return Ok(()) };
    let removed = link.core.bind(py).get().state.borrow(py).clients.remove(&link.client);
    drop(removed);
    let awaited = link.take_awaited(None);
    let waiters = std::mem::take(&mut link.waiters);
    drop(link);
    waiters.iter().try_for_each(|waiter| settle(waiter.bind(py), py.None().bind(py)))?;
    nobody_answers(py, awaited)
}

/// A namespace is not joined any more.
pub(crate) fn left(slf: &Bound<'_, ClientCore>, namespace: &str) -> PyResult<()> {
    let py = slf.py();
    let awaited = match slf.get().link.borrow(py).as_mut() {
        Some(link) => link.take_awaited(Some(namespace)),
        None => return Ok(()),
    };
    nobody_answers(py, awaited)
}

fn nobody_answers(py: Python<'_>, awaited: Vec<Awaited>) -> PyResult<()> {
    for awaited in awaited {
        if let Awaited::Future(future) = awaited {
            fail(future.bind(py), &errors::timeout(py)?)?;
        }
    }
    Ok(())
}
