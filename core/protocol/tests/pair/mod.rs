//! Two sessions, one fake clock, and a wire between them that delays.
//!
//! The drivers of both sides are as simple as drivers can be: the client keeps one GET waiting and one POST under way, dials
//! a WebSocket when the handshake offers one, and pauses when its session says so. Whatever they exchange takes as long as a
//! seeded generator says, so a test can play thousands of different interleavings and replay any of them by its seed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrio_protocol::engine::{self, Frame, Handshake, Revision, Transport, payload};
use ferrio_protocol::session::{Layer, Settings};
use ferrio_protocol::socket::{Payload, Serializer};
use ferrio_protocol::{Cause, Dialect, Event, Input, Item, Limits, Message, Output, Session, Text, Via};

/// How long things take, from a seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `limit` (xorshift64*).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// Which end of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Something under way between the two.
#[derive(Debug)]
enum Letter {
    Get,
    GetAnswer(Bytes),
    Post(Bytes),
    PostAnswer,
    Dial,
    Dialled,
    Frame(Side, Frame),
    Hangup(Side),
}

/// The pair and all that is between them.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) chance: Chance,
    pub(crate) client: Session,
    pub(crate) server: Session,
    pub(crate) client_events: Vec<Event>,
    pub(crate) server_events: Vec<Event>,
    /// Longest time a letter takes.
    pub(crate) latency: Duration,
    /// The server's letters are lost from here on.
    pub(crate) deaf: bool,
    letters: BTreeMap<(Instant, u64), Letter>,
    next: u64,
    /// Nothing overtakes on one TCP connection: the last arrival of each.
    lanes: [Instant; 6],
    to_client: VecDeque<Item>,
    to_server: VecDeque<Item>,
    get_waiting: bool,
    get_under_way: bool,
    post_under_way: bool,
    pausing: bool,
    paused: bool,
    /// Where the next frame of each side goes, once it has switched.
    pub(crate) gone: [bool; 2],
}

pub(crate) fn settings() -> Settings {
    Settings {
        dialect: Dialect::Node,
        limits: Limits::default(),
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(45),
        close_timeout: Duration::from_secs(30),
        serializer: Serializer::Json,
        allow_upgrades: true,
        layer: Layer::SocketIo,
        initial: None,
        watch: false,
    }
}

impl Pair {
    /// A client that has just sent its handshake on `transport`.
    pub(crate) fn new(transport: Transport, settings: Settings, seed: u64) -> Self {
        let now = Instant::now();
        let settings = Arc::new(settings);
        let handshake = Handshake {
            sid: engine::handshake::session_id([7; 15]),
            upgrades: if settings.allow_upgrades { vec![Transport::WebSocket] } else { Vec::new() },
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
            max_payload: settings.limits.max_payload as u64,
        };
        let mut pair = Self {
            now,
            chance: Chance::new(seed),
            client: Session::client(Arc::clone(&settings), transport, now),
            server: Session::server(settings, &handshake, Revision::V4, transport, now),
            client_events: Vec::new(),
            server_events: Vec::new(),
            latency: Duration::from_millis(80),
            deaf: false,
            letters: BTreeMap::new(),
            next: 0,
            lanes: [now; 6],
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            get_waiting: transport == Transport::Polling,
            get_under_way: transport == Transport::Polling,
            post_under_way: false,
            pausing: false,
            paused: false,
            gone: [false; 2],
        };
        pair.settle();
        pair
    }

