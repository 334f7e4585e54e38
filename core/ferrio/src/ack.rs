//! Answers that are awaited: of one client, or of every receiver of a broadcast.

use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::socket::Payload;
use parking_lot::Mutex;

use crate::clock::{Clock, Key};
use crate::socket::Socket;

/// Why an answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The timeout came first.
    #[error("operation has timed out")]
    Timeout,
    /// The client left.
    #[error("socket has been disconnected")]
    Disconnected,
}

/// Called with the answer, once.
pub type OnAck = Box<dyn FnOnce(Result<Payload, AckError>) + Send>;

/// Who waits for an answer of a socket.
pub(crate) enum Waiter {
    /// An emit to one client, and its entry with the clock.
    One(OnAck, Option<Key>),
    /// A broadcast.
    Many(Arc<Gather>),
}

/// The answers to one broadcast.
pub(crate) struct Gather {
    state: Mutex<State>,
    on_each: OnEach,
}

struct State {
    /// Receivers that have not answered; known once all have been asked.
    missing: usize,
    expected: usize,
    asked_all: bool,
    on_end: Option<OnEnd>,
    timer: Option<Key>,
}

/// Called with each answer to a broadcast.
pub type OnEach = Box<dyn Fn(&Socket, Payload) + Send + Sync>;

/// Called when a broadcast's answers are complete, or no more will come.
pub type OnEnd = Box<dyn FnOnce(Gathered) + Send>;

/// What a broadcast asks of its receivers.
pub struct Ask {
    /// How long to wait; `None` until all have answered.
    pub timeout: Option<Duration>,
    /// Hears each answer.
    pub on_each: OnEach,
    /// Hears the end.
    pub on_end: OnEnd,
}

/// How a broadcast with acks ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Clients asked.
    pub expected: usize,
    /// Clients that answered.
    pub received: usize,
    /// The timeout ended it.
    pub timed_out: bool,
}

impl Gather {
    pub(crate) fn new(on_each: OnEach, on_end: OnEnd) -> Self {
        let state = State { missing: 0, expected: 0, asked_all: false, on_end: Some(on_end), timer: None };
        Self { state: Mutex::new(state), on_each }
    }

    /// One more client is asked.
    pub(crate) fn ask(&self) {
        let mut state = self.state.lock();
        state.expected += 1;
        state.missing += 1;
    }

    /// All clients have been asked. `timer` ends it.
    pub(crate) fn asked_all(&self, clock: &Clock, timer: Option<Key>) {
        let mut state = self.state.lock();
        state.asked_all = true;
        state.timer = timer;
        self.settle(state, clock, false);
    }

    pub(crate) fn answer(&self, socket: &Socket, payload: Payload, clock: &Clock) {
        if self.state.lock().on_end.is_none() {
            return;
        }
        (self.on_each)(socket, payload);
        let mut state = self.state.lock();
        state.missing -= 1;
        self.settle(state, clock, false);
    }

    pub(crate) fn time_out(&self, clock: &Clock) {
        self.settle(self.state.lock(), clock, true);
    }

    fn settle(&self, mut state: parking_lot::MutexGuard<'_, State>, clock: &Clock, timed_out: bool) {
        if !(timed_out || (state.asked_all && state.missing == 0)) {
            return;
        }
        let (on_end, timer) = (state.on_end.take(), state.timer.take());
        let gathered = Gathered { expected: state.expected, received: state.expected - state.missing, timed_out };
        drop(state);
        if let Some(timer) = timer {
            clock.cancel(timer);
        }
        if let Some(on_end) = on_end {
            on_end(gathered);
        }
    }
}

/// Nobody is left who could answer: it ends as it stands.
impl Drop for Gather {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if let Some(on_end) = state.on_end.take() {
            on_end(Gathered { expected: state.expected, received: state.expected - state.missing, timed_out: false });
        }
    }
}
