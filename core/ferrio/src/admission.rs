//! Who may come in: how many at once, and how often anew. Nothing is limited unless it is asked for.
//!
//! What is counted is counted from the request that wants to open a session, whatever carries it: an own port, a tower stack,
//! a host's HTTP server. So whoever decides about handshakes slowly is protected, too.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::config::Admission as Rules;
use crate::net::exchange::Head;
use crate::net::refusal::{Refusal, Unavailable};
use crate::rate::Meter;

/// The door of a server.
pub(crate) struct Admission {
    /// Sessions, and requests that are about to open one.
    connections: AtomicUsize,
    /// Those of them that have not joined a namespace yet.
    handshakes: AtomicUsize,
    addresses: Mutex<Addresses>,
    /// Nobody comes in any more.
    shut: AtomicBool,
}

/// A place that a newcomer has taken: given back when it is dropped.
pub(crate) struct Admitted {
    door: Arc<Admission>,
    /// It has not joined a namespace yet.
    is_handshake: bool,
}

impl Admission {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            connections: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            addresses: Mutex::new(Addresses::new()),
            shut: AtomicBool::new(false),
        })
    }

    /// Lets nobody in from now on. False if that was so already.
    pub(crate) fn shut(&self) -> bool {
        !self.shut.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    /// A request wants to open a session.
    pub(crate) fn enter(self: &Arc<Self>, head: &Head, rules: &Rules) -> Result<Admitted, Refusal> {
        let refusal = |why, seconds| Refusal::Unavailable { why, retry_after: seconds };
        if self.is_shut() {
            return Err(refusal(Unavailable::ShuttingDown, RETRY_AFTER));
        }
        if !take(&self.connections, rules.max_connections) {
            return Err(refusal(Unavailable::Connections, RETRY_AFTER));
        }
        let mut entry = Admitted { door: Arc::clone(self), is_handshake: false };
        if !take(&self.handshakes, rules.max_handshakes) {
            return Err(refusal(Unavailable::Handshakes, RETRY_AFTER));
        }
        entry.is_handshake = true;
        if let Some(rate) = rules.sessions_per_address
            && let Some(address) = address(head, rules.trusted_proxies)
        {
            let wait = self.addresses.lock().admit(address, Meter::new(rate));
            wait.map_err(|seconds| refusal(Unavailable::Address, seconds))?;
        }
        Ok(entry)
    }
}

impl Admitted {
    /// It has joined a namespace, or needs none.
    pub(crate) fn has_joined(&mut self) {
        if std::mem::replace(&mut self.is_handshake, false) {
            self.door.handshakes.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.has_joined();
        self.door.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Counts one more, if that is not too many.
fn take(count: &AtomicUsize, most: Option<usize>) -> bool {
    let most = most.unwrap_or(usize::MAX);
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < most).then_some(count + 1)).is_ok()
}

/// When each address may come again.
struct Addresses {
    start: Instant,
    /// Microseconds since `start`, as a [`Meter`] has them. One that has passed says nothing any more.
    marks: HashMap<IpAddr, u64>,
    /// So many, and those that say nothing are thrown out.
    sweep_at: usize,
}

impl Addresses {
    fn new() -> Self {
        Self { start: Instant::now(), marks: HashMap::new(), sweep_at: SWEEP_AT }
    }

    /// Counts a session of `address`, or says in how many seconds it may come again.
    fn admit(&mut self, address: IpAddr, meter: Meter) -> Result<(), u64> {
        let now = self.start.elapsed().as_micros() as u64;
        let mark = self.marks.get(&address).copied().unwrap_or_default();
        let mark = meter.admit(mark, now).map_err(|wait| wait.div_ceil(1_000_000))?;
        if self.marks.len() >= self.sweep_at {
            self.marks.retain(|_, mark| *mark > now);
            // Whoever has so many addresses is not stopped by counting them: then all begin anew.
            if self.marks.len() >= MAX_ADDRESSES {
                self.marks.clear();
            }
            self.sweep_at = (self.marks.len() * 2).clamp(SWEEP_AT, MAX_ADDRESSES);
        }
        self.marks.insert(address, mark);
        Ok(())
    }
}

/// Whose request it is, as far as it is known: of an IPv6 address the network, for a household has 2^64 of them.
fn address(head: &Head, trusted_proxies: usize) -> Option<IpAddr> {
    let known = forwarded(head, trusted_proxies).or_else(|| head.remote.parse().ok())?;
    Some(match known.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 64))),
        address @ IpAddr::V4(_) => address,
    })
}

