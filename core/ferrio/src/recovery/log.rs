//! The events of a namespace that somebody may have missed: a ring, in the order of their offsets.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ferrio_protocol::Text;
use ferrio_protocol::message::Item;
use smallvec::SmallVec;

use super::offset::Offset;

/// Whom an event was meant for.
#[derive(Clone, Debug)]
pub(crate) enum To {
    /// The socket with this id.
    One(Text),
    /// The members of `rooms` (everybody, if there are none) that are in none of `except`.
    Rooms { rooms: SmallVec<[Text; 1]>, except: SmallVec<[Text; 1]> },
}

/// See the module. Payloads are shared with the queues they are sent from.
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// Offset of the newest event there was, kept or not.
    last: Offset,
    /// Of the newest one that was let go: whoever has not had that may have missed it for good.
    dropped: Offset,
    /// Bytes of all events there were.
    total: u64,
    room: Arc<Room>,
}

/// What all logs of a server may hold together.
pub(super) struct Room {
    used: AtomicUsize,
    limit: usize,
}

struct Entry {
    offset: Offset,
    at: Instant,
    item: Item,
    to: To,
    weight: usize,
    /// [`Log::total`] when it was new, itself included.
    total: u64,
}

/// Who somebody was, to tell what was meant for him.
pub(super) struct Identity<'a> {
    sid: &'a str,
    rooms: HashSet<&'a str>,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }
}

impl Log {
    pub(super) fn new(start: Offset, room: Arc<Room>) -> Self {
        let dropped = Offset::of_number(0);
        Self { entries: VecDeque::new(), last: start, dropped, total: 0, room }
    }

    /// Offset of the newest event.
    pub(super) fn last(&self) -> Offset {
        self.last
    }

    /// Everything behind `offset` is there.
    pub(super) fn reaches(&self, offset: Offset) -> bool {
        self.dropped <= offset
    }

    /// Adds an event; the oldest make room for it. With `keep` false nobody can have missed it.
    pub(super) fn push(&mut self, offset: Offset, item: Item, to: To, now: Instant, keep: bool) {
        // A host that mixed up the order of its stamps: binary search counts on it.
        if offset <= self.last {
            tracing::error!(%offset, last = %self.last, "an event came out of order; it cannot be recovered");
            return;
        }
        self.last = offset;
        let weight = item.weight() + to.weight() + ENTRY;
        if !keep || weight > self.room.limit {
            self.dropped = offset;
            return;
        }
        self.total += weight as u64;
        self.room.used.fetch_add(weight, Ordering::Relaxed);
        self.entries.push_back(Entry { offset, at: now, item, to, weight, total: self.total });
        while self.room.used.load(Ordering::Relaxed) > self.room.limit && self.drop_oldest() {}
    }

    /// Lets go what is older than `age`. Gives the time of the oldest that is left.
    pub(super) fn trim(&mut self, now: Instant, age: Duration) -> Option<Instant> {
        while let Some(oldest) = self.entries.front() {
            if now.saturating_duration_since(oldest.at) <= age {
                return Some(oldest.at);
            }
            self.drop_oldest();
        }
        self.entries.shrink_to_fit();
        None
    }

    /// Bytes of what came after `offset`, whomever it was for.
    pub(super) fn weight_after(&self, offset: Offset) -> u64 {
        let at = self.entries.partition_point(|entry| entry.offset <= offset);
        self.entries.get(at).map_or(0, |first| self.total - first.total + first.weight as u64)
    }

    /// What came after `offset` and was meant for somebody.
    pub(super) fn after<'a>(
        &'a self,
        offset: Offset,
        who: &'a Identity<'a>,
    ) -> impl Iterator<Item = (Offset, &'a Item)> + 'a {
        let at = self.entries.partition_point(|entry| entry.offset <= offset);
        self.entries.range(at..).filter(|entry| who.is_meant(&entry.to)).map(|entry| (entry.offset, &entry.item))
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else { return false };
        self.dropped = entry.offset;
        self.room.used.fetch_sub(entry.weight, Ordering::Relaxed);
        true
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        while self.drop_oldest() {}
    }
}

impl To {
    fn weight(&self) -> usize {
        match self {
            Self::One(sid) => sid.len(),
            Self::Rooms { rooms, except } => rooms.iter().chain(except).map(|room| room.len() + NAME).sum(),
        }
    }
}

impl<'a> Identity<'a> {
    pub(super) fn new(sid: &'a str, rooms: &'a [Text]) -> Self {
        // The own id is a room, too.
        Self { sid, rooms: rooms.iter().map(Text::as_str).chain([sid]).collect() }
    }

    fn is_meant(&self, to: &To) -> bool {
        match to {
            To::One(sid) => sid == self.sid,
            To::Rooms { rooms, except } => {
                (rooms.is_empty() || rooms.iter().any(|room| self.rooms.contains(room.as_str())))
                    && !except.iter().any(|room| self.rooms.contains(room.as_str()))
            }
        }
    }
}

/// What an entry costs beyond its bytes.
const ENTRY: usize = size_of::<Entry>() + 128;
/// What a room's name costs beyond its bytes.
const NAME: usize = 64;

#[cfg(test)]
mod tests {
    use ferrio_protocol::Message;
    use ferrio_protocol::socket::{Payload, Serializer};

