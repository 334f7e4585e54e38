//! One attempt to connect: its transports in turn, within the time that all of them have.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ferrio_protocol::engine::Transport;
use ferrio_protocol::session::Layer;
use parking_lot::Mutex;

use super::cookies::Cookies;
use super::engine::Engine;
use super::failure::Failure;
use super::http::Http;
use super::options::Options;
use super::target::Target;

/// Under way, by one transport.
pub(super) struct Attempt {
    engine: Box<Engine>,
    until: Option<Instant>,
    /// Not tried yet.
    others: VecDeque<Transport>,
    plan: Box<Plan>,
}

/// What all its transports have in common.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) options: Options,
    pub(super) layer: Layer,
    pub(super) cookies: Arc<Mutex<Cookies>>,
}

impl Attempt {
    /// Begins.
    ///
    /// # Errors
    /// What shows before anything has been sent.
    pub(super) fn begin(plan: Plan) -> Result<Self, Failure> {
        let until = plan.options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let others = plan.options.transports.iter().copied().collect();
        Self::by_first(others, until, Box::new(plan))
    }

    /// Goes on by the next transport: this one ended before it was open.
    ///
    /// # Errors
    /// Why this one did, if there is no other.
    pub(super) fn go_on(self, detail: Option<&str>) -> Result<Self, Failure> {
        let Self { mut engine, until, others, plan } = self;
        let failure = engine.failure(detail);
        if others.is_empty() || !plan.options.try_all_transports {
            return Err(failure);
        }
        tracing::debug!(%failure, "the next transport");
        Self::by_first(others, until, plan)
    }

    fn by_first(mut transports: VecDeque<Transport>, until: Option<Instant>, plan: Box<Plan>) -> Result<Self, Failure> {
        let Plan { target, options, layer, cookies } = &*plan;
        let Some(transport) = transports.pop_front() else {
            return Err(Failure::Url { url: target.place(), why: "no transport is allowed".into() });
        };
        let http = Http::new(target.clone(), options, cookies)?;
        let engine = Box::new(Engine::open(http, transport, options, *layer, Instant::now()));
        Ok(Self { engine, until, others: transports, plan })
    }

    /// When it is time for [`Engine::timeout`], or the attempt [is late](Self::is_late).
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.engine.deadline().into_iter().chain(self.until).min()
    }

    /// Its time is over.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    pub(super) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// It has led to this.
    pub(super) fn opened(self) -> Box<Engine> {
        self.engine
    }
}
