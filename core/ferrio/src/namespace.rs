//! A namespace: its sockets, its rooms, its ack ids. Decides who receives; sends nothing itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ferrio_protocol::message::Item;
use ferrio_protocol::socket::{Payload, Serializer};
use ferrio_protocol::{Dialect, Message, Text};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::recovery::{Memory, Offset, Rules, To};
use crate::rooms::{Members, Rooms};
use crate::socket::Socket;

/// One namespace of a server.
pub struct Namespace {
    name: Text,
    rooms: Mutex<Rooms<Socket>>,
    /// One counter for all sockets: a broadcast with acks uses one id for all its receivers.
    ack_ids: AtomicU64,
    /// Whether rooms reach a socket that has not been let in yet.
    reaches_pending: bool,
    /// Stays, whoever is in it.
    declared: AtomicBool,
    serializer: Serializer,
    /// What was sent, and who may come back, if state can be recovered.
    memory: Option<Memory>,
}

impl Namespace {
    pub(crate) fn new(name: Text, dialect: Dialect, serializer: Serializer, recovery: Option<&Arc<Rules>>) -> Self {
        let first_ack = dialect.first_ack_id();
        let reaches_pending = dialect.broadcasts_reach_pending();
        Self {
            name,
            serializer,
            rooms: Mutex::default(),
            ack_ids: AtomicU64::new(first_ack),
            reaches_pending,
            declared: AtomicBool::new(false),
            memory: recovery.map(|rules| Memory::new(Arc::clone(rules))),
        }
    }

    /// Its name, `/` first.
    pub fn name(&self) -> &Text {
        &self.name
    }

    pub(crate) fn declare(&self) {
        self.declared.store(true, Ordering::Release);
    }

    /// Nobody declared it, nobody is in it, and nobody may come back.
    pub(crate) fn is_disposable(&self) -> bool {
        !self.declared.load(Ordering::Acquire) && self.is_empty() && self.memory.as_ref().is_none_or(Memory::is_idle)
    }

    /// What its packets are on the wire.
    pub(crate) fn serializer(&self) -> Serializer {
        self.serializer
    }

    /// An event of this namespace, encoded; with an id if it wants an answer.
    pub(crate) fn event(&self, id: Option<u64>, payload: Payload) -> Message {
        Message::event(&self.name, id, payload, self.serializer)
    }

    /// The answer to an event of this namespace, encoded.
    pub(crate) fn answer(&self, id: u64, payload: Payload) -> Message {
        Message::ack(&self.name, id, payload, self.serializer)
    }

    pub(crate) fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    /// Gives an event that will be sent its place in the order. The stamps must be used in their order, and each of them in
    /// [`Flags::stamp`](crate::socket::Flags). `None` without recovery.
    pub fn stamp(&self) -> Option<Offset> {
        self.memory.as_ref().map(Memory::stamp)
    }

    /// An ack id that nobody in this namespace has in use.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.ack_ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `work` on the index. The lock is held meanwhile: no call out of this crate, no await.
    pub(crate) fn with_rooms<R>(&self, work: impl FnOnce(&mut Rooms<Socket>) -> R) -> R {
        work(&mut self.rooms.lock())
    }

    /// Chooses the members of `rooms` (of the whole namespace when there are none) that are in none of `except`. Costs the
    /// number of rooms named, not the number of members.
    pub fn resolve(&self, rooms: &[Text], except: &[Text]) -> Receivers {
        let index = self.rooms.lock();
        let mut receivers = Receivers { reaches_pending: self.reaches_pending, ..Receivers::default() };
        if rooms.is_empty() {
            receivers.sets.push(Arc::clone(index.everybody()));
        }
        for room in rooms {
            receivers.sets.extend(index.room(room).cloned());
            receivers.single.extend(index.by_id(room).map(|(_, socket)| socket.clone()));
        }
        for room in except {
            receivers.except_sets.extend(index.room(room).cloned());
            receivers.except.extend(index.by_id(room).map(|(key, _)| *key));
        }
        if self.memory.is_some() {
            // Copies: a host's names are parts of a large text.
            let kept = |names: &[Text]| names.iter().map(|name| Text::from(name.as_str())).collect();
            receivers.to = Some(To::Rooms { rooms: kept(rooms), except: kept(except) });
        }
        receivers
    }

    /// The socket with this public id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.rooms.lock().by_id(id).map(|(_, socket)| socket.clone())
    }

    /// The names of all rooms that have members; sockets' own ids are left out.
    pub fn room_names(&self) -> Vec<Text> {
        self.rooms.lock().names().cloned().collect()
    }

    /// How many sockets have been let in.
    pub fn len(&self) -> usize {
        self.rooms.lock().everybody().len()
    }

    /// Nobody is in it, nor asks to be.
    pub fn is_empty(&self) -> bool {
        self.rooms.lock().is_empty()
    }
}

/// The sockets an emit goes to, chosen at one moment.
#[derive(Default)]
pub struct Receivers {
    sets: SmallVec<[Members<Socket>; 1]>,
    single: SmallVec<[Socket; 1]>,
    except_sets: SmallVec<[Members<Socket>; 1]>,
    except: SmallVec<[u64; 1]>,
    reaches_pending: bool,
    /// What was asked for, where it is remembered.
    to: Option<To>,
}

impl Receivers {
    /// One socket, whatever its state.
    pub fn one(socket: Socket) -> Self {
        let to = socket.namespace().memory().map(|_| To::One(socket.id().clone()));
        Self { single: SmallVec::from_buf([socket]), reaches_pending: true, to, ..Self::default() }
    }

    pub(crate) fn to(&self) -> Option<&To> {
        self.to.as_ref()
    }

    /// Calls `each` once for every receiver that is still connected.
    pub fn for_each(&self, mut each: impl FnMut(&Socket)) {
        self.choose(|socket| {
            if socket.is_connected() || (self.reaches_pending && socket.is_pending()) {
                each(socket);
            }
        });
    }

    /// As [`Self::for_each`], but without those that have not been told yet that they are connected.
    pub(crate) fn for_each_reachable(&self, mut each: impl FnMut(&Socket)) {
        self.choose(|socket| {
            if socket.is_welcomed() || (self.reaches_pending && !socket.has_ended()) {
                each(socket);
            }
        });
    }

    fn choose(&self, mut each: impl FnMut(&Socket)) {
        let mut each = |socket: &Socket| {
            let key = socket.key();
            let excepted =
                self.except.contains(&key) || self.except_sets.iter().any(|members| members.contains_key(&key));
            if !excepted {
                each(socket);
            }
        };
        let all = self.sets.iter().flat_map(|members| members.values()).chain(&self.single);
        if self.sets.len() + self.single.len() <= 1 {
            all.for_each(each);
            return;
        }
        let mut seen = HashSet::new();
        for socket in all {
            if seen.insert(socket.key()) {
                each(socket);
            }
        }
    }

    /// Those who would receive now.
    pub fn collect(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        self.for_each(|socket| sockets.push(socket.clone()));
        sockets
    }

    /// Puts one encoded message into every receiver's queue. Call it inside a [`Turn`](crate::turn::Turn), so that each
    /// receiver is written to once.
    pub fn deliver(&self, item: &Item) {
        self.for_each_reachable(|socket| socket.connection().push(item.clone()));
    }
}