    /// Opened, and joined to `nsp`.
    pub(crate) fn joined(transport: Transport, seed: u64, nsp: &'static str) -> Self {
        let mut pair = Self::new(transport, settings(), seed);
        pair.run_until(|pair| pair.client.is_open());
        pair.client.connect(Text::from_static(nsp), None);
        pair.settle();
        pair.run_until(|pair| pair.server_events.iter().any(|event| matches!(event, Event::Connect { .. })));
        assert!(pair.server.accept(&Text::from_static(nsp), Some(Text::from_static(r#"{"sid":"s"}"#))));
        pair.settle();
        pair.run_until(|pair| pair.client.has_joined(nsp));
        pair
    }

    /// Sends a number as a raw message, in binary now and then.
    pub(crate) fn write(&mut self, from: Side, number: u64) {
        let frame = match number.is_multiple_of(3) {
            true => Frame::Binary(Bytes::from(number.to_string())),
            false => Frame::Text(number.to_string().into()),
        };
        self.queue(from, Message::raw([frame]));
    }

    /// The raw numbers that arrived at a side, in order.
    pub(crate) fn raw_numbers(&self, at: Side) -> Vec<u64> {
        self.events(at)
            .iter()
            .filter_map(|event| match event {
                Event::Data(Frame::Text(text)) => text.parse().ok(),
                Event::Data(Frame::Binary(bytes)) => std::str::from_utf8(bytes).ok()?.parse().ok(),
                _ => None,
            })
            .collect()
    }

    /// Sends `["n",number]` with an attachment now and then.
    pub(crate) fn emit(&mut self, from: Side, nsp: &str, number: u64) {
        let attachments =
            if number.is_multiple_of(3) { vec![Bytes::from(number.to_be_bytes().to_vec())] } else { Vec::new() };
        let text = match attachments.len() {
            0 => format!(r#"["n",{number}]"#),
            _ => format!(r#"["n",{number},{{"_placeholder":true,"num":0}}]"#),
        };
        self.queue(
            from,
            [Message::event(&Text::from(nsp), None, Payload { text: text.into(), attachments }, Serializer::Json)],
        );
    }

    fn queue(&mut self, from: Side, messages: impl IntoIterator<Item = Message>) {
        let items = messages.into_iter().map(Item::message);
        match from {
            Side::Client => self.to_server.extend(items),
            Side::Server => self.to_client.extend(items),
        }
        self.settle();
    }

    fn events(&self, at: Side) -> &[Event] {
        match at {
            Side::Client => &self.client_events,
            Side::Server => &self.server_events,
        }
    }

    /// The numbers that arrived at a side, in order.
    pub(crate) fn numbers(&self, at: Side) -> Vec<u64> {
        self.events(at)
            .iter()
            .filter_map(|event| match event {
                Event::Message { payload, .. } => {
                    let values: Vec<serde_json::Value> = serde_json::from_str(&payload.text).expect("JSON");
                    let number = values[1].as_u64().expect("a number");
                    assert_eq!(payload.attachments.len(), usize::from(number.is_multiple_of(3)), "{number}");
                    Some(number)
                }
                _ => None,
            })
            .collect()
    }

    /// Plays on until `done`, or panics when nothing more would happen within an hour.
    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(3600);
        while !done(self) {
            assert!(self.step(end), "nothing more happens:\n{:?}\n{:?}", self.client_events, self.server_events);
        }
    }

    /// Plays on for a while.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// The next letter or deadline before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let letter = self.letters.keys().next().copied();
        let deadlines = [deadline(&mut self.client), deadline(&mut self.server)];
        let timer = deadlines.into_iter().flatten().min();
        let Some(at) = letter.map(|(at, _)| at).into_iter().chain(timer).min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        match letter {
            Some(key) if key.0 <= self.now => {
                let letter = self.letters.remove(&key).expect("it is there");
                self.deliver(letter);
            }
            _ => {
                self.client.handle(Input::Timeout, self.now);
                self.drain(Side::Client);
                self.server.set_poll_waiting(self.get_waiting);
                self.server.handle(Input::Timeout, self.now);
                self.drain(Side::Server);
            }
        }
        self.settle();
        true
    }

    fn deliver(&mut self, letter: Letter) {
        let now = self.now;
        self.server.set_poll_waiting(self.get_waiting);
        match letter {
            Letter::Get => {
                self.server.handle(Input::Poll, now);
                self.get_waiting = self.server.transport() == Transport::Polling;
            }
            Letter::GetAnswer(body) => {
                self.get_under_way = false;
                self.client.handle(Input::Payload { body, binary: false }, now);
            }
            Letter::Post(body) => {
                self.server.handle(Input::PostBegin, now);
                self.server.handle(Input::Payload { body, binary: false }, now);
                self.drain(Side::Server);
                self.send(3, Letter::PostAnswer);
            }
            Letter::PostAnswer => self.post_under_way = false,
            Letter::Dial => {
                self.server.handle(Input::Candidate, now);
                self.send(4, Letter::Dialled);
            }
            Letter::Dialled => self.client.handle(Input::Candidate, now),
            Letter::Frame(to, frame) => {
                let session = match to {
                    Side::Client => &mut self.client,
                    Side::Server => &mut self.server,
                };
                let via = if session.transport() == Transport::WebSocket { Via::Main } else { Via::Candidate };
                session.handle(Input::Frame { via, frame }, now);
            }
            Letter::Hangup(to) => {
                let input = Input::Closed { via: Via::Main, cause: Cause::Closed };
                match to {
                    Side::Client => self.client.handle(input, now),
                    Side::Server => self.server.handle(input, now),
                }
            }
        }
        self.drain(Side::Client);
        self.drain(Side::Server);
    }

    /// Both sides do all they can at this moment.
    pub(crate) fn settle(&mut self) {
        self.drain(Side::Client);
        self.drain(Side::Server);
        if self.client.transport() == Transport::WebSocket {
            self.flush_frames(Side::Client);
        } else {
            self.flush_polling_client();
        }
        if self.server.transport() == Transport::WebSocket {
            self.flush_frames(Side::Server);
        } else if self.get_waiting && !self.to_client.is_empty() {
            let body = encode(self.to_client.drain(..));
            self.answer_get(body);
        }
    }

    fn flush_polling_client(&mut self) {
        if self.pausing && !self.paused && !self.get_under_way && !self.post_under_way {
            self.paused = true;
            self.client.handle(Input::Paused, self.now);
            self.drain(Side::Client);
            self.settle();
            return;
        }
        if self.pausing || self.gone[0] {
            return;
        }
        if !self.get_under_way {
            self.get_under_way = true;
            self.send(0, Letter::Get);
        }
        if !self.post_under_way && !self.to_server.is_empty() {
            self.post_under_way = true;
            let body = encode(self.to_server.drain(..));
            self.send(2, Letter::Post(body));
        }
    }

    fn answer_get(&mut self, body: Bytes) {
        self.get_waiting = false;
        self.send(1, Letter::GetAnswer(body));
    }

    fn flush_frames(&mut self, from: Side) {
        let queue = match from {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        };
        for frame in packets(std::mem::take(queue)).map(|packet| packet.encode(Revision::V4, false)) {
            self.send_frame(from, frame);
        }
    }

    fn send_frame(&mut self, from: Side, frame: Frame) {
        match from {
            Side::Client => self.send(4, Letter::Frame(Side::Server, frame)),
            Side::Server => self.send(5, Letter::Frame(Side::Client, frame)),
        }
    }

    fn drain(&mut self, side: Side) {
        loop {
            let output = match side {
                Side::Client => self.client.poll(),
                Side::Server => self.server.poll(),
            };
            match output {
                Output::Wait(_) => return,
                Output::Send(item) => match side {
                    Side::Client => self.to_server.push_back(item),
                    Side::Server => self.to_client.push_back(item),
                },
                Output::SendCandidate(packet) => self.send_frame(side, packet.encode(Revision::V4, false)),
                Output::Switch if side == Side::Server && self.get_waiting => {
                    self.answer_get(encode([Item::control(engine::Packet::Noop)]));
                }
                Output::Nudge if self.get_waiting && self.to_client.is_empty() => {
                    self.answer_get(encode([Item::control(engine::Packet::Noop)]));
                }
                Output::Pause => self.pausing = true,
                Output::Event(event) => self.event(side, event),
                Output::Finish { end, discard } => self.finish(side, end, discard),
                Output::Gone => self.gone[side as usize] = true,
                Output::Switch | Output::Nudge | Output::DropCandidate | Output::Refuse(_) => {}
            }
        }
    }

    fn event(&mut self, side: Side, event: Event) {
        if let Event::Opened(handshake) = &event
            && handshake.upgrades.contains(&Transport::WebSocket)
            && self.client.transport() == Transport::Polling
        {
            self.send(4, Letter::Dial);
        }
        match side {
            Side::Client => self.client_events.push(event),
            Side::Server => self.server_events.push(event),
        }
    }

    fn finish(&mut self, side: Side, end: engine::Packet, discard: bool) {
        let queue = match side {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        };
        let mut last: Vec<_> = queue.drain(..).filter(|_| !discard).collect();
        let session = match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        if session.transport() == Transport::WebSocket {
            for packet in packets(last) {
                self.send_frame(side, packet.encode(Revision::V4, false));
            }
            match side {
                Side::Client => self.send(4, Letter::Hangup(Side::Server)),
                Side::Server => self.send(5, Letter::Hangup(Side::Client)),
            }
        } else if side == Side::Server && self.get_waiting {
            last.push(Item::control(end));
            self.answer_get(encode(last));
        } else if side == Side::Client {
            last.push(Item::control(end));
            self.send(2, Letter::Post(encode(last)));
        }
    }

    fn send(&mut self, lane: usize, letter: Letter) {
        if self.deaf && matches!(lane, 1 | 3 | 5) {
            return;
        }
        let millis = self.latency.as_millis() as u64;
        let delay = Duration::from_millis(self.chance.below(millis.max(1)));
        let at = (self.now + delay).max(self.lanes[lane]);
        self.lanes[lane] = at;
        self.letters.insert((at, self.next), letter);
        self.next += 1;
    }
}

fn packets(items: impl IntoIterator<Item = Item>) -> impl Iterator<Item = engine::Packet> {
    items.into_iter().flat_map(|item| {
        let mut packets = Vec::new();
        item.packets(|packet| packets.push(packet));
        packets
    })
}

fn encode(items: impl IntoIterator<Item = Item>) -> Bytes {
    let packets: Vec<_> = packets(items).collect();
    payload::encode(&packets, Revision::V4, false).bytes
}

fn deadline(session: &mut Session) -> Option<Instant> {
    match session.poll() {
        Output::Wait(at) => at,
        output => panic!("not drained: {output:?}"),
    }
}
