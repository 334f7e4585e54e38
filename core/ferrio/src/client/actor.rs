//! The task of a client: see [`manager`](super::manager). Connecting and coming back are here, namespaces in `members`.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use ferrio_protocol::session::Layer;
use ferrio_protocol::{Backoff, Event, Reason, Text};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::alarm::Alarm;
use super::attempt::{Attempt, Plan};
use super::cookies::Cookies;
use super::engine::{Engine, News};
use super::failure::Failure;
use super::manager::{Order, Shared};
use super::member::{Member, Standing};
use super::observer::Observer;
use super::reason::DisconnectReason;
use super::target::Target;
use super::websocket::fill;

pub(super) struct Actor {
    target: Target,
    pub(super) shared: Arc<Shared>,
    pub(super) observer: Arc<dyn Observer>,
    /// In the order in which they were declared: they are joined in it.
    pub(super) members: Vec<Member>,
    pub(super) phase: Phase,
    backoff: Backoff,
    /// An attempt to come back is waited for, or made.
    reconnecting: bool,
    /// Nobody wants to come back.
    stay_away: bool,
    cookies: Arc<Mutex<Cookies>>,
    /// Time limits of awaited answers.
    pub(super) timers: BTreeMap<(Instant, u64), (Text, u64)>,
    pub(super) next_timer: u64,
    /// Says goodbye to the last server that was left.
    goodbye: Option<JoinHandle<()>>,
}

pub(super) enum Phase {
    Idle,
    Waiting { until: Instant },
    Connecting(Attempt),
    Open(Box<Engine>),
}

impl Phase {
    pub(super) fn engine(&mut self) -> Option<&mut Engine> {
        match self {
            Self::Connecting(attempt) => Some(attempt.engine()),
            Self::Open(engine) => Some(engine),
            Self::Idle | Self::Waiting { .. } => None,
        }
    }
}

impl Actor {
    pub(super) fn new(target: Target, shared: Arc<Shared>, observer: Arc<dyn Observer>) -> Self {
        Self {
            target,
            shared,
            observer,
            members: Vec::new(),
            phase: Phase::Idle,
            backoff: Backoff::new(Duration::ZERO, Duration::ZERO, 0.0),
            reconnecting: false,
            stay_away: false,
            cookies: Arc::default(),
            timers: BTreeMap::new(),
            next_timer: 0,
            goodbye: None,
        }
    }

