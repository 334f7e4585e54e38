//! A list of operations, fed to the session machine as a driver would, with its contract checked after each.
//!
//! The first byte makes the session; then each operation is a byte for the kind and, where it has data, a length and bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrio_protocol::engine::{Frame, Handshake, Revision, Transport};
use ferrio_protocol::session::{Layer, Settings};
use ferrio_protocol::socket::Serializer;
use ferrio_protocol::{Cause, Dialect, Event, Input, Limits, Output, Reason, Session, Text, Via};

pub(crate) fn session(data: &[u8]) {
    let mut script = Script(data);
    let mut driver = Driver::new(Way(script.byte()));
    driver.drain(0);
    while !script.0.is_empty() {
        driver.step(&mut script);
    }
    driver.settle();
}

/// Scripts that play through the life of a session, for each way to make one, with every packet somewhere within a life.
pub(crate) fn seeds(frames: &[Vec<u8>], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let messages = packets.iter().map(|packet| [b"4", packet.as_slice()].concat());
    let data: Vec<_> = frames.iter().cloned().chain(messages).filter(|data| data.len() < 256).collect();
    let mut seeds = Vec::new();
    for way in (0..16).chain(32..48).chain(64..68) {
        let life = life(Way(way));
        seeds.push([&[way][..], &life.concat()].concat());
        for (index, data) in data.iter().enumerate() {
            let mut life = life.clone();
            life.insert(index % life.len(), [with_data(Op::Frame, data), with_data(Op::Payload, data)].concat());
            seeds.push([&[way][..], &life.concat()].concat());
        }
    }
    seeds
}

