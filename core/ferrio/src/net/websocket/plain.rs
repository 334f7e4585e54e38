//! The frames that nearly all traffic is made of, read without tungstenite: a peer's messages of one frame each, whole in
//! the bytes at hand.
//!
//! A context of tungstenite costs an allocation, a zeroed buffer and a copy before it has seen the first frame. Here the
//! frames of one read are copied once and (those of a client) unmasked in place; their messages are slices of that copy. Whatever is
//! not plain (fragments, control frames, extensions, anything wrong) stays where it is, for tungstenite to judge.

use bytes::Bytes;
use smallvec::SmallVec;

/// A message, not yet known to be UTF-8 if it is text.
pub(super) struct Plain {
    pub(super) is_text: bool,
    pub(super) bytes: Bytes,
}

/// The plain frames at the start of `bytes`, and how many bytes they take. A client's are `masked`, a server's are not.
///
/// Messages share memory, so one that is kept keeps the others of its group. A group is not begun anew for each frame, nor
/// does it grow without end.
pub(super) fn take(bytes: &[u8], max: usize, masked: bool) -> (SmallVec<[Plain; 16]>, usize) {
    let mut frames = SmallVec::new();
    let mut used = 0;
    while let Some(group) = Group::at(&bytes[used..], max, masked) {
        used += group.length;
        group.give_out(&bytes[used - group.length..used], masked, &mut frames);
    }
    (frames, used)
}

/// Bytes of frames that share their memory, but for a single one that is longer.
const GROUP: usize = 16 << 10;

struct Group {
    frames: SmallVec<[Found; 16]>,
    length: usize,
}

/// Where a frame's payload lies in its group.
struct Found {
    is_text: bool,
    start: usize,
    end: usize,
}

impl Group {
    fn at(bytes: &[u8], max: usize, masked: bool) -> Option<Self> {
        let mut group = Self { frames: SmallVec::new(), length: 0 };
        while let Some(frame) = find(&bytes[group.length..], max, masked)
            && (group.length == 0 || group.length + frame.end <= GROUP)
        {
            let Found { is_text, start, end } = frame;
            group.frames.push(Found { is_text, start: group.length + start, end: group.length + end });
            group.length += end;
        }
        (group.length > 0).then_some(group)
    }

    fn give_out(&self, bytes: &[u8], masked: bool, into: &mut SmallVec<[Plain; 16]>) {
        let mut copy = bytes.to_vec();
        for frame in self.frames.iter().filter(|_| masked) {
            let (head, payload) = copy[..frame.end].split_at_mut(frame.start);
            if let Some(mask) = head.last_chunk() {
                unmask(payload, *mask);
            }
        }
        let copy = Bytes::from(copy);
        into.extend(
            self.frames.iter().map(|frame| Plain { is_text: frame.is_text, bytes: copy.slice(frame.start..frame.end) }),
        );
    }
}

/// The frame at the start of `bytes`, if it is plain and whole.
fn find(bytes: &[u8], max: usize, masked: bool) -> Option<Found> {
    const FINAL_TEXT: u8 = 0x81;
    const FINAL_BINARY: u8 = 0x82;

    let (&first, rest) = bytes.split_first()?;
    let is_text = match first {
        FINAL_TEXT => true,
        FINAL_BINARY => false,
        _ => return None,
    };
    let (&second, rest) = rest.split_first()?;
    if (second & 0x80 != 0) != masked {
        return None;
    }
    let (length, header) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
        length => (u64::from(length), 2),
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= max)?;
    let start = if masked { header + 4 } else { header };
    (bytes.len().checked_sub(start)? >= length).then_some(Found { is_text, start, end: start + length })
}

/// Eight bytes at a time, which the compiler makes more where the machine can.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Some(chunk) = chunk.first_chunk_mut() {
            *chunk = (u64::from_ne_bytes(*chunk) ^ twice).to_ne_bytes();
        }
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