    /// Runs until the manager is dropped.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let (mut alarm, mut orders) = (Alarm::default(), VecDeque::new());
        loop {
            // A connection that was to be heard of by now is none that anything should be sent on.
            self.strike(Instant::now());
            shared.orders.take(&mut orders);
            while let Some(order) = orders.pop_front() {
                if let Order::Shutdown = order {
                    self.shut_down();
                    return;
                }
                self.carry_out(order);
                self.take_events();
            }
            let buffered = self.phase.engine().map_or(0, |engine| engine.buffered());
            shared.in_link.store(buffered, Ordering::Release);
            let deadline = self.deadline();
            let mut woken = pin!(shared.orders.woken());
            poll_fn(|context| {
                if self.phase.engine().is_some_and(|engine| engine.poll(context).is_ready()) {
                    return Poll::Ready(());
                }
                if shared.orders.poll_woken(woken.as_mut(), context).is_ready() {
                    return Poll::Ready(());
                }
                alarm.poll(deadline, context)
            })
            .await;
            shared.orders.awake();
            self.take_events();
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Declare { nsp, options } => self.declare(nsp, options),
            Order::Join { nsp } => self.join(&nsp),
            Order::Auth { nsp, epoch, auth } => self.authorized(&nsp, epoch, auth),
            Order::Emit { nsp, emit, waiting } => self.emit(&nsp, emit, waiting),
            Order::Ack { nsp, asked, payload } => self.ack(&nsp, asked, payload),
            Order::Leave { nsp } => self.leave(&nsp),
            Order::Forget { nsp } => self.forget(&nsp),
            Order::CloseEngine => self.close_engine(),
            Order::Tell { gone } => match self.goodbye.take() {
                Some(goodbye) => drop(tokio::spawn(async move {
                    let _ = goodbye.await;
                    let _ = gone.send(());
                })),
                None => drop(gone.send(())),
            },
            // `run` does.
            Order::Shutdown => {}
        }
    }

    // Time.

    fn deadline(&mut self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Idle => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Connecting(attempt) => attempt.deadline(),
            Phase::Open(engine) => engine.deadline(),
        };
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        own.into_iter().chain(timer).min()
    }

    fn strike(&mut self, now: Instant) {
        if let Some(engine) = self.phase.engine()
            && engine.deadline().is_some_and(|at| at <= now)
        {
            engine.timeout(now);
            self.take_events();
        }
        match &self.phase {
            Phase::Connecting(attempt) if attempt.is_late(now) => {
                if let Phase::Connecting(mut attempt) = std::mem::replace(&mut self.phase, Phase::Idle) {
                    attempt.engine().close(false, now);
                }
                self.attempt_failed(&Failure::Timeout);
            }
            Phase::Waiting { until } if *until <= now => self.come_back(),
            Phase::Idle | Phase::Waiting { .. } | Phase::Connecting(_) | Phase::Open(_) => {}
        }
        while let Some(timer) = self.timers.first_entry()
            && timer.key().0 <= now
        {
            let (nsp, id) = timer.remove();
            self.timed_out(&nsp, id);
        }
    }

    // Connecting.

    /// A connection is wanted.
    pub(super) fn open(&mut self) {
        self.stay_away = false;
        if matches!(self.phase, Phase::Idle) && !self.reconnecting {
            self.attempt();
        }
    }

    fn attempt(&mut self) {
        let options = self.shared.options.lock().clone();
        let (target, cookies) = (self.target.clone(), Arc::clone(&self.cookies));
        let attempt = Attempt::begin(Plan { target, options, layer: Layer::SocketIo, cookies });
        self.go_on(attempt);
    }

    fn go_on(&mut self, attempt: Result<Attempt, Failure>) {
        match attempt {
            Ok(attempt) => self.phase = Phase::Connecting(attempt),
            Err(failure) => self.attempt_failed(&failure),
        }
    }

    fn attempt_failed(&mut self, failure: &Failure) {
        self.phase = Phase::Idle;
        self.observer.failed(failure);
        for member in self.members.iter().filter(|member| member.is_active()) {
            self.observer.connect_error(&member.nsp, failure);
        }
        if self.reconnecting {
            self.reconnecting = false;
            self.wait_to_come_back();
            self.observer.reconnect_error(failure);
        } else {
            self.wait_to_come_back();
        }
    }

    // Coming back.

    fn wait_to_come_back(&mut self) {
        let options = self.shared.options.lock().clone();
        if !options.reconnection || self.stay_away {
            return;
        }
        let attempts = self.backoff.attempts();
        if options.reconnection_attempts.is_some_and(|most| attempts >= most) {
            self.backoff.reset();
            self.observer.reconnect_failed();
            return;
        }
        let (min, max) = (options.reconnection_delay, options.reconnection_delay_max);
        self.backoff.set(min, max, options.randomization_factor);
        let delay = self.backoff.next(random());
        self.reconnecting = true;
        self.phase = Phase::Waiting { until: Instant::now() + delay };
    }

    fn come_back(&mut self) {
        self.phase = Phase::Idle;
        self.observer.reconnect_attempt(self.backoff.attempts());
        self.attempt();
    }

    // What a connection brings.

    pub(super) fn take_events(&mut self) {
        while let Some(news) = self.phase.engine().and_then(Engine::next_news) {
            match news {
                News::Event(event) => self.event(event),
                News::Upgrading | News::UpgradeFailed(_) => {}
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Opened(handshake) => self.opened(&handshake.sid),
            Event::Upgraded => self.observer.upgraded(),
            Event::Connect { nsp, data } => self.joined(&nsp, data),
            Event::ConnectError { nsp, data } => self.refused(&nsp, &Failure::refused(&data)),
            Event::Message { nsp, id, payload } => self.message(&nsp, id, payload),
            Event::Ack { nsp, id, payload } => self.answered(&nsp, id, payload),
            Event::Disconnect { nsp } => self.thrown_out(&nsp),
            Event::Closed { reason, detail } => self.closed(reason, detail.as_deref()),
            // A fault's consequence is `Closed`; nobody watches; and below Socket.IO there is nobody.
            Event::Fault(_) | Event::Limit(_) | Event::Packet { .. } | Event::Data(_) => {}
        }
    }

    fn opened(&mut self, sid: &Text) {
        let Phase::Connecting(attempt) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let engine = attempt.opened();
        let transport = engine.transport();
        self.phase = Phase::Open(engine);
        let attempt = self.backoff.attempts();
        self.backoff.reset();
        self.observer.opened(sid, transport);
        for index in 0..self.members.len() {
            if self.members[index].standing == Standing::Wanted {
                self.authorize(index);
            }
        }
        if std::mem::take(&mut self.reconnecting) {
            self.observer.reconnected(attempt);
        }
    }

    fn closed(&mut self, reason: Reason, detail: Option<&str>) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Open(engine) => self.lost(engine.reason(reason).into(), detail),
            Phase::Connecting(attempt) => self.go_on(attempt.go_on(detail)),
            Phase::Idle | Phase::Waiting { .. } => {}
        }
    }

    /// The connection is over.
    fn lost(&mut self, reason: DisconnectReason, detail: Option<&str>) {
        for index in 0..self.members.len() {
            self.connection_lost(index, reason, detail);
        }
        self.backoff.reset();
        self.observer.closed(reason, detail);
        self.wait_to_come_back();
    }

    fn close_engine(&mut self) {
        if let Some(engine) = self.phase.engine() {
            engine.close(false, Instant::now());
        }
    }

    /// Ends the connection if nobody needs it any more.
    pub(super) fn close_if_unused(&mut self) {
        if self.members.iter().any(Member::is_active) {
            return;
        }
        self.stay_away = true;
        self.reconnecting = false;
        self.backoff.reset();
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Open(mut engine) => {
                self.goodbye = engine.close(false, Instant::now());
                self.observer.closed(DisconnectReason::ForcedClose, None);
            }
            Phase::Connecting(mut attempt) => self.goodbye = attempt.engine().close(false, Instant::now()),
            Phase::Idle | Phase::Waiting { .. } => {}
        }
    }

    fn shut_down(&mut self) {
        if let Some(engine) = self.phase.engine() {
            engine.close(false, Instant::now());
        }
        for index in 0..self.members.len() {
            self.abandon(index);
        }
    }
}

/// A part of one: for the spread of delays.
fn random() -> f64 {
    let mut bytes = [0; 4];
    fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}
