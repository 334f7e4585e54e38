//! Numbers that cross the border in place of objects. All are below 2^53, so a JavaScript number holds them exactly.

use std::collections::VecDeque;
use std::marker::PhantomData;

/// A socket: slot in the low 32 bits, generation above, so a stale id finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u64);

/// A connection: slot and generation, as [`SocketId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// A request of the host's HTTP server; the host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A WebSocket that came through the host; the host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// An emit with ack; the host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AckId(pub u64);

/// A connection to somebody else's server; the host counts, and uses no number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// A number that the engine gives out: [`SocketId`] and [`ConnId`].
pub(crate) trait Key: Copy {
    fn from_number(number: u64) -> Self;
    fn number(self) -> u64;
}

/// Things by number. A number that was given out once does not mean another thing later: not before its slot has been
/// used two million times, and a slot rests until a thousand others have come free.
#[derive(Debug)]
pub(crate) struct Table<K, T> {
    slots: Vec<Slot<T>>,
    /// Free slots, the longest rested first.
    free: VecDeque<u32>,
    key: PhantomData<fn() -> K>,
}

#[derive(Debug)]
struct Slot<T> {
    /// Of the thing in it, or of the next one. Never 0, so no number is 0 either.
    generation: u32,
    thing: Option<T>,
}

impl<K: Key, T> Table<K, T> {
    /// Adds a thing and gives it a number.
    pub(crate) fn insert(&mut self, thing: T) -> K {
        let slot = self.vacant();
        let entry = &mut self.slots[slot as usize];
        entry.thing = Some(thing);
        K::from_number(u64::from(entry.generation) << 32 | u64::from(slot))
    }

    /// The thing, if the number is still its own.
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        let (slot, generation) = split(key);
        let entry = self.slots.get(slot)?;
        entry.thing.as_ref().filter(|_| entry.generation == generation)
    }

    /// Takes the thing out; its number finds nothing from now on.
    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let (slot, generation) = split(key);
        let entry = self.slots.get_mut(slot).filter(|entry| entry.generation == generation)?;
        let thing = entry.thing.take()?;
        entry.generation = if generation == LAST_GENERATION { 1 } else { generation + 1 };
        self.free.push_back(slot as u32);
        Some(thing)
    }

    /// All things, their numbers gone.
    pub(crate) fn into_things(self) -> impl Iterator<Item = T> {
        self.slots.into_iter().filter_map(|slot| slot.thing)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    fn vacant(&mut self) -> u32 {
        if self.free.len() > RESTING
            && let Some(slot) = self.free.pop_front()
        {
            return slot;
        }
        // 2^32 things would be terabytes: memory ends first.
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { generation: 1, thing: None });
        slot
    }
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: VecDeque::new(), key: PhantomData }
    }
}

impl Key for SocketId {
    fn from_number(number: u64) -> Self {
        Self(number)
    }

    fn number(self) -> u64 {
        self.0
    }
}

impl Key for ConnId {
    fn from_number(number: u64) -> Self {
        Self(number)
    }

    fn number(self) -> u64 {
        self.0
    }
}

/// Slot and generation. A number above 2^53 has a generation that was never given out.
fn split<K: Key>(key: K) -> (usize, u32) {
    let number = key.number();
    ((number & u64::from(u32::MAX)) as usize, (number >> 32) as u32)
}

/// 21 bits.
const LAST_GENERATION: u32 = (1 << 21) - 1;
/// Free slots that rest at any time.
const RESTING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    type Sockets = Table<SocketId, &'static str>;

    #[test]
    fn a_stale_number_finds_nothing() {
        let mut table = Sockets::default();
        let (a, b) = (table.insert("a"), table.insert("b"));
        assert_eq!(table.get(a), Some(&"a"));
        assert_eq!(table.remove(a), Some("a"));
        assert_eq!(table.remove(a), None);
        assert_eq!(table.get(a), None);
        assert_eq!(table.get(b), Some(&"b"));
        assert!(!table.is_empty());
        table.remove(b);
        assert!(table.is_empty());
    }

    #[test]
    fn a_slot_used_again_has_another_number() {
        let mut table = Sockets::default();
        let first = table.insert("first");
        table.remove(first);
        for _ in 0..RESTING {
            let key = table.insert("x");
            table.remove(key);
        }
        let again = table.insert("again");
        assert_eq!(again.0 & 0xffff_ffff, first.0 & 0xffff_ffff);
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(again), Some(&"again"));
        assert!(table.slots.len() <= RESTING + 2);
    }

    #[test]
    fn generations_stay_within_21_bits_and_skip_0() {
        let mut table = Sockets::default();
        let key = table.insert("a");
        table.slots[0].generation = LAST_GENERATION;
        let last = SocketId(u64::from(LAST_GENERATION) << 32 | key.0 & 0xffff_ffff);
        assert!(last.0 < 1 << 53);
        assert_eq!(table.remove(last), Some("a"));
        assert_eq!(table.slots[0].generation, 1);
    }

    #[test]
    fn numbers_nobody_gave_out() {
        let mut table = Sockets::default();
        table.insert("a");
        for number in [0, 1, 7, u64::MAX, 1 << 53, (1 << 32) + 1, (2 << 32), (1 << 53) + (1 << 32)] {
            assert_eq!(table.get(SocketId(number)), None, "{number}");
            assert_eq!(table.remove(SocketId(number)), None, "{number}");
        }
    }
}
