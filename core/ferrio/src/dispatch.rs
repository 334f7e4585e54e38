//! From an event to its handlers.

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use smallvec::SmallVec;

use crate::extract::{Context, Incoming, Joined};
use crate::handler::{Answer, Called, Contained, Run, call};
use crate::listeners::{Gathered, List};
use crate::peer::Socket;
use crate::reply::{Asker, Pledge};
use crate::router::Shared;

/// What has begun and is not done.
pub(crate) type Pending = SmallVec<[Contained<()>; 1]>;

/// An event came in: calls who listens.
pub(crate) fn event(socket: &Socket, id: Option<u64>, payload: Payload) -> Pending {
    let life = socket.life();
    let name = event_name(&payload);
    let (mut any, mut on) = (Gathered::new(), Gathered::new());
    life.space.each(|space| space.listeners.gather(&name, &mut any, &mut on));
    if let Some(own) = life.has_own() {
        own.listeners.gather(&name, &mut any, &mut on);
    }
    let mut pending = Pending::new();
    if any.is_empty() && on.is_empty() {
        tracing::trace!(event = %name, "nobody listens");
        return pending;
    }
    let pledge = id.map(|id| Pledge::new(Asker::Client(socket.clone(), id)));
    let incoming = Incoming { socket: socket.clone(), name, payload, pledge };
    for entry in any.iter().flat_map(List::entries).filter(|entry| entry.claim()) {
        // What a catch-all returns is no answer: the event may have listeners.
        run(entry.run.as_ref(), &incoming, &incoming.name, drop::<Answer>, &mut pending);
    }
    for entry in on.iter().flat_map(List::entries).filter(|entry| entry.claim()) {
        if entry.spent.is_some() {
            // Only sockets have listeners for a single call.
            life.own().listeners.remove(entry.id);
        }
        let pledge = incoming.pledge.clone();
        let settle = move |answer| {
            if let Some(pledge) = pledge {
                pledge.settle(answer);
            }
        };
        run(entry.run.as_ref(), &incoming, &incoming.name, settle, &mut pending);
    }
    pending
}

/// Shows an event that goes out to a socket to those who listen for that.
pub(crate) fn outgoing(socket: &Socket, payload: &Payload) {
    let life = socket.life();
    let mut lists = Gathered::new();
    life.space.each(|space| space.listeners.gather_outgoing(&mut lists));
    if let Some(own) = life.has_own() {
        own.listeners.gather_outgoing(&mut lists);
    }
    if lists.is_empty() {
        return;
    }
    let (name, payload) = (event_name(payload), payload.clone());
    let outgoing = Incoming { socket: socket.clone(), name, payload, pledge: None };
    let mut pending = Pending::new();
    for entry in lists.iter().flat_map(List::entries) {
        run(entry.run.as_ref(), &outgoing, &outgoing.name, drop::<Answer>, &mut pending);
    }
    pending.into_iter().for_each(|future| spawn(&life.shared, future));
}

/// The name of an event: shared with the payload's text wherever it has no escapes.
pub(crate) fn event_name(payload: &Payload) -> Text {
    let raw = payload.raw_event_name();
    match raw.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(name) if !name.contains('\\') => payload.text.slice_of(name),
        // A lone surrogate, say, has no UTF-8: such a name is like no other.
        Some(_) => serde_json::from_str::<String>(raw).unwrap_or_default().into(),
        None => payload.text.slice_of(raw),
    }
}

/// Calls a handler; what it comes to goes to `done`, now or later.
pub(crate) fn run<C: Context>(
    handler: &dyn Run<C>,
    context: &C,
    what: &str,
    done: impl FnOnce(C::Output) + Send + 'static,
    pending: &mut Pending,
) {
    let shared = &context.socket().life().shared;
    match call(handler, context, &shared.runtime) {
        Called::Done(output) => done(output),
        Called::Mismatch(mismatch) => {
            tracing::debug!(event = what, socket = context.socket().id(), %mismatch, "a handler cannot be called");
        }
        Called::Panicked(panic) => panicked(context, what, &panic),
        Called::Pending(future) => {
            let (socket, what) = (context.socket().clone(), what.to_owned());
            pending.push(Contained::new(Box::pin(async move {
                match future.await {
                    Ok(output) => done(output),
                    Err(panic) => panicked(&Joined { socket }, &what, &panic),
                }
            })));
        }
    }
}

/// Lets a task finish what has begun.
pub(crate) fn spawn(shared: &Shared, future: Contained<()>) {
    shared.runtime.spawn(future);
}

pub(crate) fn panicked(context: &impl Context, what: &str, panic: &str) {
    let socket = context.socket();
    tracing::error!(
        handler = what,
        namespace = socket.namespace_name(),
        socket = socket.id(),
        panic,
        "a handler panicked"
    );
}
