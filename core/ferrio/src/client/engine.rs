//! One connection: the session's machine, and the transports that it is driven by.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ferrio_protocol::engine::{Frame, Transport};
use ferrio_protocol::message::Item;
use ferrio_protocol::session::{Layer, Settings};
use ferrio_protocol::socket::{Payload, Serializer};
use ferrio_protocol::{Cause, Dialect, Event, Fault, Input, Message, Output, Reason, Session, Text, Via};

use tokio::task::JoinHandle;

use super::failure::Failure;
use super::http::Http;
use super::link::{Happening, Link};
use super::options::Options;

/// One connection, until its end.
pub(super) struct Engine {
    session: Session,
    link: Link,
    news: VecDeque<News>,
    deadline: Option<Instant>,
    /// Whether to leave polling, and how long that may take.
    upgrade: Option<Duration>,
    /// The server broke the protocol of Socket.IO.
    faulty: bool,
    serializer: Serializer,
}

/// What an [`Engine`] has to tell.
pub(super) enum News {
    /// Of the session.
    Event(Event),
    /// The server has answered on a WebSocket beside polling: what follows goes over it as soon as polling stands still.
    Upgrading,
    /// Polling goes on, for this reason.
    UpgradeFailed(Cow<'static, str>),
}

/// A connection gives others their turn after so many of its packets.
const BURST: usize = 64;

impl Engine {
    pub(super) fn open(http: Http, transport: Transport, options: &Options, layer: Layer, now: Instant) -> Self {
        // A long time, not an infinite one: the clock must be able to add it up.
        let forever = Duration::from_secs(365 * 24 * 3600);
        let settings = Settings {
            dialect: Dialect::Node,
            limits: options.limits.clone(),
            ping_interval: forever,
            ping_timeout: forever,
            upgrade_timeout: options.upgrade_timeout.min(forever),
            // Whoever made the attempt watches the time: it began before there was a session.
            connect_timeout: forever,
            close_timeout: Duration::ZERO,
            allow_upgrades: options.upgrade,
            layer,
            serializer: options.serializer,
            initial: None,
            watch: false,
        };
        let upgrade = options.upgrade && options.transports.contains(&Transport::WebSocket);
        let mut engine = Self {
            session: Session::client(Arc::new(settings), transport, now),
            link: Link::open(Arc::new(http), transport),
            news: VecDeque::new(),
            deadline: None,
            upgrade: upgrade.then_some(options.upgrade_timeout),
            faulty: false,
            serializer: options.serializer,
        };
        engine.pump();
        engine
    }

