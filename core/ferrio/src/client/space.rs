//! What a program has declared about one namespace, and how the client stands there.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;

use ferrio_protocol::Text;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::handle::Inner;
use super::occasions::{Connected, Incoming, Left, NotConnected};
use crate::listeners::{List, ListenerId};

/// One namespace of a client.
#[derive(Default)]
pub(super) struct Space {
    pub(super) nsp: Text,
    pub(super) table: RwLock<Table>,
    pub(super) auth: AuthSource,
    pub(super) status: Mutex<Status>,
    /// The program's handle. Without one nobody listens.
    pub(super) client: Mutex<Weak<Inner>>,
    /// Who waits for the first outcome.
    pub(super) first: Mutex<Option<oneshot::Sender<Result<(), Failure>>>>,
}

/// Who listens to what.
#[derive(Default)]
pub(super) struct Table {
    pub(super) events: HashMap<Box<str>, List<Incoming>>,
    pub(super) any: List<Incoming>,
    pub(super) outgoing: List<Incoming>,
    pub(super) connect: List<Connected>,
    pub(super) connect_error: List<NotConnected>,
    pub(super) disconnect: List<Left>,
}

/// How the client stands.
#[derive(Default)]
pub(super) struct Status {
    pub(super) id: Option<Text>,
    pub(super) recovered: bool,
    /// It is joined, or wants to be.
    pub(super) active: bool,
}

/// Where the auth of a namespace comes from.
#[derive(Default)]
pub(super) enum AuthSource {
    #[default]
    None,
    Value(Result<Text, String>),
    Function(Box<dyn Fn() -> AuthFuture + Send + Sync>),
}

pub(super) type AuthFuture = Pin<Box<dyn Future<Output = Result<Text, String>> + Send>>;

impl AuthSource {
    pub(super) fn value(auth: &impl Serialize) -> Self {
        Self::Value(to_object(auth))
    }

    pub(super) fn function<F, A, T, E>(function: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: std::fmt::Display,
    {
        Self::Function(Box::new(move || {
            let auth = function();
            Box::pin(async move { to_object(&auth.await.map_err(|error| error.to_string())?) })
        }))
    }
}

/// JSON text of an object: the protocol knows no other auth.
fn to_object(value: &impl Serialize) -> Result<Text, String> {
    let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value.to_string().into()) } else { Err(format!("{value} is no object")) }
}

impl Table {
    /// Gives back what is to be dropped outside of the lock.
    pub(super) fn remove(&mut self, id: ListenerId) -> Option<List<Incoming>> {
        let list = self.any.remove(id).or_else(|| self.outgoing.remove(id));
        list.or_else(|| self.events.values_mut().find_map(|list| list.remove(id)))
    }
}
