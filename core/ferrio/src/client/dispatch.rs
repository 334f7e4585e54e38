//! From what happens to a client to the handlers of a Rust program.

use std::collections::HashMap;
use std::sync::Arc;

use ferrio_protocol::Text;
use ferrio_protocol::engine::Transport;
use ferrio_protocol::socket::Payload;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;

use super::failure::Failure;
use super::handle::Client;
use super::manager::{Asked, AuthReply};
use super::observer::Observer;
use super::occasions::{Connected, Incoming, Left, NotConnected};
use super::reason::DisconnectReason;
use super::space::{AuthSource, Space};
use crate::dispatch::event_name;
use crate::extract::Occasion;
use crate::handler::{Answer, Called, Run, call};
use crate::listeners::List;
use crate::reply::{Asker, Pledge};

/// The program's side of a client.
pub(super) struct Dispatcher {
    pub(super) runtime: Handle,
    pub(super) spaces: RwLock<HashMap<Text, Arc<Space>>>,
    pub(super) hooks: Hooks,
    /// Of the open connection.
    pub(super) transport: Mutex<Option<Transport>>,
}

/// What is told about the connection itself.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) reconnect_attempt: Vec<Box<NumberHook>>,
    pub(super) reconnect: Vec<Box<NumberHook>>,
    pub(super) reconnect_error: Vec<Box<FailureHook>>,
    pub(super) reconnect_failed: Vec<Box<Hook>>,
    pub(super) upgrade: Vec<Box<Hook>>,
}

type Hook = dyn Fn() + Send + Sync;
type NumberHook = dyn Fn(u32) + Send + Sync;
type FailureHook = dyn Fn(&Failure) + Send + Sync;

impl Dispatcher {
    fn space(&self, nsp: &Text) -> Option<(Arc<Space>, Client)> {
        let space = self.spaces.read().get(nsp).cloned()?;
        let inner = space.client.lock().upgrade()?;
        Some((space, Client::from_inner(inner)))
    }

    fn run_all<C: Occasion<Output = Answer>>(&self, list: &List<C>, occasion: &C, what: &str) {
        for entry in list.entries().iter().filter(|entry| entry.claim()) {
            self.run(entry.run.as_ref(), occasion, what, drop::<Answer>);
        }
    }

    /// Calls a handler; what it comes to goes to `done`, now or later.
    fn run<C: Occasion>(
        &self,
        handler: &dyn Run<C>,
        occasion: &C,
        what: &str,
        done: impl FnOnce(C::Output) + Send + 'static,
    ) {
        match call(handler, occasion, &self.runtime) {
            Called::Done(output) => done(output),
            Called::Mismatch(mismatch) => tracing::debug!(event = what, %mismatch, "a handler cannot be called"),
            Called::Panicked(panic) => tracing::error!(handler = what, panic, "a handler panicked"),
            Called::Pending(future) => {
                let what = what.to_owned();
                self.runtime.spawn(async move {
                    match future.await {
                        Ok(output) => done(output),
                        Err(panic) => tracing::error!(handler = what, panic, "a handler panicked"),
                    }
                });
            }
        }
    }

    /// A hook is the program's, and may panic.
    fn hook<F: ?Sized>(&self, hooks: &[Box<F>], call: impl Fn(&F)) {
        for hook in hooks {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(hook))).is_err() {
                tracing::error!("a handler of the connection panicked");
            }
        }
    }
}

impl Observer for Dispatcher {
    fn opened(&self, _: &Text, transport: Transport) {
        *self.transport.lock() = Some(transport);
    }

    fn upgraded(&self) {
        *self.transport.lock() = Some(Transport::WebSocket);
        self.hook(&self.hooks.upgrade, |hook| hook());
    }

    fn closed(&self, _: DisconnectReason, _: Option<&str>) {
        *self.transport.lock() = None;
    }

    fn reconnect_attempt(&self, attempt: u32) {
        self.hook(&self.hooks.reconnect_attempt, |hook| hook(attempt));
    }

    fn reconnected(&self, attempt: u32) {
        self.hook(&self.hooks.reconnect, |hook| hook(attempt));
    }

    fn reconnect_error(&self, failure: &Failure) {
        self.hook(&self.hooks.reconnect_error, |hook| hook(failure));
    }

