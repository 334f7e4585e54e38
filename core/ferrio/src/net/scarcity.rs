//! A port whose process has no more files: it can accept nothing, and the kernel would say so again and again.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

/// What is done about it: those who wait are turned away, and it is tried again after pauses that grow.
pub(super) struct Scarcity {
    /// Given back for a moment, so that somebody can be accepted, and closed.
    spare: Option<File>,
    pause: Duration,
    /// When it was last told of, and how often it has happened since.
    told: Option<Instant>,
    untold: u64,
}

impl Scarcity {
    pub(super) fn new() -> Self {
        Self { spare: spare(), pause: SHORTEST, told: None, untold: 0 }
    }

    /// Somebody could be accepted.
    pub(super) fn is_over(&mut self) {
        self.pause = SHORTEST;
    }

    /// Nobody could. Says how long to wait before the next try.
    pub(super) async fn strikes(&mut self, port: &TcpListener, error: &io::Error) -> Duration {
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= BETWEEN_WARNINGS) {
            tracing::warn!(%error, times = self.untold, "cannot accept connections: those who wait are turned away");
            self.told = Some(Instant::now());
            self.untold = 0;
        }
        if self.spare.take().is_some() {
            // They learn at once, instead of waiting for nothing.
            for _ in 0..MOST_TURNED_AWAY {
                match tokio::time::timeout(Duration::ZERO, port.accept()).await {
                    Ok(Ok(turned_away)) => drop(turned_away),
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            self.spare = spare();
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        pause
    }
}

/// A file that means nothing.
fn spare() -> Option<File> {
    // On other systems files and connections do not share one limit.
    if cfg!(unix) { File::open("/dev/null").ok() } else { None }
}

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);
/// As many as may have come while it paused, about.
const MOST_TURNED_AWAY: usize = 256;
