//! The task of a [`Connection`](super::connection::Connection): what owns it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use ferrio_protocol::engine::{Handshake, Transport};
use ferrio_protocol::session::Layer;
use ferrio_protocol::{Event, Reason, Text};
use tokio::task::JoinHandle;

use super::alarm::Alarm;
use super::attempt::{Attempt, Plan};
use super::connection::{Happening, Listener, Order, Shared, State};
use super::engine::{Engine, News};
use super::failure::Failure;
use super::options::Options;
use super::target::Target;

/// See the module.
pub(super) struct Driver {
    shared: Arc<Shared>,
    listener: Arc<dyn Listener>,
    phase: Phase,
    watched: bool,
    held: bool,
    /// The last round did not read: what has come meanwhile is to be seen before the clock is.
    stalled: bool,
    /// Something waited to be sent.
    waited: bool,
    /// Namespaces that were left before the server had let us in.
    unwanted: Vec<Text>,
    told: State,
    goodbye: Option<JoinHandle<()>>,
}

enum Phase {
    Idle,
    Connecting(Attempt),
    Open(Box<Engine>),
    Over,
}

impl Phase {
    fn engine(&mut self) -> Option<&mut Engine> {
        match self {
            Self::Connecting(attempt) => Some(attempt.engine()),
            Self::Open(engine) => Some(engine),
            Self::Idle | Self::Over => None,
        }
    }
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, listener: Arc<dyn Listener>) -> Self {
        Self {
            shared,
            listener,
            phase: Phase::Idle,
            watched: false,
            held: false,
            stalled: false,
            waited: false,
            unwanted: Vec::new(),
            told: State::default(),
            goodbye: None,
        }
    }

    /// Runs until the connection is gone.
    pub(super) async fn run(mut self, target: Result<Target, Failure>, options: Box<Options>, layer: Layer) {
        let plan = target.map(|target| Plan { target, options: *options, layer, cookies: Arc::default() });
        self.go_on(plan.and_then(Attempt::begin), None);
        self.carry_on().await;
        if let Some(goodbye) = self.goodbye.take() {
            // Whether it came to an end or was cut: there is no more to say.
            let _ = goodbye.await;
        }
        self.listener.gone();
    }

    async fn carry_on(&mut self) {
        let shared = Arc::clone(&self.shared);
        let (mut alarm, mut orders) = (Alarm::default(), VecDeque::new());
        loop {
            if !self.stalled {
                self.strike(Instant::now());
            }
            shared.orders.take(&mut orders);
            while let Some(order) = orders.pop_front() {
                self.carry_out(order);
                self.take_news();
            }
            if let Phase::Over = self.phase {
                return;
            }
            let reads = !matches!(self.phase, Phase::Open(_)) || (!self.held && !self.listener.is_full());
            let deadline = if reads { self.deadline() } else { None };
            let mut woken = pin!(shared.orders.woken());
            poll_fn(|context| {
                let polled = self.poll(context, reads);
                self.tell_state();
                if polled.is_ready() || shared.orders.poll_woken(woken.as_mut(), context).is_ready() {
                    return Poll::Ready(());
                }
                alarm.poll(deadline, context)
            })
            .await;
            shared.orders.awake();
            self.stalled = !reads;
            self.take_news();
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, reads: bool) -> Poll<()> {
        match self.phase.engine() {
            Some(engine) if reads => engine.poll(context),
            Some(engine) => engine.poll_write(context),
            None => Poll::Pending,
        }
    }

    fn tell_state(&mut self) {
        let Phase::Open(engine) = &self.phase else { return };
        let (in_link, writable, transport) = (engine.buffered(), engine.is_writable(), Some(engine.transport()));
        self.tell(State { in_link, writable, transport });
        let shared = &self.shared;
        if !writable || shared.announced.load(Ordering::SeqCst) > 0 {
            self.waited = true;
        } else if shared.asked.load(Ordering::SeqCst) || (self.waited && self.watched) {
            shared.asked.store(false, Ordering::SeqCst);
            self.waited = false;
            self.listener.hear(Happening::Drain);
        }
    }

    fn tell(&mut self, state: State) {
        if state != self.told {
            self.told = state;
            self.shared.set_state(state);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Connecting(attempt) => attempt.deadline(),
            Phase::Open(engine) => engine.deadline(),
            Phase::Idle | Phase::Over => None,
        }
    }

    fn strike(&mut self, now: Instant) {
        if let Some(engine) = self.phase.engine()
            && engine.deadline().is_some_and(|at| at <= now)
        {
            engine.timeout(now);
            self.take_news();
        }
        if let Phase::Connecting(attempt) = &mut self.phase
            && attempt.is_late(now)
        {
            let transport = attempt.engine().transport();
            attempt.engine().close(false, now);
            self.fail(Some(transport), Failure::Timeout);
        }
    }

    fn carry_out(&mut self, order: Order) {
        match (order, &mut self.phase) {
            (Order::Watch(on), phase) => {
                self.watched = on;
                if let Some(engine) = phase.engine() {
                    engine.watch(on);
                }
            }
            (Order::Hold(on), _) => self.held = on,
            (Order::HangUp { discard }, Phase::Open(engine)) => {
                self.goodbye = engine.close(discard, Instant::now());
            }
            (Order::HangUp { .. }, Phase::Connecting(attempt)) => {
                let transport = attempt.engine().transport();
                self.goodbye = attempt.engine().close(true, Instant::now());
                self.fail(Some(transport), Failure::Disconnected);
            }
            (Order::HangUp { .. }, Phase::Idle) => self.fail(None, Failure::Disconnected),
            (Order::Join { nsp, auth }, Phase::Open(engine)) => {
                self.unwanted.retain(|unwanted| *unwanted != nsp);
                engine.drive(|session| session.connect(nsp, auth));
            }
            (Order::Leave { nsp }, Phase::Open(engine)) => {
                if !engine.drive(|session| session.disconnect(&nsp, Instant::now())) && !self.unwanted.contains(&nsp) {
                    self.unwanted.push(nsp);
                }
            }
            (Order::Emit { nsp, id, payload, volatile, .. }, Phase::Open(engine)) => {
                if !volatile || can_leave(engine) {
                    engine.send_event(&nsp, id, payload);
                }
            }
            (Order::Ack { nsp, id, payload, .. }, Phase::Open(engine)) => engine.send_ack(&nsp, id, payload),
            (Order::Write { data, volatile, .. }, Phase::Open(engine)) => {
                if !volatile || can_leave(engine) {
                    engine.send_raw(data);
                }
            }
            (
                Order::Join { .. }
                | Order::Leave { .. }
                | Order::Emit { .. }
                | Order::Ack { .. }
                | Order::Write { .. }
                | Order::HangUp { .. },
                Phase::Idle | Phase::Connecting(_) | Phase::Over,
            ) => {}
        }
    }

    fn take_news(&mut self) {
        while let Some(news) = self.phase.engine().and_then(Engine::next_news) {
            match news {
                News::Event(event) => self.event(event),
                News::Upgrading => self.listener.hear(Happening::Upgrading),
                News::UpgradeFailed(why) => self.listener.hear(Happening::UpgradeFailed(why)),
            }
        }
    }

    fn event(&mut self, event: Event) {
        let happening = match event {
            Event::Opened(handshake) => return self.open(handshake),
            Event::Closed { reason, detail } => return self.closed(reason, detail),
            // `Closed` follows, and tells.
            Event::Fault(_) | Event::Limit(_) => return,
            Event::Upgraded => Happening::Upgraded,
            Event::Connect { nsp, .. } if self.takes_unwanted(&nsp) => {
                if let Phase::Open(engine) = &mut self.phase {
                    engine.drive(|session| session.disconnect(&nsp, Instant::now()));
                }
                return;
            }
            Event::ConnectError { nsp, .. } if self.takes_unwanted(&nsp) => return,
            Event::Connect { nsp, data } => Happening::Joined { nsp, data },
            Event::ConnectError { nsp, data } => Happening::Refused { nsp, data },
            Event::Message { nsp, id, payload } => Happening::Message { nsp, id, payload },
            Event::Ack { nsp, id, payload } => Happening::Ack { nsp, id, payload },
            Event::Disconnect { nsp } => Happening::Left { nsp },
            Event::Data(data) => Happening::Data(data),
            Event::Packet { sent, packet } => Happening::Packet { sent, packet },
        };
        self.listener.hear(happening);
    }

    /// The server answers, and nobody wants to know any more.
    fn takes_unwanted(&mut self, nsp: &Text) -> bool {
        let index = self.unwanted.iter().position(|unwanted| unwanted == nsp);
        index.map(|index| self.unwanted.swap_remove(index)).is_some()
    }

    fn open(&mut self, handshake: Handshake) {
        let Phase::Connecting(attempt) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let mut engine = attempt.opened();
        engine.watch(self.watched);
        let transport = engine.transport();
        self.phase = Phase::Open(engine);
        // Whoever hears of it may ask at once. Whoever has asked before was told that it is not open.
        self.shared.asked.store(false, Ordering::SeqCst);
        self.tell_state();
        self.listener.hear(Happening::Opened { handshake, transport });
    }

    fn go_on(&mut self, attempt: Result<Attempt, Failure>, transport: Option<Transport>) {
        match attempt {
            Ok(mut attempt) => {
                attempt.engine().watch(self.watched);
                self.phase = Phase::Connecting(attempt);
            }
            Err(failure) => self.fail(transport, failure),
        }
    }

    fn closed(&mut self, reason: Reason, detail: Option<Cow<'static, str>>) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Open(mut engine) => {
                self.goodbye = engine.goodbye().or_else(|| self.goodbye.take());
                let status = engine.broken_by();
                self.end(Happening::Closed { reason: engine.reason(reason), detail, status });
            }
            Phase::Connecting(mut attempt) => {
                let transport = attempt.engine().transport();
                self.go_on(attempt.go_on(detail.as_deref()), Some(transport));
            }
            Phase::Idle | Phase::Over => {}
        }
    }

    fn fail(&mut self, transport: Option<Transport>, failure: Failure) {
        self.end(Happening::Failed { transport, failure });
    }

    fn end(&mut self, happening: Happening) {
        self.phase = Phase::Over;
        self.tell(State::default());
        // What is ordered from now on is nobody's, and must not hold what it is counted in.
        self.shared.orders.close();
        self.listener.hear(happening);
    }
}

/// Whether what is sent now leaves now: to be asked, what was sent just before has to be gone.
fn can_leave(engine: &mut Engine) -> bool {
    if !engine.is_writable() {
        // The task polls again before it sleeps, and is the one that is woken then.
        let _ = engine.poll_write(&mut Context::from_waker(Waker::noop()));
    }
    engine.is_writable()
}

/// A task that panics, or whose runtime ends, leaves nobody waiting.
impl Drop for Driver {
    fn drop(&mut self) {
        match self.phase {
            Phase::Over => {}
            Phase::Open(_) => self.end(Happening::Closed { reason: Reason::ForcedClose, detail: None, status: None }),
            Phase::Idle | Phase::Connecting(_) => self.fail(None, Failure::Disconnected),
        }
    }
}
