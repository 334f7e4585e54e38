//! Engine.IO packets of a session: payloads, heartbeat, the open packet, and the way to a WebSocket.

use std::time::Instant;

use bytes::Bytes;

use super::heartbeat::Heartbeat;
use super::upgrade::Upgrade;
use super::{Layer, Role, Session, State};
use crate::engine::{self, Frame, Handshake, Revision, Transport, payload};
use crate::input::{Event, Output};
use crate::reason::Reason;
use crate::text::Text;

impl Session {
    pub(super) fn payload(&mut self, body: Bytes, binary: bool, now: Instant) {
        self.post_open = false;
        if binary && self.revision == Revision::V4 && self.settings.dialect.checks_content_type() {
            self.output(Output::Refuse(400));
            self.fail(Reason::TransportError, Some("invalid content".into()));
            return;
        }
        let (packets, end) =
            payload::decode(body, self.revision, binary && self.revision == Revision::V3, &self.settings.limits);
        for packet in packets {
            // A packet may have ended the session; the rest of the payload is nobody's then.
            if !matches!(self.state, State::Opening { .. } | State::Open) {
                return;
            }
            self.packet(packet, now);
        }
        if let Err(error) = end
            && matches!(self.state, State::Opening { .. } | State::Open)
        {
            self.malformed(error);
        }
    }

    pub(super) fn packet(&mut self, packet: engine::Packet, now: Instant) {
        if let State::Opening { .. } = self.state {
            match packet {
                engine::Packet::Open(text) => self.opened(&text, now),
                _ => self.fail(Reason::ParseError, Some("the server's first packet is no handshake".into())),
            }
            return;
        }
        if self.watched {
            self.output(Output::Event(Event::Packet { sent: false, packet: packet.clone() }));
        }
        if !matches!(packet, engine::Packet::Pong(_))
            && let Some(heartbeat) = &mut self.heartbeat
        {
            heartbeat.sign_of_life(now);
        }
        // Who pings depends on revision and role: v4 servers ping, v3 clients ping.
        let peer_pings = (self.revision == Revision::V4) == (self.role == Role::Client);
        match packet {
            engine::Packet::Message(text) if self.layer == Layer::EngineIo => self.data(Frame::Text(text)),
            engine::Packet::Binary(bytes) if self.layer == Layer::EngineIo => self.data(Frame::Binary(bytes)),
            engine::Packet::Message(text) => self.text(&text, now),
            engine::Packet::Binary(bytes) => self.binary(bytes, now),
            engine::Packet::Ping(_) if peer_pings => self.control(engine::Packet::Pong(Text::default())),
            engine::Packet::Pong(_) if !peer_pings => {
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.pong(now);
                }
            }
            engine::Packet::Ping(_) | engine::Packet::Open(_) | engine::Packet::Noop
                if self.role == Role::Server && self.settings.dialect.refuses_posted_control_packets() =>
            {
                if self.transport == Transport::Polling {
                    self.output(Output::Refuse(400));
                    self.fail(Reason::TransportError, Some("a packet that only servers send".into()));
                }
            }
            engine::Packet::Ping(_) | engine::Packet::Pong(_) => {
                self.fail(Reason::TransportError, Some("invalid heartbeat direction".into()));
            }
            engine::Packet::Close => {
                let heeded = self.transport == Transport::Polling
                    || self.role == Role::Client
                    || self.settings.dialect.close_packet_closes_websocket();
                if heeded {
                    let reason = self.settings.dialect.close_packet_reason();
                    let detail = (self.role == Role::Client).then(|| "transport closed by the server".into());
                    self.end(reason, detail, engine::Packet::Noop, true);
                }
            }
            engine::Packet::Open(_) | engine::Packet::Upgrade | engine::Packet::Noop => {}
        }
    }

    /// A message of a session without Socket.IO.
    fn data(&mut self, data: Frame) {
        self.output(Output::Event(Event::Data(data)));
    }

    pub(super) fn opened(&mut self, text: &Text, now: Instant) {
        match Handshake::decode(text) {
            Ok(handshake) => {
                self.state = State::Open;
                self.heartbeat = Some(Heartbeat::listening(handshake.ping_interval, handshake.ping_timeout, now));
                self.output(Output::Event(Event::Opened(handshake)));
            }
            Err(error) => self.fail(Reason::ParseError, Some(error.message)),
        }
    }

    // The upgrade.

    pub(super) fn candidate_opened(&mut self, now: Instant) {
        if !self.welcomes_candidate() {
            self.output(Output::Refuse(400));
            return;
        }
        self.upgrade = Upgrade::Opened { until: now + self.settings.upgrade_timeout };
        if self.role == Role::Client {
            self.output(Output::SendCandidate(engine::Packet::Ping(PROBE)));
        }
    }

    pub(super) fn candidate_frame(&mut self, frame: Frame, now: Instant) {
        if !self.upgrade.is_under_way() {
            return;
        }
        match (self.role, engine::Packet::decode(frame, self.revision)) {
            (Role::Server, Ok(engine::Packet::Ping(data))) if data == PROBE => {
                self.upgrade.probed(now);
                self.output(Output::SendCandidate(engine::Packet::Pong(PROBE)));
            }
            (Role::Server, Ok(engine::Packet::Upgrade))
                if self.upgrade.is_probed() || !self.settings.dialect.upgrade_needs_probe() =>
            {
                self.switch();
            }
            (Role::Client, Ok(engine::Packet::Pong(data))) if data == PROBE => {
                self.upgrade.pausing();
                self.output(Output::Pause);
            }
            _ => self.upgrade_failed(true),
        }
    }

    pub(super) fn paused(&mut self) {
        if self.role == Role::Client && self.upgrade.is_under_way() {
            self.output(Output::SendCandidate(engine::Packet::Upgrade));
            self.switch();
        }
    }

    pub(super) fn switch(&mut self) {
        self.upgrade = Upgrade::Done;
        self.transport = Transport::WebSocket;
        self.poll_waiting = false;
        self.output(Output::Switch);
        self.output(Output::Event(Event::Upgraded));
    }

    pub(super) fn upgrade_failed(&mut self, drop_candidate: bool) {
        if self.upgrade.is_under_way() {
            self.upgrade = Upgrade::Never;
            if drop_candidate {
                self.output(Output::DropCandidate);
            }
        }
    }
}

/// What a client says on a candidate, and a server answers.
const PROBE: Text = Text::from_static("probe");
