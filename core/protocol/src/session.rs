//! The machine for one peer: what may happen next, and what follows from it. No I/O, no clock, either role.
//!
//! ```text
//!   client only        Open packet            close(), violation           transport ended,
//!   ┌─────────┐ ─────────────────▶ ┌──────┐ ────────────────▶ ┌─────────┐   or closeTimeout   ┌────────┐
//!   │ Opening │                    │ Open │                   │ Closing │ ──────────────────▶ │ Closed │
//!   └─────────┘ ───no handshake──┐ └──────┘ ─────fail()──────┐└─────────┘                     └────────┘
//!                                └───────────────────────────┴────────────────────────────────────▲
//! ```
//!
//! To drive it: call one method (`handle`, `accept`, `disconnect`…), then [`Session::poll`] until it says
//! [`Output::Wait`]; do what each output asks before the next call. Every transition of the drawing is in this file, and
//! so are transports, time and endings. What packets mean is in `engine.rs` and `socket.rs` below; heartbeat, upgrade and
//! namespaces have machines of their own beside them.

mod engine;
mod heartbeat;
mod namespaces;
mod socket;
mod upgrade;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::heartbeat::{Beat, Heartbeat};
use self::namespaces::{Namespaces, State as Membership};
use self::upgrade::Upgrade;
use crate::dialect::Dialect;
use crate::engine::{Handshake, Packet as EnginePacket, Revision, Transport};
use crate::error::{Fault, ProtocolError};
use crate::input::{Cause, Event, Input, Output, Via};
use crate::limits::{Limit, Limits};
use crate::message::{Item, Message};
use crate::reason::Reason;
use crate::socket::{Packet, Reassembly, Serializer};
use crate::text::Text;

/// What all sessions of a server (or all connections of a client) have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose answers we give.
    pub dialect: Dialect,
    /// What packets are on the wire.
    pub serializer: Serializer,
    /// What a peer may cost.
    pub limits: Limits,
    /// Time between heartbeats.
    pub ping_interval: Duration,
    /// Time a heartbeat may go unanswered.
    pub ping_timeout: Duration,
    /// Time for an upgrade, from the candidate's opening to `5`.
    pub upgrade_timeout: Duration,
    /// Server: time to join a first namespace, or another after the last was left. Client: time for the handshake.
    pub connect_timeout: Duration,
    /// Time a closing session waits for its transport.
    pub close_timeout: Duration,
    /// Whether polling may be left for a WebSocket.
    pub allow_upgrades: bool,
    /// What stands above Engine.IO.
    pub layer: Layer,
    /// Server: what every client is sent right behind the open packet.
    pub initial: Option<Arc<Message>>,
    /// Server: sessions are [watched](Session::watch) from the beginning.
    pub watch: bool,
}

/// What the messages of a session are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// Socket.IO packets.
    #[default]
    SocketIo,
    /// The application's own affair: there are no namespaces, each message is an [`Event::Data`].
    EngineIo,
}

/// One peer.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    role: Role,
    /// As it was when the session opened.
    layer: Layer,
    watched: bool,
    revision: Revision,
    transport: Transport,
    state: State,
    heartbeat: Option<Heartbeat>,
    upgrade: Upgrade,
    namespaces: Namespaces,
    /// Server: a namespace must be joined by then. Armed by the handshake, and again when the last one is left: a client that
    /// wants nothing any more has no claim to a connection.
    connect_by: Option<Instant>,
    /// A packet whose attachments are under way, and until when.
    reassembly: Option<(Box<Reassembly>, Instant)>,
    /// A GET waits for packets; the driver says so.
    poll_waiting: bool,
    /// A POST's body is under way.
    post_open: bool,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening { until: Instant },
    Open,
    Closing { until: Instant },
    Closed,
}

impl Session {
    /// The server's side of a session that a handshake request just opened. The first output is the open packet.
    pub fn server(
        settings: Arc<Settings>,
        handshake: &Handshake,
        revision: Revision,
        transport: Transport,
        now: Instant,
    ) -> Self {
        let (interval, timeout) = (settings.ping_interval, settings.ping_timeout);
        let heartbeat = match revision {
            Revision::V4 => Heartbeat::pinging(interval, timeout, now),
            Revision::V3 => Heartbeat::listening(interval, timeout, now),
        };
        let open = EnginePacket::Open(handshake.encode(settings.dialect));
        let connect_by = now + settings.connect_timeout;
        let (initial, watched) = (settings.initial.clone(), settings.watch);
        let mut session = Self::new(settings, Role::Server, revision, transport, State::Open);
        session.heartbeat = Some(heartbeat);
        session.output(Output::Send(Item::control(open)));
        session.outputs.extend(initial.map(|initial| Output::Send(Item::shared(initial))));
        session.watched = watched;
        if session.layer == Layer::EngineIo {
            return session;
        }
        session.connect_by = Some(connect_by);
        if revision == Revision::V3 {
            // A Socket.IO v4 client is in "/" without asking.
            session.asked_to_join(Text::from_static("/"), None, now);
        }
        session
    }