    use super::*;

    fn log(limit: usize) -> Log {
        Log::new(Offset::of_number(10), Arc::new(Room::new(limit)))
    }

    fn item(bytes: usize) -> Item {
        let text = format!("[\"{}\"]", "x".repeat(bytes));
        Item::message(Message::event(&Text::from_static("/"), None, Payload::from(Text::from(text)), Serializer::Json))
    }

    fn to(rooms: &[&'static str], except: &[&'static str]) -> To {
        let texts = |names: &[&'static str]| names.iter().map(|name| Text::from_static(name)).collect();
        To::Rooms { rooms: texts(rooms), except: texts(except) }
    }

    fn missed(log: &Log, after: u64, sid: &str, rooms: &[&'static str]) -> Vec<u64> {
        let rooms: Vec<_> = rooms.iter().map(|room| Text::from_static(room)).collect();
        log.after(Offset::of_number(after), &Identity::new(sid, &rooms)).map(|(offset, _)| offset.number()).collect()
    }

    #[test]
    fn what_was_meant_for_somebody() {
        let mut log = log(1 << 20);
        let now = Instant::now();
        for (offset, to) in [
            (11, to(&[], &[])),
            (12, to(&["a"], &[])),
            (13, to(&["a", "b"], &["c"])),
            (14, to(&["id"], &[])),
            (15, to(&[], &["id"])),
            (16, To::One(Text::from_static("id"))),
        ] {
            log.push(Offset::of_number(offset), item(1), to, now, true);
        }
        assert_eq!(missed(&log, 10, "id", &[]), [11, 14, 16]);
        assert_eq!(missed(&log, 12, "id", &["b"]), [13, 14, 16]);
        assert_eq!(missed(&log, 10, "id", &["a", "c"]), [11, 12, 14, 16]);
        assert_eq!(missed(&log, 10, "other", &["a"]), [11, 12, 13, 15]);
        // Who has joined the room of somebody's id gets what is sent to the room, not what is sent to the socket.
        assert_eq!(missed(&log, 13, "other", &["id"]), [14]);
        assert_eq!(missed(&log, 16, "id", &[]), [0; 0]);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut log = log(10_000);
        let now = Instant::now();
        for offset in 11..21 {
            log.push(Offset::of_number(offset), item(2000), to(&[], &[]), now, true);
        }
        let kept = missed(&log, 10, "id", &[]);
        assert!((2..5).contains(&kept.len()), "{kept:?}");
        assert_eq!(kept.last(), Some(&20));
        assert!(log.reaches(Offset::of_number(kept[0] - 1)));
        assert!(!log.reaches(Offset::of_number(kept[0] - 2)));
        assert!(log.room.used.load(Ordering::Relaxed) <= 10_000);

        // One that is too large by itself drives nobody out.
        log.push(Offset::of_number(30), item(10_000), to(&[], &[]), now, true);
        assert_eq!(missed(&log, 10, "id", &[]), kept);
        assert!(!log.reaches(Offset::of_number(29)));
        assert_eq!(log.last(), Offset::of_number(30));
    }

    #[test]
    fn logs_share_their_room() {
        let room = Arc::new(Room::new(10_000));
        let [mut one, mut other] = [0, 1].map(|_| Log::new(Offset::of_number(0), Arc::clone(&room)));
        let now = Instant::now();
        for offset in 1..4 {
            one.push(Offset::of_number(offset), item(2000), to(&[], &[]), now, true);
        }
        for offset in 1..9 {
            other.push(Offset::of_number(offset), item(2000), to(&[], &[]), now, true);
        }
        assert!(room.used.load(Ordering::Relaxed) <= 10_000);
        drop(one);
        drop(other);
        assert_eq!(room.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_old_go() {
        let mut log = log(1 << 20);
        let start = Instant::now();
        let age = Duration::from_secs(10);
        for offset in 11..15 {
            let at = start + Duration::from_secs(offset);
            log.push(Offset::of_number(offset), item(1), to(&[], &[]), at, true);
        }
        let oldest = log.trim(start + Duration::from_secs(23), age);
        assert_eq!(oldest, Some(start + Duration::from_secs(13)));
        assert_eq!(missed(&log, 0, "id", &[]), [13, 14]);
        assert!(log.reaches(Offset::of_number(12)) && !log.reaches(Offset::of_number(11)));
        assert_eq!(log.trim(start + Duration::from_secs(60), age), None);
        assert_eq!(log.room.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn weights_add_up() {
        let mut log = log(1 << 20);
        let now = Instant::now();
        for offset in 11..14 {
            log.push(Offset::of_number(offset), item(100), to(&[], &[]), now, true);
        }
        let one = log.weight_after(Offset::of_number(12));
        assert!(one > 100);
        assert_eq!(log.weight_after(Offset::of_number(10)), 3 * one);
        assert_eq!(log.weight_after(Offset::of_number(13)), 0);
    }

    #[test]
    fn an_event_out_of_order_is_not_kept() {
        let mut log = log(1 << 20);
        let now = Instant::now();
        log.push(Offset::of_number(12), item(1), to(&[], &[]), now, true);
        log.push(Offset::of_number(11), item(1), to(&[], &[]), now, true);
        assert_eq!(missed(&log, 0, "id", &[]), [12]);
    }
}
