//! Who is in which room: an index and nothing else. It sends nothing and knows no connection.
//!
//! Sets are shared: choosing the receivers of a broadcast takes a reference, however many they are, and a set is copied only
//! if somebody joins or leaves while such a reference is still being worked through.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use ferrio_protocol::Text;
use indexmap::IndexMap;

/// Members by key, in the order they joined (until one leaves).
pub type Members<M> = Arc<IndexMap<u64, M, BuildHasherDefault<KeyHasher>>>;

/// The rooms of one namespace. `M` is what stands for a member; `u64` its key.
#[derive(Debug)]
pub struct Rooms<M> {
    /// Members that count when no room is named.
    everybody: Members<M>,
    /// Every member by its id, which is a room of its own.
    by_id: HashMap<Text, (u64, M)>,
    rooms: HashMap<Text, Members<M>>,
    /// Rooms of a member, its own id's left out. Members without any have no entry.
    joined: HashMap<u64, Vec<Text>, BuildHasherDefault<KeyHasher>>,
}

impl<M: Clone> Default for Rooms<M> {
    fn default() -> Self {
        Self { everybody: Members::default(), by_id: HashMap::new(), rooms: HashMap::new(), joined: HashMap::default() }
    }
}

impl<M: Clone> Rooms<M> {
    /// Adds a member that is found by its id, but not yet part of everybody.
    pub fn add(&mut self, key: u64, id: Text, member: M) {
        self.by_id.insert(id, (key, member));
    }

    /// Makes it part of everybody.
    pub fn admit(&mut self, key: u64, member: M) {
        Arc::make_mut(&mut self.everybody).insert(key, member);
    }

    /// Removes a member from everything. Costs its own rooms, not all rooms.
    pub fn remove(&mut self, key: u64, id: &str) {
        // Somebody who came back under the same id has another key.
        if self.by_id.get(id).is_some_and(|(held, _)| *held == key) {
            self.by_id.remove(id);
        }
        if self.everybody.contains_key(&key) {
            Arc::make_mut(&mut self.everybody).swap_remove(&key);
        }
        for room in self.joined.remove(&key).unwrap_or_default() {
            self.remove_from(key, &room);
        }
    }

    /// False if it was in there already.
    pub fn join(&mut self, key: u64, member: M, room: Text) -> bool {
        let members = self.rooms.entry(room.clone()).or_default();
        if members.contains_key(&key) {
            return false;
        }
        Arc::make_mut(members).insert(key, member);
        self.joined.entry(key).or_default().push(room);
        true
    }

    /// False if it was not in there.
    pub fn leave(&mut self, key: u64, room: &str) -> bool {
        let Some(rooms) = self.joined.get_mut(&key) else { return false };
        let Some(at) = rooms.iter().position(|joined| joined == room) else { return false };
        rooms.swap_remove(at);
        if rooms.is_empty() {
            self.joined.remove(&key);
        }
        self.remove_from(key, room);
        true
    }

    /// The rooms of a member, its own id's left out, in no particular order.
    pub fn of(&self, key: u64) -> &[Text] {
        self.joined.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The member with this id.
    pub fn by_id(&self, id: &str) -> Option<&(u64, M)> {
        self.by_id.get(id)
    }

    /// Everybody.
    pub fn everybody(&self) -> &Members<M> {
        &self.everybody
    }

    /// The members of a room.
    pub fn room(&self, room: &str) -> Option<&Members<M>> {
        self.rooms.get(room)
    }

    /// The names of all rooms that have members.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.rooms.keys()
    }

    /// No member at all.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn remove_from(&mut self, key: u64, room: &str) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        Arc::make_mut(members).swap_remove(&key);
        if members.is_empty() {
            self.rooms.remove(room);
        }
    }
}

/// Keys are counters of our own: one multiplication spreads them, and no peer can choose them.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &'static str) -> Text {
        Text::from_static(name)
    }

    fn two() -> Rooms<char> {
        let mut rooms = Rooms::default();
        for (key, id, member) in [(1, "one", 'a'), (2, "two", 'b')] {
            rooms.add(key, text(id), member);
            rooms.admit(key, member);
        }
        rooms
    }

    #[test]
    fn an_empty_room_is_gone() {
        let mut rooms = two();
        assert!(rooms.join(1, 'a', text("r")));
        assert!(!rooms.join(1, 'a', text("r")));
        assert!(rooms.leave(1, "r"));
        assert!(!rooms.leave(1, "r"));
        assert!(rooms.room("r").is_none());
        assert!(rooms.of(1).is_empty());
    }

    #[test]
    fn a_chosen_set_stays_as_it_was() {
        let mut rooms = two();
        rooms.join(1, 'a', text("r"));
        let chosen = Arc::clone(rooms.room("r").expect("a room"));
        rooms.join(2, 'b', text("r"));
        rooms.remove(1, "one");
        assert_eq!(chosen.values().collect::<Vec<_>>(), [&'a']);
        assert_eq!(rooms.room("r").expect("a room").values().collect::<Vec<_>>(), [&'b']);
        assert_eq!(rooms.everybody().len(), 1);
    }

    #[test]
    fn who_comes_back_under_the_same_id_stays() {
        let mut rooms = two();
        rooms.add(3, text("one"), 'c');
        rooms.remove(1, "one");
        assert_eq!(rooms.by_id("one"), Some(&(3, 'c')));
        assert_eq!(rooms.everybody().len(), 1);
    }

    #[test]
    fn removing_a_member_empties_its_rooms() {
        let mut rooms = two();
        for room in ["r", "s", "t"] {
            rooms.join(1, 'a', text(room));
        }
        rooms.remove(1, "one");
        assert_eq!(rooms.names().count(), 0);
        assert!(rooms.by_id("one").is_none());
    }
}
