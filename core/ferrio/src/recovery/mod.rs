//! Connection state recovery: a client whose connection broke comes back to the same id, rooms and data, and gets what it
//! missed.
//!
//! ```text
//!            CONNECT             ended, nobody wanted it          too long away, or too many of them
//!   nobody ──────────▶ here ─────────────────────────────▶ ended ───────────────────────────────────▶ expired
//!                       ▲                                    │
//!                       └─── CONNECT with pid and offset ────┘
//! ```
//!
//! Each namespace has a `Memory`: a log of what was sent to it, and who may come back. An event that can be missed (no
//! ack, not volatile) carries its offset in the log as its last argument; clients hand back the last one they had. Its one
//! lock covers giving an offset, keeping the event and queueing it for every receiver, so that each client gets offsets in
//! their order; and likewise replaying what was missed and letting the client in, so that nothing falls in between.
//!
//! Locks are taken in this order: namespaces of the hub, memory, then sessions, rooms, queues, the clock. The application is
//! never called under it.

mod log;
mod member;
mod offset;
mod sessions;

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ferrio_protocol::engine::Revision;
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Message, Text};
use parking_lot::Mutex;
use serde::Deserialize;

pub use self::member::Expired;
pub use self::offset::{Offset, Stamp};

pub(crate) use self::log::To;
use self::log::{Identity, Log, Room};
pub(crate) use self::member::Member;
use self::member::{Replay, Session};
use self::sessions::{Found, Places, Sessions, Waiting};
use crate::config;
use crate::connection::Connection;
use crate::hub::Hub;
use crate::namespace::{Namespace, Receivers};
use crate::socket::{Flags, Socket};
use crate::turn::Turn;

/// What all namespaces of a server have in common.
pub(crate) struct Rules {
    config: config::Recovery,
    /// Bytes that may be sent to one client at once.
    max_replay: u64,
    room: Arc<Room>,
    places: Arc<Places>,
}

/// What one namespace remembers.
pub(crate) struct Memory {
    rules: Arc<Rules>,
    /// The newest offset that was given out.
    stamped: AtomicU64,
    state: Mutex<State>,
}

struct State {
    log: Log,
    sessions: Sessions,
    /// The clock will look for what is too old.
    trimming: bool,
}

/// What a client names to have its state back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pid: Text,
    /// `None` if it has not had any event.
    offset: Option<Offset>,
}

/// What comes of a claim.
pub(crate) enum Claimed {
    /// Nothing: it comes as somebody new.
    Nothing,
    /// Its socket, with its id and rooms.
    Socket(Socket),
    /// It asks again when the application is done with the socket it had.
    Later,
}

impl Rules {
    pub(crate) fn new(config: config::Recovery, hard_limit: usize) -> Self {
        let (room, places) = (Room::new(config.max_bytes), Places::new(config.max_sessions));
        // Half: a queue that is filled by it closes the connection that was just recovered.
        let max_replay = (hard_limit / 2) as u64;
        Self { config, max_replay, room: Arc::new(room), places: Arc::new(places) }
    }

    /// Recovered sockets need not ask the middlewares again.
    pub(crate) fn skips_middlewares(&self) -> bool {
        self.config.skip_middlewares
    }
}

impl Claim {
    /// Reads it from the auth object of a CONNECT. `None` if there is none, or one that no client of ours would make.
    pub(crate) fn read(auth: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Auth {
            pid: String,
            #[serde(default, deserialize_with = "given")]
            offset: Option<String>,
        }
        /// A value that is there must be a text.
        fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
            String::deserialize(value).map(Some)
        }
        // Most have none.
        if !auth.contains("\"pid\"") {
            return None;
        }
        let Auth { pid, offset } = serde_json::from_str(auth).ok()?;
        let offset = match offset {
            None => None,
            Some(text) => Some(Offset::parse(&text)?),
        };
        Some(Self { pid: pid.into(), offset })
    }
}

