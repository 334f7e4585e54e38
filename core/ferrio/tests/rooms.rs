//! The room index under operations chosen by chance, beside one that is too simple to be wrong. `PROPTEST_CASES` makes it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrio::rooms::{Members, Rooms};
use proptest::prelude::*;

/// Few members, ids and rooms, so that they meet.
#[derive(Clone, Debug)]
enum Op {
    /// A new member; its id may be another's, who came back.
    Add(u8),
    Admit(usize),
    Join(usize, u8),
    Leave(usize, u8),
    Remove(usize),
    /// Somebody chooses the receivers of a broadcast, and works through them later.
    Choose(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..4_u8).prop_map(Op::Add),
        2 => (0..8_usize).prop_map(Op::Admit),
        5 => (0..8_usize, 0..4_u8).prop_map(|(member, room)| Op::Join(member, room)),
        3 => (0..8_usize, 0..4_u8).prop_map(|(member, room)| Op::Leave(member, room)),
        2 => (0..8_usize).prop_map(Op::Remove),
        1 => (0..4_u8).prop_map(Op::Choose),
    ]
}

/// What must be true, written down without any index.
#[derive(Default)]
struct Model {
    /// Members that are there, with their id and whether they are part of everybody.
    members: BTreeMap<u64, (String, bool)>,
    joined: BTreeSet<(u64, String)>,
    /// Who was last added under an id.
    by_id: BTreeMap<String, u64>,
}

impl Model {
    /// A member that is there, if there is any.
    fn pick(&self, n: usize) -> Option<u64> {
        self.members.keys().nth(n % self.members.len().max(1)).copied()
    }

    fn room(&self, room: &str) -> BTreeSet<u64> {
        self.joined.iter().filter(|(_, joined)| joined == room).map(|(key, _)| *key).collect()
    }
}

fn keys(members: &Members<u64>) -> BTreeSet<u64> {
    assert!(members.iter().all(|(key, member)| key == member), "another's member");
    members.keys().copied().collect()
}

fn name(n: u8) -> String {
    format!("room {n}")
}

proptest! {
    #[test]
    fn it_answers_as_a_list_would(ops in prop::collection::vec(op(), 1..200)) {
        let (mut rooms, mut model, mut next) = (Rooms::<u64>::default(), Model::default(), 0);
        let mut chosen: Vec<(Members<u64>, BTreeSet<u64>)> = Vec::new();
        for op in ops {
            match op {
                Op::Add(id) => {
                    next += 1;
                    let id = format!("id {id}");
                    rooms.add(next, id.as_str().into(), next);
                    model.members.insert(next, (id.clone(), false));
                    model.by_id.insert(id, next);
                }
                Op::Admit(n) => if let Some(key) = model.pick(n) {
                    rooms.admit(key, key);
                    model.members.get_mut(&key).unwrap().1 = true;
                },
                Op::Join(n, room) => if let Some(key) = model.pick(n) {
                    prop_assert_eq!(rooms.join(key, key, name(room).as_str().into()), model.joined.insert((key, name(room))));
                },
                Op::Leave(n, room) => if let Some(key) = model.pick(n) {
                    prop_assert_eq!(rooms.leave(key, &name(room)), model.joined.remove(&(key, name(room))));
                },
                Op::Remove(n) => if let Some(key) = model.pick(n) {
                    let (id, _) = model.members.remove(&key).unwrap();
                    rooms.remove(key, &id);
                    model.joined.retain(|(member, _)| *member != key);
                    if model.by_id.get(&id) == Some(&key) {
                        model.by_id.remove(&id);
                    }
                },
                Op::Choose(room) => if let Some(members) = rooms.room(&name(room)) {
                    chosen.push((Arc::clone(members), model.room(&name(room))));
                },
            }

            let everybody = model.members.iter().filter(|(_, (_, admitted))| *admitted).map(|(key, _)| *key).collect();
            prop_assert_eq!(keys(rooms.everybody()), everybody);
            for n in 0..4 {
                let members = model.room(&name(n));
                // An empty room is none.
                prop_assert_eq!(rooms.room(&name(n)).map(keys), (!members.is_empty()).then_some(members));
                let id = format!("id {n}");
                prop_assert_eq!(rooms.by_id(&id).copied(), model.by_id.get(&id).map(|key| (*key, *key)));
            }
            for key in 1..=next {
                let of: BTreeSet<_> = rooms.of(key).iter().map(|room| room.as_str().to_owned()).collect();
                prop_assert_eq!(of.len(), rooms.of(key).len(), "a room twice");
                prop_assert_eq!(of, model.joined.iter().filter(|(member, _)| *member == key).map(|(_, room)| room.clone()).collect());
            }
            prop_assert_eq!(rooms.is_empty(), model.by_id.is_empty());
            // What was chosen stays as it was.
            for (members, expected) in &chosen {
                prop_assert_eq!(&keys(members), expected);
            }
        }
    }
}
