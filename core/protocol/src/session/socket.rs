//! Socket.IO packets of a session: reassembly, and what a peer may send in which namespace.

use std::time::Instant;

use bytes::Bytes;

use super::namespaces::State as Membership;
use super::{Role, Session};
use crate::engine::Revision;
use crate::error::ProtocolError;
use crate::input::{Event, Output};
use crate::limits::Limit;
use crate::query;
use crate::socket::json::JsonRules;
use crate::socket::{Decoded, Packet, Serializer, msgpack};
use crate::text::Text;

impl Session {
    pub(super) fn text(&mut self, text: &Text, now: Instant) {
        if self.reassembly.is_some() {
            self.fault(ProtocolError::socket("got plaintext data when reconstructing a packet"), now);
            return;
        }
        if self.settings.serializer == Serializer::MsgPack {
            self.fault(ProtocolError::socket("got plaintext data instead of msgpack"), now);
            return;
        }
        match Packet::decode(text, self.json_rules(), &self.settings.limits) {
            Ok(Decoded::Whole(packet)) => self.socket_packet(packet, now),
            // Nobody may store attachments with us before having joined (CVE-2026-48804). A server, on the other hand, may
            // emit before it lets us in, and its event may cross our DISCONNECT.
            Ok(Decoded::Awaiting(reassembly))
                if self.role == Role::Server && !self.has_joined(reassembly.packet().nsp()) =>
            {
                self.stray(now);
            }
            Ok(Decoded::Awaiting(reassembly)) => {
                self.reassembly = Some((Box::new(reassembly), now + self.settings.limits.reassembly));
            }
            Err(error) => self.fault(error, now),
        }
    }

    fn json_rules(&self) -> JsonRules {
        JsonRules { max_depth: self.settings.limits.json_depth, nan_literals: self.settings.dialect.nan_literals() }
    }

    pub(super) fn binary(&mut self, bytes: Bytes, now: Instant) {
        if self.settings.serializer == Serializer::MsgPack {
            match msgpack::decode(&bytes, self.json_rules(), &self.settings.limits) {
                Ok(packet) => self.socket_packet(packet, now),
                Err(error) => self.fault(error, now),
            }
            return;
        }
        let Some((reassembly, until)) = self.reassembly.take() else {
            self.fault(ProtocolError::socket("got binary data when not reconstructing a packet"), now);
            return;
        };
        match reassembly.push(bytes, &self.settings.limits) {
            Ok(Ok(packet)) => self.socket_packet(packet, now),
            Ok(Err(reassembly)) => self.reassembly = Some((Box::new(reassembly), until)),
            Err(error) => self.fault(error, now),
        }
    }

    pub(super) fn socket_packet(&mut self, packet: Packet, now: Instant) {
        let membership = self.namespaces.state(packet.nsp());
        match (packet, membership, self.role) {
            (Packet::Event { nsp, id, payload }, Some(Membership::Joined), _)
            // A server may emit to a client before it lets it in; the client keeps such events until then.
            | (Packet::Event { nsp, id, payload }, Some(Membership::Pending), Role::Client) => {
                self.output(Output::Event(Event::Message { nsp, id, payload }));
            }
            (Packet::Ack { nsp, id, payload }, Some(Membership::Joined), _) => {
                self.output(Output::Event(Event::Ack { nsp, id, payload }));
            }
            (Packet::Disconnect { nsp }, Some(Membership::Joined), _) => {
                self.left(&nsp, now);
                self.output(Output::Event(Event::Disconnect { nsp }));
            }
            (Packet::Connect { nsp, data }, _, Role::Server) => self.asked_to_join(nsp, data, now),
            (Packet::Connect { nsp, data }, Some(Membership::Pending), Role::Client) => {
                self.namespaces.accept(&nsp);
                self.output(Output::Event(Event::Connect { nsp, data }));
            }
            (Packet::ConnectError { nsp, data }, Some(Membership::Pending), Role::Client) => {
                self.namespaces.remove(&nsp, Membership::Pending);
                self.output(Output::Event(Event::ConnectError { nsp, data }));
            }
            (Packet::ConnectError { .. }, _, Role::Server) => self.violation("CONNECT_ERROR from a client", now),
            (Packet::Event { .. } | Packet::Ack { .. } | Packet::Disconnect { .. }, _, Role::Server) => self.stray(now),
            // A server's packet for a namespace we have left crossed our DISCONNECT.
            (
                Packet::Event { .. }
                | Packet::Ack { .. }
                | Packet::Disconnect { .. }
                | Packet::Connect { .. }
                | Packet::ConnectError { .. },
                _,
                Role::Client,
            ) => {}
        }
    }

    pub(super) fn asked_to_join(&mut self, nsp: Text, data: Option<Text>, now: Instant) {
        let (nsp, data) = match (nsp.split_once('?'), self.revision) {
            (Some((name, query)), Revision::V3) => (nsp.slice_of(name), Some(query_object(query))),
            (Some((name, _)), Revision::V4) if self.settings.dialect.cuts_namespace_query() => {
                (nsp.slice_of(name), data)
            }
            _ => (nsp, data),
        };
        if self.namespaces.state(&nsp).is_some() {
            self.violation("second CONNECT for a namespace", now);
        } else if self.namespaces.len() >= self.settings.limits.namespaces {
            self.struck(Limit::Namespaces);
            self.violation("too many namespaces", now);
        } else {
            self.namespaces.ask(nsp.clone());
            self.output(Output::Event(Event::Connect { nsp, data }));
        }
    }

    /// A packet for a namespace that the client has not joined.
    pub(super) fn stray(&mut self, now: Instant) {
        if !self.settings.dialect.ignores_stray_packets() {
            self.violation("packet for a namespace that was not joined", now);
        }
    }
}

/// The query of a Socket.IO v4 namespace, as the auth object it amounts to. Last value wins.
fn query_object(query: &str) -> Text {
    let object: serde_json::Map<String, serde_json::Value> =
        query::pairs(query).map(|(key, value)| (key.into_owned(), value.into())).collect();
    Text::from(serde_json::Value::Object(object).to_string())
}
