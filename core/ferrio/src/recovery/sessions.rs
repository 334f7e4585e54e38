//! Who may come back: the sockets of a namespace by their private ids, and what stays of those that ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrio_protocol::Text;

use super::member::{Expired, Session};
use crate::clock::Key;
use crate::connection::Connection;
use crate::socket::Socket;

/// See the module.
pub(super) struct Sessions {
    held: HashMap<Text, Held>,
    /// Those that ended, by the time they expire.
    ended: BTreeMap<Key, Text>,
    places: Arc<Places>,
}

/// How many sockets of a server may be waited for.
pub(super) struct Places {
    taken: AtomicUsize,
    limit: usize,
}

enum Held {
    /// It is there, or has ended and the application is not done with it.
    Here { socket: Socket, waiting: Option<Waiting> },
    /// It has ended.
    Ended(Box<Session>),
}

/// A client that is back sooner than the application is done with the socket it had.
pub(crate) struct Waiting {
    pub(super) connection: Arc<Connection>,
    pub(super) nsp: Text,
    pub(super) auth: Option<Text>,
}

/// What there is for a private id.
pub(super) enum Found<'a> {
    Nothing,
    Here(&'a Socket, &'a mut Option<Waiting>),
    Ended(&'a Session),
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit }
    }
}

impl Sessions {
    pub(super) fn new(places: Arc<Places>) -> Self {
        Self { held: HashMap::new(), ended: BTreeMap::new(), places }
    }

    /// Nobody is there, and nobody is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn find(&mut self, pid: &str) -> Found<'_> {
        match self.held.get_mut(pid) {
            None => Found::Nothing,
            Some(Held::Here { socket, waiting }) => Found::Here(socket, waiting),
            Some(Held::Ended(session)) => Found::Ended(session),
        }
    }

    /// A socket is there. If it comes from a session, that one will not expire: its time is given back.
    pub(super) fn arrive(&mut self, pid: Text, socket: Socket) -> Option<Key> {
        match self.held.insert(pid, Held::Here { socket, waiting: None }) {
            Some(Held::Ended(session)) => {
                self.ended.remove(&session.until);
                self.places.taken.fetch_sub(1, Ordering::Relaxed);
                Some(session.until)
            }
            Some(Held::Here { .. }) | None => None,
        }
    }

    /// A socket is there no more. `None` if it is not the one that was.
    pub(super) fn leave(&mut self, pid: &str, socket: &Socket) -> Option<Option<Waiting>> {
        match self.held.get(pid) {
            Some(Held::Here { socket: held, .. }) if held == socket => {}
            _ => return None,
        }
        match self.held.remove(pid) {
            Some(Held::Here { waiting, .. }) => Some(waiting),
            _ => None,
        }
    }

    /// Waits for somebody to come back. Whoever had to make room for it has expired, before his time.
    pub(super) fn store(&mut self, pid: Text, session: Session) -> Option<(Key, Expired)> {
        self.ended.insert(session.until, pid.clone());
        self.held.insert(pid, Held::Ended(Box::new(session)));
        if self.places.taken.fetch_add(1, Ordering::Relaxed) < self.places.limit {
            return None;
        }
        let until = *self.ended.first_key_value()?.0;
        self.expire(until).map(|expired| (until, expired))
    }

    /// The time of a session has come.
    pub(super) fn expire(&mut self, until: Key) -> Option<Expired> {
        let pid = self.ended.remove(&until)?;
        match self.held.remove(&pid) {
            Some(Held::Ended(session)) => {
                self.places.taken.fetch_sub(1, Ordering::Relaxed);
                let Session { sid, rooms, .. } = *session;
                Some(Expired { pid, sid, rooms })
            }
            _ => None,
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(self.ended.len(), Ordering::Relaxed);
    }
}