fn life(way: Way) -> Vec<Vec<u8>> {
    let v3 = way.v3() && !way.client();
    let op = |op: Op| vec![op as u8];
    let receive = |data: &str| match (way.websocket(), v3) {
        (true, _) => with_data(Op::Frame, data.as_bytes()),
        (false, true) => with_data(Op::Payload, format!("{}:{data}", data.len()).as_bytes()),
        (false, false) => with_data(Op::Payload, data.as_bytes()),
    };
    let joined = match way.client() {
        true => {
            let open = r#"0{"sid":"x","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200}"#;
            [receive(open), op(Op::Connect), receive(r#"40{"sid":"y"}"#), op(Op::Poll)]
        }
        false => [op(Op::Poll), if v3 { receive("2") } else { receive("40") }, op(Op::Accept), op(Op::Poll)],
    };
    let talk = [
        receive(r#"42["x"]"#),
        receive(r#"420["x"]"#),
        receive(r#"430["x"]"#),
        receive(r#"451-["x",{"_placeholder":true,"num":0}]"#),
        receive(if v3 { "b4AQID" } else { "bAQID" }),
    ];
    let upgrade = [
        op(Op::Candidate),
        with_data(Op::CandidateFrame, if way.client() { b"3probe" } else { b"2probe" }),
        vec![Op::Wait as u8, 100],
        // The nudge of a server; a client would only lose patience.
        if way.client() || way.websocket() { op(Op::Paused) } else { op(Op::Timeout) },
        with_data(Op::CandidateFrame, b"5"),
        with_data(Op::Frame, br#"42["x"]"#),
    ];
    // Who is pinged and who pings: a v4 server's peer answers `3`, everybody else's sends `2`.
    let beat: &[u8] = if v3 || way.client() { b"2" } else { b"3" };
    let heartbeat = if v3 || way.client() { op(Op::Poll) } else { op(Op::Timeout) };
    let end = [heartbeat, with_data(Op::Frame, beat), with_data(Op::Frame, b"41"), op(Op::Close), op(Op::Poll)];
    [&joined[..], &talk, &upgrade, &end].concat()
}

fn with_data(op: Op, data: &[u8]) -> Vec<u8> {
    let begin: &[u8] = if matches!(op, Op::Payload) { &[Op::PostBegin as u8] } else { &[] };
    let length = u8::try_from(data.len()).expect("data of less than 256 bytes");
    [begin, &[op as u8, length], data].concat()
}

/// The first byte of a script: how its session is made.
#[derive(Clone, Copy)]
struct Way(u8);

impl Way {
    fn websocket(self) -> bool {
        self.0 & 1 != 0
    }

    fn v3(self) -> bool {
        self.0 & 2 != 0
    }

    fn client(self) -> bool {
        self.0 & 4 != 0
    }

    fn python(self) -> bool {
        self.0 & 8 != 0
    }

    fn upgrades(self) -> bool {
        self.0 & 16 == 0
    }

    fn watched(self) -> bool {
        self.0 & 64 != 0
    }

    fn layer(self) -> Layer {
        if self.0 & 32 == 0 { Layer::SocketIo } else { Layer::EngineIo }
    }
}

/// What may happen to a session, by the number that stands for it in a script.
#[derive(Clone, Copy)]
enum Op {
    Frame,
    BinaryFrame,
    CandidateFrame,
    Poll,
    PollAborted,
    PostBegin,
    Payload,
    BinaryPayload,
    PostTooLarge,
    PostAborted,
    Candidate,
    Paused,
    ClosedMain,
    BrokenMain,
    ClosedCandidate,
    Timeout,
    Wait,
    Accept,
    Reject,
    Connect,
    Disconnect,
    Close,
    CloseNow,
}

const OPS: [Op; 23] = [
    Op::Frame,
    Op::BinaryFrame,
    Op::CandidateFrame,
    Op::Poll,
    Op::PollAborted,
    Op::PostBegin,
    Op::Payload,
    Op::BinaryPayload,
    Op::PostTooLarge,
    Op::PostAborted,
    Op::Candidate,
    Op::Paused,
    Op::ClosedMain,
    Op::BrokenMain,
    Op::ClosedCandidate,
    Op::Timeout,
    Op::Wait,
    Op::Accept,
    Op::Reject,
    Op::Connect,
    Op::Disconnect,
    Op::Close,
    Op::CloseNow,
];

/// The rest of the input.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

/// As little of a driver as the contract asks for.
struct Driver {
    session: Session,
    now: Instant,
    deadline: Option<Instant>,
    poll_waiting: bool,
    nsp: Text,
    /// There is no Socket.IO.
    raw: bool,
    closed: bool,
    gone: bool,
}

impl Driver {
    fn new(way: Way) -> Self {
        let now = Instant::now();
        let settings = Arc::new(Settings {
            dialect: if way.python() { Dialect::Python } else { Dialect::Node },
            limits: Limits { namespaces: 4, ..Limits::default() },
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            upgrade_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            close_timeout: Duration::from_secs(1),
            serializer: Serializer::Json,
            allow_upgrades: way.upgrades(),
            layer: way.layer(),
            initial: None,
            watch: way.watched(),
        });
        let transport = if way.websocket() { Transport::WebSocket } else { Transport::Polling };
        let revision = if way.v3() { Revision::V3 } else { Revision::V4 };
        let session = if way.client() {
            Session::client(settings, transport, now)
        } else {
            let handshake = Handshake {
                sid: "x".into(),
                upgrades: vec![Transport::WebSocket],
                ping_interval: settings.ping_interval,
                ping_timeout: settings.ping_timeout,
                max_payload: 1_000_000,
            };
            Session::server(settings, &handshake, revision, transport, now)
        };
        let raw = way.layer() == Layer::EngineIo;
        Self { session, now, deadline: None, poll_waiting: false, nsp: "/".into(), raw, closed: false, gone: false }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let op = OPS[usize::from(script.byte()) % OPS.len()];
        let before = script.0.len();
        match op {
            Op::Frame => self.frame(Via::Main, text(script.bytes())),
            Op::BinaryFrame => self.frame(Via::Main, Frame::Binary(Bytes::copy_from_slice(script.bytes()))),
            Op::CandidateFrame => self.frame(Via::Candidate, text(script.bytes())),
            Op::Poll => self.handle(Input::Poll),
            Op::PollAborted => self.handle(Input::PollAborted),
            Op::PostBegin => self.handle(Input::PostBegin),
            Op::Payload => self.payload(script.bytes(), false),
            Op::BinaryPayload => self.payload(script.bytes(), true),
            Op::PostTooLarge => self.handle(Input::PostTooLarge),
            Op::PostAborted => self.handle(Input::PostAborted),
            Op::Candidate => self.handle(Input::Candidate),
            Op::Paused => self.handle(Input::Paused),
            Op::ClosedMain => self.handle(Input::Closed { via: Via::Main, cause: Cause::Closed }),
            Op::BrokenMain => self.handle(Input::Closed { via: Via::Main, cause: Cause::Error("broken".into()) }),
            Op::ClosedCandidate => self.handle(Input::Closed { via: Via::Candidate, cause: Cause::Closed }),
            Op::Timeout => {
                self.now = self.deadline.unwrap_or(self.now).max(self.now);
                self.handle(Input::Timeout);
            }
            Op::Wait => self.now += Duration::from_millis(u64::from(script.byte())),
            Op::Accept => {
                self.session.accept(&self.nsp, Some("{\"sid\":\"y\"}".into()));
            }
            Op::Reject => {
                self.session.reject(&self.nsp, "\"no\"".into());
            }
            Op::Connect => self.session.connect(self.nsp.clone(), Some("{}".into())),
            Op::Disconnect => {
                self.session.disconnect(&self.nsp, self.now);
            }
            Op::Close => self.session.close(Reason::ServerShuttingDown, false, self.now),
            Op::CloseNow => self.session.close(Reason::ServerNamespaceDisconnect, true, self.now),
        }
        self.drain(before - script.0.len());
    }

    fn frame(&mut self, via: Via, frame: Frame) {
        self.handle(Input::Frame { via, frame });
    }

    fn payload(&mut self, body: &[u8], binary: bool) {
        self.handle(Input::Payload { body: Bytes::copy_from_slice(body), binary });
    }

    fn handle(&mut self, input: Input) {
        let polls = matches!(input, Input::Poll);
        self.session.set_poll_waiting(self.poll_waiting);
        self.session.handle(input, self.now);
        // A GET that is refused or answered in the same turn does not wait; `drain` takes that back.
        self.poll_waiting |= polls;
    }

    /// Does what the session asks for until it waits. An operation with `bytes` of data may cause so many outputs only.
    fn drain(&mut self, bytes: usize) {
        for _ in 0..=16 + 2 * bytes {
            match self.session.poll() {
                Output::Wait(deadline) => {
                    assert!(!self.gone || deadline.is_none(), "a session that is gone waits for nothing");
                    self.deadline = deadline;
                    return;
                }
                Output::Event(event) => self.event(event),
                Output::Send(_) => {
                    assert!(!self.closed, "a packet after the goodbye");
                    self.poll_waiting = false;
                }
                Output::Refuse(_) | Output::Nudge | Output::Switch => self.poll_waiting = false,
                Output::Finish { .. } => self.poll_waiting = false,
                Output::Gone => {
                    assert!(!self.gone, "gone twice");
                    assert!(self.closed, "gone without a word to the application");
                    self.gone = true;
                }
                Output::SendCandidate(_) | Output::DropCandidate | Output::Pause => {}
            }
        }
        panic!("more outputs than {bytes} bytes of input account for");
    }

    fn event(&mut self, event: Event) {
        assert!(!self.closed, "{event:?} after the end");
        match event {
            Event::Connect { nsp, .. } | Event::Message { nsp, .. } => {
                assert!(!self.raw, "a namespace without Socket.IO");
                self.nsp = nsp;
            }
            Event::Closed { .. } => self.closed = true,
            Event::Data(_) => assert!(self.raw, "a message past Socket.IO"),
            Event::Opened(_)
            | Event::Upgraded
            | Event::Packet { .. }
            | Event::ConnectError { .. }
            | Event::Ack { .. }
            | Event::Disconnect { .. }
            | Event::Limit(_)
            | Event::Fault(_) => {}
        }
    }

    /// Nothing comes any more, but the clock runs: every session must end, and none may ask for a time that has passed.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let Some(deadline) = self.deadline else { break };
            self.now = self.now.max(deadline);
            self.handle(Input::Timeout);
            self.drain(0);
            assert!(self.deadline.is_none_or(|next| next > self.now), "a deadline that has passed");
        }
        assert!(self.gone, "a session that nobody talks to lives on");
    }
}

fn text(data: &[u8]) -> Frame {
    Frame::Text(Text::from(&*String::from_utf8_lossy(data)))
}