    /// The client's side: waits for the server's open packet.
    pub fn client(settings: Arc<Settings>, transport: Transport, now: Instant) -> Self {
        let until = now + settings.connect_timeout;
        Self::new(settings, Role::Client, Revision::V4, transport, State::Opening { until })
    }

    fn new(settings: Arc<Settings>, role: Role, revision: Revision, transport: Transport, state: State) -> Self {
        Self {
            layer: settings.layer,
            watched: false,
            settings,
            role,
            revision,
            transport,
            state,
            heartbeat: None,
            upgrade: Upgrade::default(),
            namespaces: Namespaces::default(),
            connect_by: None,
            reassembly: None,
            poll_waiting: false,
            post_open: false,
            outputs: VecDeque::new(),
        }
    }

    /// The revision of the handshake.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What its messages are.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The transport in use.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Neither closing nor closed (nor, on a client, still opening).
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// A namespace is joined.
    pub fn has_joined(&self, nsp: &str) -> bool {
        self.namespaces.state(nsp) == Some(Membership::Joined)
    }

    /// A WebSocket may open beside polling: [`Input::Candidate`] would not be refused.
    pub fn welcomes_candidate(&self) -> bool {
        self.transport == Transport::Polling
            && self.upgrade.is_never()
            && self.settings.allow_upgrades
            && self.state == State::Open
    }

    /// Whether every packet received or made becomes an [`Event::Packet`], those of a candidate excepted. A server's open
    /// packet, and what follows it as [`Settings::initial`], are made before anybody can watch.
    pub fn watch(&mut self, on: bool) {
        self.watched = on;
    }

    /// See [`Self::watch`].
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// Server: other settings from now on. A time limit that runs keeps its end, and the session its layer.
    pub fn configure(&mut self, settings: Arc<Settings>) {
        if let (Role::Server, Some(heartbeat)) = (self.role, &mut self.heartbeat) {
            heartbeat.set_times(settings.ping_interval, settings.ping_timeout);
        }
        self.settings = settings;
    }

    /// The driver has not been listening to the peer, so that its silence means nothing: said before [`Input::Timeout`]. With
    /// `once` it does again, since a moment ago, which excuses a peer once.
    pub fn excuse(&mut self, once: bool, now: Instant) {
        if let (State::Open, Some(heartbeat)) = (self.state, &mut self.heartbeat) {
            heartbeat.excuse(once, now);
        }
    }

    /// The driver says, before [`Self::handle`], whether a GET waits for packets.
    pub fn set_poll_waiting(&mut self, waiting: bool) {
        self.poll_waiting = waiting;
    }