    fn reconnect_failed(&self) {
        for space in self.spaces.read().values() {
            space.status.lock().active = false;
        }
        self.hook(&self.hooks.reconnect_failed, |hook| hook());
    }

    fn auth(&self, nsp: &Text, reply: AuthReply) {
        let Some(space) = self.spaces.read().get(nsp).cloned() else { return };
        match &space.auth {
            AuthSource::None => reply.give(None),
            AuthSource::Value(Ok(auth)) => reply.give(Some(auth.clone())),
            AuthSource::Value(Err(why)) => reply.fail(why.clone()),
            AuthSource::Function(function) => {
                let auth = std::panic::catch_unwind(std::panic::AssertUnwindSafe(function));
                let Ok(auth) = auth else { return reply.fail("its function panicked") };
                // Should it panic later on, the reply is dropped with it, and that is an answer, too.
                self.runtime.spawn(async move {
                    match auth.await {
                        Ok(auth) => reply.give(Some(auth)),
                        Err(why) => reply.fail(why),
                    }
                });
            }
        }
    }

    fn joined(&self, nsp: &Text, sid: &Text, recovered: bool) {
        let Some(space) = self.spaces.read().get(nsp).cloned() else { return };
        let mut status = space.status.lock();
        (status.id, status.recovered, status.active) = (Some(sid.clone()), recovered, true);
    }

    fn connect(&self, nsp: &Text) {
        let Some((space, client)) = self.space(nsp) else { return };
        let list = space.table.read().connect.clone();
        self.run_all(&list, &Connected { client }, "connect");
        if let Some(first) = space.first.lock().take() {
            let _ = first.send(Ok(()));
        }
    }

    fn connect_error(&self, nsp: &Text, failure: &Failure) {
        let Some((space, client)) = self.space(nsp) else { return };
        if matches!(failure, Failure::Refused { .. } | Failure::Auth { .. }) {
            space.status.lock().active = false;
        }
        let list = space.table.read().connect_error.clone();
        self.run_all(&list, &NotConnected { client, failure: failure.clone() }, "connect_error");
        if let Some(first) = space.first.lock().take() {
            let _ = first.send(Err(failure.clone()));
        }
    }

    fn message(&self, nsp: &Text, asked: Option<Asked>, payload: Payload) {
        let Some((space, client)) = self.space(nsp) else { return };
        let name = event_name(&payload);
        let (any, on) = {
            let table = space.table.read();
            (table.any.clone(), table.events.get(&*name).cloned().unwrap_or_default())
        };
        if any.is_empty() && on.is_empty() {
            tracing::trace!(event = %name, "nobody listens");
            return;
        }
        let pledge = asked.map(|asked| Pledge::new(Asker::Server(client.clone(), asked)));
        let incoming = Incoming { client, name, payload, pledge };
        self.run_all(&any, &incoming, &incoming.name);
        for entry in on.entries().iter().filter(|entry| entry.claim()) {
            if entry.spent.is_some() {
                let removed = space.table.write().remove(entry.id);
                drop(removed);
            }
            let pledge = incoming.pledge.clone();
            self.run(entry.run.as_ref(), &incoming, &incoming.name, move |answer| {
                if let Some(pledge) = pledge {
                    pledge.settle(answer);
                }
            });
        }
    }

    fn outgoing(&self, nsp: &Text, payload: &Payload) {
        let Some(space) = self.spaces.read().get(nsp).cloned() else { return };
        let list = space.table.read().outgoing.clone();
        if list.is_empty() {
            return;
        }
        let Some(inner) = space.client.lock().upgrade() else { return };
        let client = Client::from_inner(inner);
        let outgoing = Incoming { client, name: event_name(payload), payload: payload.clone(), pledge: None };
        self.run_all(&list, &outgoing, &outgoing.name);
    }

    fn disconnect(&self, nsp: &Text, was_joined: bool, reason: DisconnectReason, detail: Option<&str>) {
        let Some(space) = self.spaces.read().get(nsp).cloned() else { return };
        {
            let mut status = space.status.lock();
            status.id = None;
            status.active = reason.is_temporary();
        }
        let Some((space, client)) = self.space(nsp).filter(|_| was_joined) else { return };
        let list = space.table.read().disconnect.clone();
        self.run_all(&list, &Left { client, reason, detail: detail.map(str::to_owned) }, "disconnect");
    }
}
