//! The orderly end of a server that others take over from: nobody new comes in, what is under way is finished, and its clients
//! are sent to the others a few at a time.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrio_protocol::Reason;

use crate::connection::Connection;
use crate::hub::Hub;
use crate::net::websocket::close_frame_saying;

/// How a server is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// The longest wait for answers to events that ask for one, of clients and of our own handlers; and again, at the end, for
    /// what is still on its way to clients. 10 s.
    pub grace: Duration,
    /// The time over which connections are closed, in random order: so long do their clients take to come to other servers.
    /// 10 s.
    pub spread: Duration,
    /// Why, in a few words (at most 123 bytes count): what comes with the close frame of WebSockets, beside its code 1012, and
    /// as the detail of disconnects. None.
    pub reason: String,
}

impl Default for Drain {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), spread: Duration::from_secs(10), reason: String::new() }
    }
}

impl Hub {
    /// Lets nobody in from now on. False if that was so already.
    pub fn begin_drain(&self) -> bool {
        self.admission.shut()
    }

    /// Whether newcomers are let in: not once the server drains or closes.
    pub fn is_ready(&self) -> bool {
        !self.admission.is_shut() && !self.is_closing()
    }

    /// Lets nobody in, waits for answers under way, then closes all connections over time. Clients are not told to stay away:
    /// theirs come back as from a broken connection. Returns when no connection is left, or `how.grace` after the last was
    /// closed. The ports stay open meanwhile: clients that poll need them.
    pub async fn drain(&self, how: &Drain) {
        self.begin_drain();
        self.until_none(how.grace, |connection| connection.sockets().iter().any(|socket| socket.has_open_questions()))
            .await;
        let mut seen = HashSet::new();
        let mut connections = self.all();
        shuffle(&mut connections);
        let (start, count) = (Instant::now(), connections.len().max(1) as f64);
        for (place, connection) in connections.into_iter().enumerate() {
            tokio::time::sleep_until((start + how.spread.mul_f64(place as f64 / count)).into()).await;
            seen.insert(connection.key());
            connection.retire(&how.reason);
        }
        // Some may have been let in just before the door was shut.
        for connection in self.all().into_iter().filter(|connection| !seen.contains(&connection.key())) {
            connection.retire(&how.reason);
        }
        self.until_none(how.grace, |_| true).await;
    }

    /// Waits until `is_left` is true of no connection, at most for so long.
    async fn until_none(&self, limit: Duration, is_left: impl Fn(&Arc<Connection>) -> bool) {
        let mut left = self.all();
        let wait = async {
            loop {
                left.retain(|connection| !connection.is_gone() && is_left(connection));
                if left.is_empty() {
                    left = self.all();
                    left.retain(|connection| !connection.is_gone() && is_left(connection));
                    if left.is_empty() {
                        return;
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        // Whoever is left then is cut off by the close that follows.
        let _ = tokio::time::timeout(limit, wait).await;
    }
}

impl Connection {
    /// Ends the connection for a drain, once what is queued has been sent.
    fn retire(self: &Arc<Self>, reason: &str) {
        self.say_at_end(close_frame_saying(SERVICE_RESTART, reason));
        let detail = Some(Cow::Owned(reason.to_owned())).filter(|reason: &Cow<'_, str>| !reason.is_empty());
        self.end(Reason::ServerShuttingDown, detail);
    }
}

/// Any order will do, as long as it is another one each time.
fn shuffle<T>(list: &mut [T]) {
    for last in (1..list.len()).rev() {
        let random = getrandom::u64().unwrap_or_default();
        list.swap(last, (random % (last as u64 + 1)) as usize);
    }
}

/// In the IANA registry of close codes.
const SERVICE_RESTART: u16 = 1012;
/// How often it is looked who is left.
const LOOK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn() {
        let mut list: Vec<u32> = (0..1000).collect();
        shuffle(&mut list);
        assert!(list.windows(2).any(|pair| pair[0] > pair[1]));
        list.sort_unstable();
        assert_eq!(list, (0..1000).collect::<Vec<_>>());
    }
}