    /// Something happened at `now`.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match self.state {
            State::Opening { .. } | State::Open => self.handle_open(input, now),
            State::Closing { until } => self.handle_closing(input, now, until),
            State::Closed => match input {
                Input::Poll | Input::PostBegin | Input::PostTooLarge | Input::Candidate => {
                    self.output(Output::Refuse(400))
                }
                Input::Frame { .. }
                | Input::PollAborted
                | Input::Payload { .. }
                | Input::PostAborted
                | Input::Paused
                | Input::Closed { .. }
                | Input::Timeout => {}
            },
        }
    }

    /// The next thing to do before the next call, if there is one: for drivers that have several inputs at hand, and call
    /// [`Self::poll`] once they are through.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.next_output() {
            return output;
        }
        // An idle session holds no buffer.
        if self.outputs.capacity() > 0 {
            self.outputs = VecDeque::new();
        }
        Output::Wait(self.deadline())
    }

    // What the application asks for.

    /// Server: lets a client into a namespace it asked for. `data` is the object of the answer (`{"sid":…}`); a Socket.IO v4
    /// client gets none. False if it does not ask any more.
    pub fn accept(&mut self, nsp: &Text, data: Option<Text>) -> bool {
        if !self.is_open() || !self.namespaces.accept(nsp) {
            return false;
        }
        self.connect_by = None;
        let data = data.filter(|_| self.revision == Revision::V4);
        self.send(Packet::Connect { nsp: nsp.clone(), data });
        true
    }

    /// Server: refuses. `data` is JSON text. False if the client does not ask any more.
    pub fn reject(&mut self, nsp: &Text, data: Text) -> bool {
        if !self.is_open() || !self.namespaces.remove(nsp, Membership::Pending) {
            return false;
        }
        self.send(Packet::ConnectError { nsp: nsp.clone(), data });
        true
    }

    /// Client: asks to join.
    pub fn connect(&mut self, nsp: Text, auth: Option<Text>) {
        if self.is_open() && self.namespaces.state(&nsp).is_none() {
            self.send(Packet::Connect { nsp: nsp.clone(), data: auth });
            self.namespaces.ask(nsp);
        }
    }

    /// Leaves a namespace (client), or makes the peer leave it (server). False if it had not joined.
    pub fn disconnect(&mut self, nsp: &Text, now: Instant) -> bool {
        if !self.is_open() || !self.left(nsp, now) {
            return false;
        }
        self.send(Packet::Disconnect { nsp: nsp.clone() });
        true
    }

    /// A namespace is joined no more; false if it was not.
    fn left(&mut self, nsp: &Text, now: Instant) -> bool {
        let left = self.namespaces.remove(nsp, Membership::Joined);
        if left && self.role == Role::Server && self.namespaces.none_joined() {
            self.connect_by = Some(now + self.settings.connect_timeout);
        }
        left
    }

    /// Ends the session: sends what is queued first, or drops it.
    pub fn close(&mut self, reason: Reason, discard: bool, now: Instant) {
        match self.state {
            State::Opening { .. } => self.fail(reason, None),
            State::Open => self.finish(reason, None, discard, now),
            // Impatient now.
            State::Closing { .. } if discard => self.gone(),
            State::Closing { .. } | State::Closed => {}
        }
    }

    /// As [`Self::close`], with more about why.
    pub fn close_for(&mut self, reason: Reason, detail: Option<Cow<'static, str>>, discard: bool, now: Instant) {
        if self.state == State::Open {
            self.finish(reason, detail, discard, now);
        } else {
            self.close(reason, discard, now);
        }
    }

    /// Why a server's close happens: the originals tell apart whether the transport closes at once.
    pub fn forced(&self) -> Reason {
        if self.transport == Transport::WebSocket || self.poll_waiting {
            Reason::ForcedClose
        } else {
            Reason::ForcedServerClose
        }
    }

    // Transports.

    fn handle_open(&mut self, input: Input, now: Instant) {
        match input {
            Input::Frame { via: Via::Main, frame } => match EnginePacket::decode(frame, self.revision) {
                Ok(packet) => self.packet(packet, now),
                Err(error) => self.malformed(error),
            },
            Input::Frame { via: Via::Candidate, frame } => self.candidate_frame(frame, now),
            Input::Poll if self.transport != Transport::Polling => self.output(Output::Refuse(400)),
            Input::Poll if self.poll_waiting => {
                self.output(Output::Refuse(400));
                self.fail(Reason::TransportError, Some("overlap from client".into()));
            }
            Input::Poll => {}
            Input::PollAborted => {
                self.fail(Reason::TransportError, Some("poll connection closed prematurely".into()));
            }
            Input::PostBegin if self.post_open => {
                self.output(Output::Refuse(400));
                self.fail(Reason::TransportError, Some("data request overlap from client".into()));
            }
            Input::PostBegin => self.post_open = true,
            Input::PostAborted => {
                self.post_open = false;
                self.fail(Reason::TransportError, Some("data request connection closed prematurely".into()));
            }
            Input::PostTooLarge => {
                self.post_open = false;
                self.struck(Limit::MaxPayload);
                if self.settings.dialect.oversize_post_ends_session() {
                    self.output(Output::Refuse(400));
                    self.fail(Reason::TransportError, Some("POST body over the limit".into()));
                } else {
                    self.output(Output::Refuse(413));
                }
            }
            Input::Payload { body, binary } => self.payload(body, binary, now),
            Input::Candidate => self.candidate_opened(now),
            Input::Paused => self.paused(),
            Input::Closed { via: Via::Main, cause } => {
                let (reason, detail) = match cause {
                    Cause::Closed => (Reason::TransportClose, None),
                    Cause::Error(detail) => (self.settings.dialect.broken_transport_reason(), Some(detail)),
                    Cause::Slow(detail) => (Reason::SlowConsumer, Some(detail)),
                };
                self.fail(reason, detail);
            }
            // Aborts only the upgrade; polling lives on.
            Input::Closed { via: Via::Candidate, .. } => self.upgrade_failed(false),
            Input::Timeout => self.timeout(now),
        }
    }

    /// Packets are ignored now. What matters is that the goodbye goes out.
    fn handle_closing(&mut self, input: Input, now: Instant, until: Instant) {
        match input {
            Input::Closed { via: Via::Main, .. } | Input::PollAborted => self.gone(),
            Input::Timeout if now >= until => self.gone(),
            Input::Poll if self.poll_waiting || self.transport != Transport::Polling => {
                self.output(Output::Refuse(400))
            }
            Input::Poll => {}
            Input::PostTooLarge => self.output(Output::Refuse(413)),
            Input::Candidate => self.output(Output::Refuse(400)),
            Input::Frame { .. }
            | Input::PostBegin
            | Input::Payload { .. }
            | Input::PostAborted
            | Input::Paused
            | Input::Closed { via: Via::Candidate, .. }
            | Input::Timeout => {}
        }
    }

    // Time.

    fn timeout(&mut self, now: Instant) {
        if let State::Opening { until } = self.state
            && now >= until
        {
            self.fail(Reason::TransportError, Some("no handshake in time".into()));
            return;
        }
        if self.connect_by.is_some_and(|at| now >= at) {
            self.connect_by = None;
            if self.namespaces.none_joined() {
                self.struck(Limit::ConnectTimeout);
                self.violation("no namespace joined in time", now);
                return;
            }
        }
        if self.reassembly.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.fault(
                ProtocolError::socket("announced attachments did not arrive in time").over(Limit::Reassembly),
                now,
            );
            return;
        }
        if self.upgrade.expired(now) {
            self.struck(Limit::UpgradeTimeout);
            self.upgrade_failed(true);
        }
        if self.upgrade.nudge(now) {
            self.output(Output::Nudge);
        }
        match self.heartbeat.as_mut().map_or(Beat::Nothing, |heartbeat| heartbeat.tick(now)) {
            Beat::Nothing => {}
            Beat::Ping => self.control(EnginePacket::Ping(Text::default())),
            Beat::Dead => {
                self.struck(Limit::PingTimeout);
                self.fail(Reason::PingTimeout, None);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Opening { until } | State::Closing { until } => Some(until),
            State::Closed => None,
            State::Open => [
                self.heartbeat.as_ref().map(Heartbeat::deadline),
                self.upgrade.deadline(),
                self.connect_by,
                self.reassembly.as_ref().map(|(_, until)| *until),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    // Endings.

    /// A malformed Socket.IO packet (or, from a payload decoder below, Engine.IO packet).
    fn fault(&mut self, error: ProtocolError, now: Instant) {
        let reason = match error.fault {
            Fault::Engine => Reason::ParseError,
            Fault::Socket => Reason::ForcedClose,
        };
        let detail = error.message.clone();
        error.limit.into_iter().for_each(|limit| self.struck(limit));
        self.output(Output::Event(Event::Fault(error)));
        self.finish(reason, Some(detail), false, now);
    }

    /// What came is no Engine.IO packet.
    fn malformed(&mut self, error: ProtocolError) {
        error.limit.into_iter().for_each(|limit| self.struck(limit));
        self.fail(Reason::ParseError, Some(error.message));
    }

    fn struck(&mut self, limit: Limit) {
        self.output(Output::Event(Event::Limit(limit)));
    }

    /// Well-formed, but not allowed now.
    fn violation(&mut self, detail: &'static str, now: Instant) {
        let reason = self.forced();
        self.finish(reason, Some(detail.into()), false, now);
    }

    /// The application hears it now; the transport lives until the queue is out.
    fn finish(&mut self, reason: Reason, detail: Option<Cow<'static, str>>, discard: bool, now: Instant) {
        self.forget();
        // The reference's heart goes on beating: a client that is not there does not keep a closing session.
        let dead_at = self.heartbeat.as_ref().map(Heartbeat::dead_at);
        let until = now + self.settings.close_timeout;
        // However late the clock is, the goodbye gets a moment to go out.
        let until = dead_at.map_or(until, |at| at.min(until)).max(now + GOODBYE);
        self.state = State::Closing { until };
        self.output(Output::Event(Event::Closed { reason, detail }));
        self.output(Output::Finish { end: EnginePacket::Close, discard });
    }

    /// Everything ends at once.
    fn fail(&mut self, reason: Reason, detail: Option<Cow<'static, str>>) {
        self.end(reason, detail, EnginePacket::Close, true);
    }

    fn end(&mut self, reason: Reason, detail: Option<Cow<'static, str>>, end: EnginePacket, discard: bool) {
        self.output(Output::Event(Event::Closed { reason, detail }));
        self.output(Output::Finish { end, discard });
        self.gone();
    }

    fn gone(&mut self) {
        self.forget();
        self.state = State::Closed;
        self.output(Output::Gone);
    }

    /// What a closing session needs no more.
    fn forget(&mut self) {
        self.upgrade_failed(true);
        self.reassembly = None;
        self.namespaces = Namespaces::default();
    }

    // Small helpers.

    fn send(&mut self, packet: Packet) {
        self.queue(Item::message(Message::new(packet, self.settings.serializer)));
    }

    fn control(&mut self, packet: EnginePacket) {
        self.queue(Item::control(packet));
    }

    fn queue(&mut self, item: Item) {
        if self.watched {
            item.packets(|packet| self.outputs.push_back(Output::Event(Event::Packet { sent: true, packet })));
        }
        self.output(Output::Send(item));
    }

    fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}

/// The least time a closing session has for its last words.
const GOODBYE: Duration = Duration::from_millis(10);