    pub(super) fn transport(&self) -> Transport {
        self.session.transport()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Bytes that wait to be sent.
    pub(super) fn buffered(&self) -> usize {
        self.link.buffered()
    }

    /// See [`Link::is_writable`].
    pub(super) fn is_writable(&self) -> bool {
        self.session.is_open() && self.link.is_writable()
    }

    /// Queues an event; polling sends it.
    pub(super) fn send_event(&mut self, nsp: &Text, id: Option<u64>, payload: Payload) {
        self.send(&Item::message(Message::event(nsp, id, payload, self.serializer)));
    }

    /// Queues an answer.
    pub(super) fn send_ack(&mut self, nsp: &Text, id: u64, payload: Payload) {
        self.send(&Item::message(Message::ack(nsp, id, payload, self.serializer)));
    }

    /// Queues messages that are none of Socket.IO's.
    pub(super) fn send_raw(&mut self, data: Vec<Frame>) {
        for message in Message::raw(data) {
            self.send(&Item::message(message));
        }
    }

    fn send(&mut self, item: &Item) {
        if self.session.is_watched() {
            let Self { news, .. } = self;
            item.packets(|packet| news.push_back(News::Event(Event::Packet { sent: true, packet })));
        }
        self.link.send(item);
    }

    /// Whether each packet is told, too: see [`Session::watch`].
    pub(super) fn watch(&mut self, on: bool) {
        self.session.watch(on);
    }

    /// Asks the machine for something.
    pub(super) fn drive<R>(&mut self, ask: impl FnOnce(&mut Session) -> R) -> R {
        let result = ask(&mut self.session);
        self.pump();
        result
    }

    /// Ends it; what waits is sent first, by the task that is given back, or dropped.
    pub(super) fn close(&mut self, discard: bool, now: Instant) -> Option<JoinHandle<()>> {
        self.drive(|session| session.close(Reason::ForcedClose, discard, now));
        self.goodbye()
    }

    /// The task that sees the connection off, once it has ended.
    pub(super) fn goodbye(&mut self) -> Option<JoinHandle<()>> {
        self.link.goodbye.take()
    }

    /// What happened.
    pub(super) fn next_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Why it ended: a fault of the server's is its packets', whatever the session did about it.
    pub(super) fn reason(&self, reason: Reason) -> Reason {
        if self.faulty { Reason::ParseError } else { reason }
    }

    /// The status of the answer that it broke over, if it was one.
    pub(super) fn broken_by(&self) -> Option<u16> {
        match self.link.failure {
            Some(Failure::Status { status, .. }) => Some(status),
            _ => None,
        }
    }

    /// Why it never opened.
    pub(super) fn failure(&mut self, detail: Option<&str>) -> Failure {
        let transport = self.session.transport();
        self.link.failure.take().unwrap_or_else(|| {
            Failure::transport(transport, detail.unwrap_or("the server closed the connection before its handshake"))
        })
    }

    /// Ready when something has happened. Writes what waits, too.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..BURST {
            match self.link.poll(context) {
                Poll::Ready(happening) => self.happened(happening),
                Poll::Pending if self.news.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    /// Writes what waits and reads nothing. Ready when something has happened.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.link.poll_write(context) {
            Poll::Ready(happening) => {
                self.happened(happening);
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The deadline has come.
    pub(super) fn timeout(&mut self, now: Instant) {
        self.drive(|session| session.handle(Input::Timeout, now));
    }

    fn happened(&mut self, happening: Happening) {
        let input = match happening {
            Happening::Frame(via, frame) => Input::Frame { via, frame },
            Happening::Payload(body) => Input::Payload { body, binary: false },
            Happening::Candidate => Input::Candidate,
            Happening::Paused => Input::Paused,
            Happening::Closed(via, cause) => {
                if let Cause::Error(error) = &cause {
                    tracing::debug!(%error, ?via, "a transport broke");
                }
                if via == Via::Candidate {
                    self.news.push_back(News::UpgradeFailed(match &cause {
                        Cause::Error(error) | Cause::Slow(error) => error.clone(),
                        Cause::Closed => "the server closed the WebSocket".into(),
                    }));
                }
                Input::Closed { via, cause }
            }
        };
        self.drive(|session| session.handle(input, Instant::now()));
    }

    fn pump(&mut self) {
        loop {
            match self.session.poll() {
                Output::Send(item) => self.link.send(&item),
                Output::SendCandidate(packet) => self.link.send_candidate(&packet),
                Output::Switch => self.link.switch(),
                Output::DropCandidate => {
                    self.link.drop_candidate();
                    // Of a session that ends, nobody wants to know it.
                    if self.session.is_open() {
                        self.news.push_back(News::UpgradeFailed("the server did not answer the probe".into()));
                    }
                }
                Output::Pause => {
                    self.link.pause();
                    self.news.push_back(News::Upgrading);
                }
                Output::Finish { end, discard } => self.link.finish(&end, discard),
                Output::Event(event) => self.event(event),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                // A server's affairs; and an end that `Closed` has told already.
                Output::Nudge | Output::Refuse(_) | Output::Gone => {}
            }
        }
    }

    fn event(&mut self, event: Event) {
        match &event {
            Event::Opened(handshake) => {
                self.link.opened(handshake.sid.clone(), handshake.max_payload);
                if let Some(timeout) = self.upgrade
                    && handshake.upgrades.contains(&Transport::WebSocket)
                    && self.session.transport() == Transport::Polling
                {
                    self.link.probe(timeout);
                }
            }
            Event::Fault(error) => {
                tracing::debug!(%error, "the server broke the protocol");
                self.faulty |= error.fault == Fault::Socket;
            }
            Event::Limit(_)
            | Event::Upgraded
            | Event::Connect { .. }
            | Event::ConnectError { .. }
            | Event::Message { .. }
            | Event::Ack { .. }
            | Event::Disconnect { .. }
            | Event::Data(_)
            | Event::Packet { .. }
            | Event::Closed { .. } => {}
        }
        self.news.push_back(News::Event(event));
    }
}
