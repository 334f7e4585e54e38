//! Follows the frame headers of a stream without looking at payloads, to count what tungstenite does not count.

use std::time::{Duration, Instant};

use ferrio_protocol::{Limit, Limits};

use super::Fault;

/// What [`Limits::control_frames`] counts within.
const WINDOW: Duration = Duration::from_secs(1);
/// Two bytes, a 64-bit length, a mask.
const LONGEST_HEADER: usize = 14;

/// Where in the stream of frames we are.
pub(super) struct Scanner {
    /// A header so far.
    header: [u8; LONGEST_HEADER],
    have: usize,
    /// Bytes of the payload still to come.
    payload: u64,
    max: u64,
    max_fragments: u32,
    fragments: u32,
    max_control_frames: u32,
    control_frames: u32,
    window: Option<Instant>,
}

impl Scanner {
    pub(super) fn new(limits: &Limits) -> Self {
        let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        Self {
            header: [0; LONGEST_HEADER],
            have: 0,
            payload: 0,
            max: limits.max_payload as u64,
            max_fragments: count(limits.fragments),
            fragments: 0,
            max_control_frames: count(limits.control_frames),
            control_frames: 0,
            window: None,
        }
    }

    /// Nothing is incomplete.
    pub(super) fn is_between_messages(&self) -> bool {
        self.have == 0 && self.payload == 0 && self.fragments == 0
    }

    /// How many of these bytes may be read, and what is wrong with the frame after them.
    pub(super) fn scan(&mut self, bytes: &[u8], now: impl Fn() -> Instant) -> (usize, Result<(), Fault>) {
        let mut at = 0;
        while at < bytes.len() {
            if self.payload > 0 {
                let step = self.payload.min((bytes.len() - at) as u64);
                self.payload -= step;
                // No more than is left of a slice, so it fits.
                at += step as usize;
                continue;
            }
            let start = at;
            while at < bytes.len() && !self.is_header_whole() {
                self.header[self.have] = bytes[at];
                self.have += 1;
                at += 1;
            }
            if self.is_header_whole() {
                if let Err(fault) = self.begin_frame(&now) {
                    return (start, Err(fault));
                }
                self.have = 0;
            }
        }
        (at, Ok(()))
    }

    fn is_header_whole(&self) -> bool {
        self.have >= 2 && {
            let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
            self.have == 2 + self.extra_length() + mask
        }
    }

    fn extra_length(&self) -> usize {
        match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    fn begin_frame(&mut self, now: impl Fn() -> Instant) -> Result<(), Fault> {
        let [first, second, ..] = self.header;
        let (is_final, is_control) = (first & 0x80 != 0, first & 0x08 != 0);
        let extra = &self.header[2..2 + self.extra_length()];
        self.payload = match extra {
            [] => u64::from(second & 0x7f),
            bytes => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if is_control {
            // tungstenite would wait for the payload before it says so.
            if !is_final || self.payload > 125 {
                return Err(Fault::Protocol("control frame too long or in fragments".into()));
            }
            return self.count_control_frame(now());
        }
        if self.payload > self.max {
            return Err(Fault::TooBig);
        }
        if self.fragments >= self.max_fragments.max(1) {
            return Err(Fault::Flood(Limit::Fragments));
        }
        self.fragments += 1;
        if is_final {
            self.fragments = 0;
        }
        Ok(())
    }

    fn count_control_frame(&mut self, now: Instant) -> Result<(), Fault> {
        if self.window.is_none_or(|start| now.saturating_duration_since(start) >= WINDOW) {
            self.window = Some(now);
            self.control_frames = 0;
        }
        if self.control_frames >= self.max_control_frames {
            return Err(Fault::Flood(Limit::ControlFrames));
        }
        self.control_frames += 1;
        Ok(())
    }
}
