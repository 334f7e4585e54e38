//! What the host waits for, or the engine for the host: each entry is in here until it is over, so that closing can end all.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

/// Things under way, by the host's number. A thing may be taken out while it is worked on (work that may end it), and put
/// back; what ended meanwhile is not put back.
pub(crate) struct Pending<K, T>(Mutex<HashMap<K, Option<T>>>);

impl<K: Eq + Hash + Copy, T> Pending<K, T> {
    /// A thing begins. It is put in when it is there.
    pub(crate) fn begin(&self, key: K) {
        self.0.lock().insert(key, None);
    }

    /// Takes the thing out to work on it.
    pub(crate) fn take(&self, key: K) -> Option<T> {
        self.0.lock().get_mut(&key)?.take()
    }

    /// Puts the thing in, or back. Given back if it has ended meanwhile.
    pub(crate) fn put(&self, key: K, thing: T) -> Result<(), T> {
        match self.0.lock().get_mut(&key) {
            Some(place) => {
                *place = Some(thing);
                Ok(())
            }
            None => Err(thing),
        }
    }

    /// Puts the thing in if its place is empty.
    pub(crate) fn fill(&self, key: K, thing: T) {
        if let Some(place @ None) = self.0.lock().get_mut(&key) {
            *place = Some(thing);
        }
    }

    /// The thing is over. `None` if it was already; `Some(None)` if it is being worked on.
    #[expect(clippy::option_option, reason = "ended twice, and ended while taken out, are different answers")]
    pub(crate) fn end(&self, key: K) -> Option<Option<T>> {
        self.0.lock().remove(&key)
    }

    /// Takes everything out that is not being worked on. Entries stay: each still has to end.
    pub(crate) fn take_all(&self) -> Vec<T> {
        self.0.lock().values_mut().filter_map(Option::take).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl<K, T: Clone> Pending<K, T>
where
    K: Eq + Hash + Copy,
{
    /// A copy of the thing.
    pub(crate) fn get(&self, key: K) -> Option<T> {
        self.0.lock().get(&key)?.clone()
    }
}

impl<K, T> Default for Pending<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_while_it_was_worked_on_is_not_put_back() {
        let pending = Pending::default();
        pending.begin(1);
        assert_eq!(pending.put(1, 'a'), Ok(()));
        assert_eq!(pending.get(1), Some('a'));
        assert_eq!(pending.take(1), Some('a'));
        assert_eq!(pending.take(1), None);
        assert_eq!(pending.end(1), Some(None));
        assert_eq!(pending.end(1), None);
        assert_eq!(pending.put(1, 'a'), Err('a'));
        assert!(pending.is_empty());
    }

    #[test]
    fn all_at_once() {
        let pending = Pending::default();
        for key in 0..3 {
            pending.begin(key);
        }
        assert!(pending.put(1, 'b').is_ok() && pending.put(2, 'c').is_ok());
        let mut all = pending.take_all();
        all.sort_unstable();
        assert_eq!(all, ['b', 'c']);
        assert!(!pending.is_empty());
        assert_eq!(pending.end(0), Some(None));
    }
}
