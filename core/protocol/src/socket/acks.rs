//! Acks that a peer owes us: by id, each with an optional deadline.

use std::collections::HashMap;
use std::time::Instant;

/// What is awaited, with what to do about it (`T`). Ids are given by the caller: the originals count them differently.
#[derive(Debug)]
pub struct Acks<T> {
    waiting: HashMap<u64, (Option<Instant>, T)>,
}

impl<T> Default for Acks<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new() }
    }
}

impl<T> Acks<T> {
    /// Awaits an ack. A waiter already there under this id is given back.
    pub fn insert(&mut self, id: u64, deadline: Option<Instant>, waiter: T) -> Option<T> {
        self.waiting.insert(id, (deadline, waiter)).map(|(_, waiter)| waiter)
    }

    /// The ack came: who waited? `None` for an unknown, repeated or late id.
    pub fn take(&mut self, id: u64) -> Option<T> {
        self.waiting.remove(&id).map(|(_, waiter)| waiter)
    }

    /// Removes and returns the waiters whose deadline has come.
    pub fn expire(&mut self, now: Instant) -> Vec<T> {
        self.waiting
            .extract_if(|_, (deadline, _)| deadline.is_some_and(|at| at <= now))
            .map(|(_, (_, waiter))| waiter)
            .collect()
    }

    /// The peer is gone: everything that will never come.
    pub fn drain(&mut self) -> Vec<T> {
        self.waiting.drain().map(|(_, (_, waiter))| waiter).collect()
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|(deadline, _)| *deadline).min()
    }

    /// How many are awaited.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// None is awaited.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