impl Memory {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        // Whatever a client brings from a time before this, from another process perhaps, is older than all of ours.
        let start = Offset::now();
        let log = Log::new(start, Arc::clone(&rules.room));
        let sessions = Sessions::new(Arc::clone(&rules.places));
        let state = Mutex::new(State { log, sessions, trimming: false });
        Self { rules, stamped: AtomicU64::new(start.number()), state }
    }

    /// Nobody is there, and nobody is waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.lock().sessions.is_empty()
    }

    /// Gives out the next offset.
    pub(crate) fn stamp(&self) -> Offset {
        let now = Offset::now();
        let next = |last| Some(Offset::of_number(last).next(now).number());
        match self.stamped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => Offset::of_number(last).next(now),
        }
    }

    // Sending.

    /// Keeps an event, and puts it into every receiver's queue. `receivers` are chosen once its place is certain: whoever is
    /// not among them because he is just coming back finds it in what he missed.
    pub(crate) fn publish<R: Borrow<Receivers>>(
        &self,
        hub: &Hub,
        namespace: &Arc<Namespace>,
        payload: Payload,
        flags: Flags,
        receivers: impl FnOnce() -> R,
    ) {
        // The queues are flushed when the lock is gone.
        let _turn = Turn::enter();
        let mut state = self.state.lock();
        let (offset, message) = match flags.stamp {
            Some(Stamp::Written(offset)) => (offset, namespace.event(None, payload)),
            given => {
                let offset = match given {
                    Some(Stamp::Given(offset)) => offset,
                    Some(Stamp::Written(_)) | None => self.stamp(),
                };
                (offset, Message::stamped_event(namespace.name(), payload, &offset.to_string(), namespace.serializer()))
            }
        };
        let item = flags.item(message);
        let receivers = receivers();
        let receivers = receivers.borrow();
        receivers.for_each_reachable(|socket| {
            if socket.member().is_none_or(|member| member.is_sent(offset)) {
                socket.push(item.clone());
            }
        });
        let Some(to) = receivers.to() else { return };
        let now = Instant::now();
        let keep = !state.sessions.is_empty();
        state.log.push(offset, item, to.clone(), now, keep);
        if keep && !std::mem::replace(&mut state.trimming, true) {
            self.trim_at(hub, namespace, now + self.rules.config.max_disconnection);
        }
    }

    /// Has the log looked through for what is too old.
    fn trim_at(&self, hub: &Hub, namespace: &Arc<Namespace>, at: Instant) {
        let (weak, owner) = (Arc::downgrade(namespace), hub.clone());
        hub.clock.schedule(at, move || {
            let Some(namespace) = weak.upgrade() else { return };
            let Some(memory) = namespace.memory() else { return };
            let now = Instant::now();
            let age = memory.rules.config.max_disconnection;
            let mut state = memory.state.lock();
            match state.log.trim(now, age) {
                // Not for each event by itself.
                Some(oldest) => memory.trim_at(&owner, &namespace, (oldest + age).max(now + LEAST_TRIM)),
                None => state.trimming = false,
            }
        });
    }

    // Coming.

    /// A socket that comes for the first time.
    pub(crate) fn newcomer(&self, pid: Text, make: impl FnOnce(Member) -> Socket) -> Socket {
        let mut state = self.state.lock();
        let socket = make(Member::new(pid.clone(), state.log.last()));
        state.sessions.arrive(pid, socket.clone());
        socket
    }

    /// A client wants its state back. `make` makes its socket, of this id.
    pub(crate) fn claim(
        &self,
        claim: &Claim,
        connection: &Arc<Connection>,
        nsp: &Text,
        auth: Option<&Text>,
        make: impl FnOnce(Text, Member) -> Socket,
    ) -> Claimed {
        let (old, before) = {
            let mut state = self.state.lock();
            let State { log, sessions, .. } = &mut *state;
            match sessions.find(&claim.pid) {
                Found::Nothing => return Claimed::Nothing,
                Found::Ended(session) => {
                    let Some(replay) = self.replay(log, session, claim.offset) else { return Claimed::Nothing };
                    let rooms = replay.session.rooms.clone();
                    let socket = make(replay.session.sid.clone(), Member::recovered(claim.pid.clone(), replay));
                    for room in rooms {
                        socket.join(room);
                    }
                    if let Some(until) = sessions.arrive(claim.pid.clone(), socket.clone()) {
                        connection.hub().clock.cancel(until);
                    }
                    return Claimed::Socket(socket);
                }
                Found::Here(old, waiting) => {
                    let asks = Waiting { connection: Arc::clone(connection), nsp: nsp.clone(), auth: auth.cloned() };
                    (old.clone(), waiting.replace(asks))
                }
            }
        };
        // Not under the lock: the application hears of it. Its connection is half dead, or the client would not be here.
        for stale in before.iter().map(|before| &before.connection).chain([old.connection()]) {
            if !(Arc::ptr_eq(stale, connection) || old.has_ended() && Arc::ptr_eq(stale, old.connection())) {
                stale.close(true);
            }
        }
        Claimed::Later
    }

    /// What is due to a client that had everything up to `offset`; `None` if that is not known to be there.
    fn replay(&self, log: &Log, session: &Session, offset: Option<Offset>) -> Option<Replay> {
        // A client keeps the last offset it ever saw, in an earlier session perhaps.
        let received = offset.unwrap_or(session.from).max(session.from);
        if received > log.last() {
            return None;
        }
        let had_all = session.last <= received;
        let complete = log.reaches(received) || (had_all && log.reaches(session.since));
        // What was sent to others while it had everything meant for it was not.
        let after = if had_all { received.max(session.since) } else { received };
        if !complete {
            return None;
        }
        if log.weight_after(after) > self.rules.max_replay {
            let who = Identity::new(&session.sid, &session.rooms);
            let weight: u64 = log.after(after, &who).map(|(_, item)| item.weight() as u64).sum();
            if weight > self.rules.max_replay {
                return None;
            }
        }
        Some(Replay { after, received, session: session.clone() })
    }

    /// Sends what was missed, and the answer to CONNECT. False if the client does not ask any more.
    pub(crate) fn welcome(&self, socket: &Socket, member: &Member) -> bool {
        let _turn = Turn::enter();
        let state = self.state.lock();
        let mut replay = member.replay();
        let mut last = member.last();
        if let Some(Replay { after, session, .. }) = &*replay {
            let who = Identity::new(&session.sid, &session.rooms);
            for (offset, item) in state.log.after(*after, &who) {
                socket.push(item.clone());
                last = offset;
            }
        }
        let answer = format!(r#"{{"sid":"{}","pid":"{}"}}"#, socket.id(), member.pid());
        if !socket.connection().accept(socket.namespace(), answer.into()) || !socket.is_told() {
            return false;
        }
        *replay = None;
        member.replayed(last);
        member.welcome(state.log.last());
        true
    }

    // Going.

    /// To be called before a socket ends: what is sent from here on it perhaps does not get.
    pub(crate) fn is_about_to_end(&self, member: &Member) {
        member.is_about_to_end(self.state.lock().log.last());
    }

    /// The application is done with a socket. It has not left its rooms yet.
    pub(crate) fn release(&self, socket: &Socket, member: &Member) -> Released {
        let hub = socket.connection().hub();
        let namespace = socket.namespace();
        let mut state = self.state.lock();
        let Some(waiting) = state.sessions.leave(member.pid(), socket) else { return Released::default() };
        let replay = member.replay().take();
        let until = |at| {
            let (namespace, owner) = (Arc::clone(namespace), hub.clone());
            hub.clock.schedule_keyed(at, move |key| expire(&owner, &namespace, key))
        };
        let session = match replay {
            // It was not let in.
            Some(Replay { session, .. }) if !member.is_revoked() => {
                let at = session.until.0;
                Some(Session { until: until(at), ..session })
            }
            None if member.may_return() && !hub.is_closing() => {
                Instant::now().checked_add(self.rules.config.max_disconnection).map(|at| Session {
                    sid: socket.id().clone(),
                    rooms: namespace.with_rooms(|rooms| rooms.of(socket.key()).to_vec()),
                    from: member.from(),
                    last: member.last(),
                    since: member.since(),
                    until: until(at),
                    keepsake: member.keepsake(),
                })
            }
            Some(_) | None => None,
        };
        let evicted = session.and_then(|session| state.sessions.store(member.pid().clone(), session));
        let expired = evicted.map(|(until, expired)| {
            hub.clock.cancel(until);
            expired
        });
        Released { waiting, expired }
    }
}

