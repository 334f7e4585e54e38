//! A packet whose attachments are still on their way.

use bytes::Bytes;

use super::json;
use super::packet::Packet;
use crate::error::ProtocolError;
use crate::limits::{Limit, Limits};

/// Collects attachments, bounded in number and bytes. Exists only between the text and its last attachment.
#[derive(Debug)]
pub struct Reassembly {
    packet: Packet,
    awaited: usize,
    bytes: usize,
}

impl Reassembly {
    /// `packet` (an event or ack, no attachment yet) announced `awaited` of them (at least one).
    pub fn new(packet: Packet, awaited: usize) -> Self {
        Self { packet, awaited, bytes: 0 }
    }

    /// The packet as far as it has come.
    pub fn packet(&self) -> &Packet {
        &self.packet
    }

    /// How many attachments are missing.
    pub fn awaited(&self) -> usize {
        self.awaited
    }

    /// Takes the next attachment; gives the packet back when it was the last, after checking every placeholder.
    ///
    /// # Errors
    /// Too many bytes pending ("attachments too large"); a placeholder whose `num` is no index ("illegal attachments").
    pub fn push(mut self, attachment: Bytes, limits: &Limits) -> Result<Result<Packet, Self>, ProtocolError> {
        self.bytes = self.bytes.saturating_add(attachment.len());
        if self.bytes > limits.max_payload.saturating_mul(limits.attachments) {
            return Err(ProtocolError::socket("attachments too large").over(Limit::Attachments));
        }
        let payload = self.packet.payload_mut().ok_or(ILLEGAL)?;
        payload.attachments.push(attachment);
        self.awaited = self.awaited.saturating_sub(1);
        if self.awaited > 0 {
            return Ok(Err(self));
        }
        if !placeholders_point_to(payload.attachments.len(), &payload.text) {
            return Err(ILLEGAL);
        }
        Ok(Ok(self.packet))
    }
}

pub(super) const ILLEGAL: ProtocolError = ProtocolError::socket("illegal attachments");

/// Every `num` is a plain index below `count`. CVE-2022-2421: anything else reached an array as a property name.
pub(super) fn placeholders_point_to(count: usize, text: &str) -> bool {
    let mut all = true;
    json::placeholders(text, &mut |num| {
        let digits = num.bytes().all(|byte| byte.is_ascii_digit());
        all &= digits && num.parse::<usize>().is_ok_and(|index| index < count);
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    // Placeholders, good and bad, stand in tests/transcripts/socket-binary.txt.

    fn event() -> Packet {
        Packet::Event { nsp: "/".into(), id: None, payload: crate::Text::from(r#"["x"]"#).into() }
    }

    #[test]
    fn bytes_are_bounded() {
        let limits = Limits { max_payload: 10, attachments: 2, ..Limits::default() };
        let push = |sizes: [usize; 2]| {
            let first = Reassembly::new(event(), 2).push(vec![0; sizes[0]].into(), &limits)?;
            first.expect_err("one more is awaited").push(vec![0; sizes[1]].into(), &limits)
        };
        assert!(push([10, 10]).is_ok());
        let error = push([10, 11]).expect_err("21 bytes of 20");
        assert_eq!(error, ProtocolError::socket("attachments too large").over(Limit::Attachments));
    }

    #[test]
    fn only_events_and_acks_have_attachments() {
        let reassembly = Reassembly::new(Packet::Disconnect { nsp: "/".into() }, 1);
        let error = reassembly.push(Bytes::new(), &Limits::default()).expect_err("a disconnect with attachments");
        assert_eq!(error, ProtocolError::socket("illegal attachments"));
    }
}
