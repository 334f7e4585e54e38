//! What a server counts: what it refused, which limits struck, how connections ended. Nothing of it costs an event anything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrio_protocol::{Dialect, Limit, Reason};
use parking_lot::Mutex;

use crate::net::refusal::{Refusal, Unavailable};

/// The state of a server and what it has counted since it was built: see [`Server::stats`](crate::Server::stats).
///
/// The keys of the maps are few and known beforehand: nothing that a client chooses is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open.
    pub connections: usize,
    /// Bytes waiting to be sent to them. A broadcast counts once for each that it waits for.
    pub buffered_bytes: usize,
    /// Connections that were opened.
    pub opened: u64,
    /// Requests that were refused, by the code of the refusal: 0 unknown transport, 1 unknown session, 2 bad method, 3 bad
    /// request, 4 forbidden, 5 unsupported protocol version.
    pub refused: BTreeMap<u8, u64>,
    /// Connections that ended, by the reason in the words of the server's dialect.
    pub closed: BTreeMap<&'static str, u64>,
    /// How often each limit struck, by the name of its option.
    pub limits: BTreeMap<&'static str, u64>,
}

/// The counting side.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    refused: [AtomicU64; 6],
    limits: [AtomicU64; Limit::ALL.len()],
    /// Once a connection: a lock does.
    closed: Mutex<Vec<(Reason, u64)>>,
}

impl Counters {
    pub(crate) fn open(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, refusal: &Refusal) {
        if let Some(count) = self.refused.get(usize::from(refusal.code())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Refusal::Unavailable { why, .. } = refusal {
            match why {
                Unavailable::Connections => self.limit(Limit::MaxConnections),
                Unavailable::Handshakes => self.limit(Limit::MaxHandshakes),
                Unavailable::Address => self.limit(Limit::SessionsPerAddress),
                Unavailable::ShuttingDown => {}
            }
        }
    }

    pub(crate) fn limit(&self, limit: Limit) {
        self.limits[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn close(&self, reason: Reason) {
        let mut closed = self.closed.lock();
        match closed.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, count)) => *count += 1,
            None => closed.push((reason, 1)),
        }
    }

    /// What was counted; the rest is at its default.
    pub(crate) fn read(&self, dialect: Dialect) -> Stats {
        let mut stats = Stats { opened: self.opened.load(Ordering::Relaxed), ..Stats::default() };
        for (code, count) in (0..).zip(&self.refused) {
            stats.refused.insert(code, count.load(Ordering::Relaxed));
        }
        for limit in Limit::ALL {
            stats.limits.insert(limit.as_str(), self.limits[limit as usize].load(Ordering::Relaxed));
        }
        // Python has one word for several reasons.
        for (reason, count) in &*self.closed.lock() {
            *stats.closed.entry(reason.as_str(dialect)).or_default() += count;
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_read() {
        let counters = Counters::default();
        counters.open();
        counters.refuse(&Refusal::NoUpgrade);
        for limit in Limit::ALL {
            counters.limit(limit);
        }
        counters.limit(Limit::HeaderTimeout);
        for reason in [Reason::ParseError, Reason::TransportError, Reason::PingTimeout] {
            counters.close(reason);
        }
        let stats = counters.read(Dialect::Python);
        assert_eq!((stats.opened, stats.refused[&3], stats.refused[&0]), (1, 1, 0));
        assert!(Limit::ALL.iter().all(|limit| stats.limits[limit.as_str()] >= 1));
        assert_eq!(stats.limits["header_timeout"], 2);
        assert_eq!(stats.closed, [("ping timeout", 1), ("transport error", 2)].into());
    }
}
