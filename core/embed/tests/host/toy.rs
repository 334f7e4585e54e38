//! The host.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrio_embed::{AckId, AckRequest, Command, ConnId, Engine, Event, Flags, SocketId, Target, Wake};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use parking_lot::{Condvar, Mutex};

use crate::client::Client;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A host with one engine and one thread.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) bell: Arc<Bell>,
    events: VecDeque<Event>,
    last_number: u64,
}

/// What a host sleeps on.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
    /// Whoever rings while a test holds it stands still.
    pub(crate) hold: Mutex<()>,
}

#[derive(Default)]
struct Rung {
    now: bool,
    times: usize,
}

impl Bell {
    /// How often it was rung in all.
    pub(crate) fn times(&self) -> usize {
        self.rung.lock().times
    }

    /// Sleeps until it is rung; false when it was not for a long time.
    pub(crate) fn wait(&self) -> bool {
        self.wait_for(PATIENCE)
    }

    pub(crate) fn wait_for(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut rung = self.rung.lock();
        while !rung.now {
            if self.changed.wait_until(&mut rung, until).timed_out() {
                return false;
            }
        }
        rung.now = false;
        true
    }
}

impl Wake for Bell {
    fn wake(&self) {
        let _held = self.hold.lock();
        let mut rung = self.rung.lock();
        rung.now = true;
        rung.times += 1;
        self.changed.notify_one();
    }
}

impl Host {
    /// With `FERRIO_TEST_IO_THREADS` threads, if that is set.
    pub(crate) fn start(options: &str) -> Self {
        let bell = Arc::new(Bell::default());
        let mut options: serde_json::Value = serde_json::from_str(options).unwrap();
        if let Some(threads) = std::env::var("FERRIO_TEST_IO_THREADS").ok().and_then(|n| n.parse::<usize>().ok()) {
            options["ioThreads"] = threads.into();
        }
        let engine = Engine::start(&options.to_string(), Arc::clone(&bell) as _).unwrap();
        Self { engine, bell, events: VecDeque::new(), last_number: 0 }
    }

    /// With an own port.
    pub(crate) fn serve(options: &str) -> (Self, SocketAddr) {
        let host = Self::start(options);
        let address = host.engine.listen("127.0.0.1:0", None, None, None).unwrap();
        (host, address)
    }

    pub(crate) fn submit(&self, commands: impl IntoIterator<Item = Command>) {
        self.engine.submit(commands.into_iter().collect());
    }

    /// The next event; waits for it as a host does: drains until there is nothing, then sleeps.
    pub(crate) fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let mut batch = Vec::new();
            if self.engine.drain(&mut batch, 100, 64 << 10) {
                self.events.extend(batch);
            } else {
                assert!(self.bell.wait(), "no event came");
            }
        }
    }

    /// Nothing has happened that the host does not know yet. (It may still happen.)
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut batch = Vec::new();
        while self.engine.drain(&mut batch, 100, 64 << 10) {}
        self.events.extend(batch);
        self.events.is_empty()
    }

    /// A number for a request, a link or an ack.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A client over a WebSocket, let in to `/`.
    pub(crate) fn client(&mut self, address: SocketAddr) -> (Client, SocketId, ConnId) {
        let mut client = Client::websocket(address);
        client.send("40");
        let Event::Open { conn, .. } = self.next() else { panic!("no open") };
        let socket = self.connected();
        self.submit([Command::Accept { socket }]);
        let accepted = client.text();
        assert!(accepted.starts_with(r#"40{"sid":""#), "{accepted}");
        (client, socket, conn)
    }

    /// The next event: a socket that asks.
    pub(crate) fn connected(&mut self) -> SocketId {
        match self.next() {
            Event::Connect { socket, .. } => socket,
            other => panic!("no connect, but {other:?}"),
        }
    }

    /// The next event: a message, its text.
    pub(crate) fn message(&mut self) -> (SocketId, String) {
        match self.next() {
            Event::Message { socket, payload, .. } => (socket, payload.text.to_string()),
            other => panic!("no message, but {other:?}"),
        }
    }
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload { text: Text::from(text), attachments: Vec::new() }
}

pub(crate) fn emit(target: Target, text: &str) -> Command {
    let flags = Flags { compress: true, ..Flags::default() };
    Command::Emit { target, payload: payload(text), flags, ack: None }
}

pub(crate) fn ask(target: Target, text: &str, ack: u64, timeout: Option<u64>) -> Command {
    let ack = AckRequest { ack: AckId(ack), timeout: timeout.map(Duration::from_millis) };
    Command::Emit { target, payload: payload(text), flags: Flags::default(), ack: Some(ack) }
}

pub(crate) fn rooms(rooms: &[&str], except: &[&str]) -> Target {
    let texts = |names: &[&str]| names.iter().map(|name| Text::from(*name)).collect();
    Target::Rooms { nsp: Text::from_static("/"), rooms: texts(rooms), except: texts(except) }
}

pub(crate) fn join(socket: SocketId, rooms: &[&str]) -> Command {
    Command::Join { socket, rooms: rooms.iter().map(|room| Text::from(*room)).collect() }
}
