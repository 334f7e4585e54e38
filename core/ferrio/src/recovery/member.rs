//! What recovery knows of one socket, and what stays of it when it has gone.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ferrio_protocol::Text;
use parking_lot::Mutex;

use super::offset::Offset;
use crate::clock::Key;

/// What the application wants to find again in a recovered socket.
pub(super) type Keepsake = Arc<dyn Any + Send + Sync>;

/// The part of a socket that recovery needs. Its offsets change under the lock of the namespace's memory only.
pub(crate) struct Member {
    /// Its private id: whoever names it may have the socket's state. (The public one is known to others.)
    pid: Text,
    recovered: bool,
    /// It has had everything up to here that was meant for it.
    from: AtomicU64,
    /// The newest event that was sent to it.
    last: AtomicU64,
    /// The newest event of the namespace when it was about to end: what follows was perhaps not sent to it. 0: it is there.
    since: AtomicU64,
    /// The client knows its `pid`.
    welcomed: AtomicBool,
    /// It ended in a way that nobody wanted.
    recoverable: AtomicBool,
    /// It was sent away: it must not come back by this door.
    revoked: AtomicBool,
    /// What it missed is sent when it is let in; until then nothing is that could be missed.
    replay: Mutex<Option<Replay>>,
    keepsake: Mutex<Option<Keepsake>>,
}

/// What is due to a recovered socket that has not been let in yet.
pub(super) struct Replay {
    /// Everything behind this.
    pub(super) after: Offset,
    /// The client has had everything up to here.
    pub(super) received: Offset,
    /// Where it comes from: back there, if it is not let in.
    pub(super) session: Session,
}

/// A socket that ended and may come back.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) sid: Text,
    pub(super) rooms: Vec<Text>,
    /// See [`Member`].
    pub(super) from: Offset,
    pub(super) last: Offset,
    /// See [`Member`].
    pub(super) since: Offset,
    /// When it expires.
    pub(super) until: Key,
    pub(super) keepsake: Option<Keepsake>,
}

/// What is left of a session that nobody came back for in time.
pub struct Expired {
    /// Its private id.
    pub pid: Text,
    /// The id its socket had.
    pub sid: Text,
    /// The rooms it was in, its own id's left out.
    pub rooms: Vec<Text>,
}

impl Member {
    /// Of a socket that comes for the first time.
    pub(super) fn new(pid: Text, from: Offset) -> Self {
        Self {
            pid,
            recovered: false,
            from: AtomicU64::new(from.number()),
            last: AtomicU64::new(from.number()),
            since: AtomicU64::new(0),
            welcomed: AtomicBool::new(false),
            recoverable: AtomicBool::new(false),
            revoked: AtomicBool::new(false),
            replay: Mutex::new(None),
            keepsake: Mutex::new(None),
        }
    }

    /// Of a socket that comes back.
    pub(super) fn recovered(pid: Text, replay: Replay) -> Self {
        let mut member = Self::new(pid, replay.received);
        member.recovered = true;
        member.last = AtomicU64::new(replay.session.last.max(replay.received).number());
        member.keepsake = Mutex::new(replay.session.keepsake.clone());
        member.replay = Mutex::new(Some(replay));
        member
    }

    pub(crate) fn pid(&self) -> &Text {
        &self.pid
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered
    }

    pub(super) fn is_welcomed(&self) -> bool {
        self.welcomed.load(Ordering::Acquire)
    }

    pub(super) fn from(&self) -> Offset {
        Offset::of_number(self.from.load(Ordering::Relaxed))
    }

    pub(super) fn last(&self) -> Offset {
        Offset::of_number(self.last.load(Ordering::Relaxed))
    }

    /// An event is about to be sent to it. False if it is one of those that it is sent when it is let in.
    pub(super) fn is_sent(&self, offset: Offset) -> bool {
        if self.recovered && !self.is_welcomed() {
            return false;
        }
        self.last.store(offset.number(), Ordering::Relaxed);
        true
    }

    /// What it missed has been sent to it, up to `last`.
    pub(super) fn replayed(&self, last: Offset) {
        self.last.store(last.number(), Ordering::Relaxed);
    }

    /// It has been let in; `last` is the newest event of the namespace.
    pub(super) fn welcome(&self, last: Offset) {
        if !self.recovered && self.from() == self.last() {
            // What was sent to others while it waited was not meant for it.
            self.from.store(last.number(), Ordering::Relaxed);
            self.last.store(last.number(), Ordering::Relaxed);
        }
        self.welcomed.store(true, Ordering::Release);
    }

    pub(super) fn since(&self) -> Offset {
        Offset::of_number(self.since.load(Ordering::Acquire))
    }

    /// It is about to end; `last` is the newest event of the namespace.
    pub(super) fn is_about_to_end(&self, last: Offset) {
        let _ = self.since.compare_exchange(0, last.number(), Ordering::AcqRel, Ordering::Acquire);
    }

    /// It has ended.
    pub(crate) fn end(&self, recoverable: bool) {
        self.recoverable.store(recoverable, Ordering::Release);
    }

    /// It has been sent away.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Its state is worth keeping.
    pub(super) fn may_return(&self) -> bool {
        self.is_welcomed() && self.recoverable.load(Ordering::Acquire) && !self.is_revoked()
    }

    pub(super) fn replay(&self) -> parking_lot::MutexGuard<'_, Option<Replay>> {
        self.replay.lock()
    }

    /// What the application finds again.
    pub(crate) fn keepsake(&self) -> Option<Keepsake> {
        self.keepsake.lock().clone()
    }

    /// Keeps something for the socket that comes back as this one.
    pub(crate) fn keep(&self, keepsake: Keepsake) {
        let before = self.keepsake.lock().replace(keepsake);
        drop(before);
    }
}
