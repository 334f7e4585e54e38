//! Who listens to what: of one socket, or of all sockets of a namespace.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::extract::{Incoming, Left, Occasion};
use crate::handler::{Erased, Handler, Run};

/// Names one listener, to take it away by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

/// Handlers in the order they were added.
pub(crate) struct List<C>(Option<Arc<[Entry<C>]>>);

/// One of them.
pub(crate) struct Entry<C> {
    pub(crate) id: ListenerId,
    pub(crate) run: Arc<dyn Run<C>>,
    /// For a single call: whether that is over.
    pub(crate) spent: Option<Arc<AtomicBool>>,
}

/// Lists taken at one moment, the namespace's before the socket's.
pub(crate) type Gathered<C> = SmallVec<[List<C>; 2]>;

impl<C: Occasion> List<C> {
    pub(crate) fn add<M: 'static>(&mut self, handler: impl Handler<C, M>, once: bool) -> ListenerId {
        static NEXT: AtomicU64 = AtomicU64::new(0);

        let id = ListenerId(NEXT.fetch_add(1, Ordering::Relaxed));
        let entry =
            Entry { id, run: Arc::new(Erased(handler, PhantomData)), spent: once.then(Arc::<AtomicBool>::default) };
        self.0 = Some(self.entries().iter().cloned().chain([entry]).collect());
        id
    }

    /// Gives back the list as it was, to be dropped outside of locks: what a handler holds may call back. `None` if the
    /// listener is not in it.
    pub(crate) fn remove(&mut self, id: ListenerId) -> Option<Self> {
        if self.entries().iter().all(|entry| entry.id != id) {
            return None;
        }
        let rest: Vec<_> = self.entries().iter().filter(|entry| entry.id != id).cloned().collect();
        let rest = (!rest.is_empty()).then(|| rest.into());
        Some(Self(std::mem::replace(&mut self.0, rest)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn entries(&self) -> &[Entry<C>] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn gather(&self, gathered: &mut Gathered<C>) {
        if !self.is_empty() {
            gathered.push(self.clone());
        }
    }
}

impl<C> Entry<C> {
    /// Whether it is to be called now.
    pub(crate) fn claim(&self) -> bool {
        self.spent.as_ref().is_none_or(|spent| !spent.swap(true, Ordering::AcqRel))
    }
}

/// All listeners of one socket, or of all sockets of a namespace.
#[derive(Default)]
pub(crate) struct Listeners(RwLock<Table>);

#[derive(Default)]
pub(crate) struct Table {
    /// The names are the program's: no client can fill it, so its hash need not be one that clients cannot foresee.
    pub(crate) events: HashMap<Box<str>, List<Incoming>, FxBuildHasher>,
    pub(crate) any: List<Incoming>,
    pub(crate) outgoing: List<Incoming>,
    pub(crate) disconnecting: List<Left>,
    pub(crate) disconnect: List<Left>,
}

impl Listeners {
    pub(crate) fn on<M: 'static>(&self, event: &str, handler: impl Handler<Incoming, M>, once: bool) -> ListenerId {
        if ["connect", "connection", "disconnect", "disconnecting"].contains(&event) {
            tracing::warn!(event, "no client can send this event: see on_connect, on_disconnecting and on_disconnect");
        }
        self.0.write().events.entry(event.into()).or_default().add(handler, once)
    }

    /// Forgets all listeners of an event.
    pub(crate) fn off(&self, event: &str) {
        let list = self.0.write().events.remove(event);
        // Dropped outside of the lock: what a handler holds may call back.
        drop(list);
    }

    /// Forgets one listener, of whatever it is.
    pub(crate) fn remove(&self, id: ListenerId) -> bool {
        let (incoming, left) = self.change(|table| {
            let left = table.disconnecting.remove(id).or_else(|| table.disconnect.remove(id));
            let incoming = table.any.remove(id).or_else(|| table.outgoing.remove(id));
            (incoming.or_else(|| table.events.values_mut().find_map(|list| list.remove(id))), left)
        });
        incoming.is_some() || left.is_some()
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        change(&mut self.0.write())
    }

    /// The catch-alls and the listeners of an event.
    pub(crate) fn gather(&self, event: &str, any: &mut Gathered<Incoming>, on: &mut Gathered<Incoming>) {
        let table = self.0.read();
        table.any.gather(any);
        if let Some(list) = table.events.get(event) {
            list.gather(on);
        }
    }

    pub(crate) fn gather_outgoing(&self, gathered: &mut Gathered<Incoming>) {
        self.0.read().outgoing.gather(gathered);
    }

    pub(crate) fn gather_left(&self, disconnecting: &mut Gathered<Left>, disconnect: &mut Gathered<Left>) {
        let table = self.0.read();
        table.disconnecting.gather(disconnecting);
        table.disconnect.gather(disconnect);
    }

    pub(crate) fn clear(&self) {
        let table = std::mem::take(&mut *self.0.write());
        drop(table);
    }
}

impl<C> Default for List<C> {
    fn default() -> Self {
        Self(None)
    }
}

impl<C> Clone for List<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> Clone for Entry<C> {
    fn clone(&self) -> Self {
        Self { id: self.id, run: Arc::clone(&self.run), spent: self.spent.clone() }
    }
}

impl<C: Occasion> fmt::Debug for List<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("List").field(&self.entries().len()).finish()
    }
}