/// What the outermost of so many proxies saw. What stands before it in the header is whatever the client wrote.
fn forwarded(head: &Head, trusted_proxies: usize) -> Option<IpAddr> {
    let last = trusted_proxies.checked_sub(1)?;
    let headers = head.headers.iter().filter(|(name, _)| name == "x-forwarded-for");
    let hops: Vec<&str> = headers.flat_map(|(_, value)| value.split(',')).map(str::trim).collect();
    let hop = hops.iter().rev().nth(last).or_else(|| hops.first())?;
    let bare = hop.strip_prefix('[').and_then(|hop| hop.split(']').next());
    bare.unwrap_or(hop).parse().ok().or_else(|| hop.parse().ok().map(|hop: std::net::SocketAddr| hop.ip()))
}

/// Seconds after which a client that is turned away may try again.
const RETRY_AFTER: u64 = 5;
/// Addresses that are kept before the first sweep.
const SWEEP_AT: usize = 1024;
/// Addresses that are kept at most: some 5 MB.
const MAX_ADDRESSES: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;

    fn head(remote: &str, forwarded: &[&str]) -> Head {
        let headers = forwarded.iter().map(|value| ("x-forwarded-for".into(), (*value).to_owned())).collect();
        Head { remote: remote.into(), headers, ..Head::default() }
    }

    fn seen(remote: &str, forwarded: &[&str], proxies: usize) -> Option<String> {
        address(&head(remote, forwarded), proxies).map(|address| address.to_string())
    }

    #[test]
    fn whose_request_it_is() {
        for (remote, forwarded, proxies, expected) in [
            ("10.0.0.1", &[][..], 0, Some("10.0.0.1")),
            ("::ffff:10.0.0.1", &[], 0, Some("10.0.0.1")),
            ("2001:db8:1:2:3:4:5:6", &[], 0, Some("2001:db8:1:2::")),
            ("", &[], 0, None),
            // Nobody is believed unless it is said.
            ("10.0.0.1", &["1.1.1.1"], 0, Some("10.0.0.1")),
            ("10.0.0.1", &["1.1.1.1"], 1, Some("1.1.1.1")),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1"], 1, Some("1.1.1.1")),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], 2, Some("1.1.1.1")),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.0.0.2"], 2, Some("1.1.1.1")),
            // Fewer than there should be: the request came past some of the proxies.
            ("10.0.0.1", &["1.1.1.1"], 3, Some("1.1.1.1")),
            ("10.0.0.1", &["1.1.1.1:55"], 1, Some("1.1.1.1")),
            ("10.0.0.1", &["[2001:db8:1:2::3]:55"], 1, Some("2001:db8:1:2::")),
            ("10.0.0.1", &["[2001:db8:1:2::3]"], 1, Some("2001:db8:1:2::")),
            ("10.0.0.1", &["unknown"], 1, Some("10.0.0.1")),
            ("10.0.0.1", &[], 1, Some("10.0.0.1")),
        ] {
            assert_eq!(seen(remote, forwarded, proxies).as_deref(), expected, "{remote} {forwarded:?} {proxies}");
        }
    }

    #[test]
    fn places_are_given_back() {
        let door = Admission::new();
        let rules = Rules { max_connections: Some(2), max_handshakes: Some(1), ..Rules::default() };
        let why = |rules| match door.enter(&Head::default(), rules) {
            Err(Refusal::Unavailable { why, .. }) => why,
            _ => panic!("let in"),
        };
        let mut first = door.enter(&Head::default(), &rules).unwrap_or_else(|_| panic!("the first"));
        assert_eq!(why(&rules), Unavailable::Handshakes);
        first.has_joined();
        let second = door.enter(&Head::default(), &rules).unwrap_or_else(|_| panic!("the second"));
        assert_eq!(why(&rules), Unavailable::Connections);
        drop(first);
        assert_eq!(why(&rules), Unavailable::Handshakes);
        drop(second);
        assert!(door.enter(&Head::default(), &rules).is_ok());
        assert_eq!((door.connections.load(Ordering::Relaxed), door.handshakes.load(Ordering::Relaxed)), (0, 0));
        assert!(door.shut());
        assert!(!door.shut());
        assert_eq!(why(&rules), Unavailable::ShuttingDown);
    }

    #[test]
    fn an_address_has_its_rate_and_nobody_elses() {
        let mut addresses = Addresses::new();
        let meter = Meter::new(Rate { per_second: 0.01, burst: 2 });
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        assert_eq!(addresses.admit(one, meter), Ok(()));
        assert_eq!(addresses.admit(one, meter), Ok(()));
        assert!(addresses.admit(one, meter).is_err_and(|seconds| (1..=100).contains(&seconds)));
        assert_eq!(addresses.admit(other, meter), Ok(()));
    }

    #[test]
    fn addresses_do_not_pile_up() {
        let mut addresses = Addresses::new();
        let slow = Meter::new(Rate { per_second: 0.001, burst: 1 });
        for n in 0..(MAX_ADDRESSES as u32 * 2) {
            assert_eq!(addresses.admit(IpAddr::V4(n.into()), slow), Ok(()));
            assert!(addresses.marks.len() <= MAX_ADDRESSES);
        }
    }
}