/// What follows from a socket's leaving, once it has left its rooms.
#[derive(Default)]
pub(crate) struct Released {
    waiting: Option<Waiting>,
    expired: Option<Expired>,
}

impl Released {
    pub(crate) fn carry_out(self, hub: &Hub, namespace: &Arc<Namespace>) {
        if self.waiting.is_none() && self.expired.is_none() {
            return;
        }
        let (hub, namespace) = (hub.clone(), Arc::clone(namespace));
        // On a thread of ours: a host releases on its own, in the middle of something.
        hub.runtime.clone().spawn(async move {
            let _turn = Turn::enter();
            if let Some(expired) = self.expired {
                hub.app.session_expired(&namespace, expired);
            }
            if let Some(Waiting { connection, nsp, auth }) = self.waiting {
                connection.asked(nsp, auth);
            }
        });
    }
}

/// A client of this kind can name what it had.
pub(crate) fn is_offered_to(revision: Revision) -> bool {
    revision == Revision::V4
}

fn expire(hub: &Hub, namespace: &Arc<Namespace>, until: crate::clock::Key) {
    let Some(memory) = namespace.memory() else { return };
    let expired = memory.state.lock().sessions.expire(until);
    if let Some(expired) = expired {
        hub.app.session_expired(namespace, expired);
        hub.socket_left(namespace);
    }
}

/// Least time between two looks for what is too old.
const LEAST_TRIM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims() {
        let claim = |auth: &str| Claim::read(auth).map(|Claim { pid, offset }| (pid.to_string(), offset));
        let offset = Offset::parse("OlFvMW0.3");
        assert_eq!(claim(r#"{"pid":"p","offset":"OlFvMW0.3","token":1}"#), Some(("p".into(), offset)));
        assert_eq!(claim(r#"{"pid":"p"}"#), Some(("p".into(), None)));
        for auth in [
            "{}",
            r#"{"pid":1}"#,
            r#"{"offset":"OlFvMW0"}"#,
            r#"{"pid":"p","offset":null}"#,
            r#"{"pid":"p","offset":5}"#,
            r#"{"pid":"p","offset":"no offset"}"#,
            r#"{"pid":"p","offset":""}"#,
            r#"{"pid":"p","pid":"q"}"#,
            r#"{"x":"\"pid\""}"#,
        ] {
            assert_eq!(claim(auth), None, "{auth}");
        }
    }
}
