//! What handlers can ask for as arguments.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};
use serde::de::DeserializeOwned;

use crate::error::Mismatch;
use crate::handler::{Answer, Verdict};
use crate::payload::{Args, FromArguments, RawArgs, Sealed};
use crate::peer::Socket;
use crate::reply::{Ack, Pledge};
use crate::server::Server;
use crate::space::Namespace;

/// Something that handlers are called for: on a server ([`Context`]), or on a [client](crate::client).
pub trait Occasion: Send + Sync + 'static {
    /// What becomes of a handler's result.
    type Output: Send + 'static;

    #[doc(hidden)]
    fn wants_answer(&self) -> bool {
        false
    }
}

/// Something that handlers of a server are called for: a client that [asks](Asking) to be let in, one that
/// [is in](Joined), an event that [came in](Incoming), a socket that [ended](Left).
pub trait Context: Occasion {
    /// The socket that it is about.
    fn socket(&self) -> &Socket;
}

/// An argument of a handler, taken from what the handler is called for.
///
/// Implement it for types of your own that all handlers need:
///
/// ```
/// use ferrio::{Context, Extension, Extract, Mismatch};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// impl<C: Context> Extract<C> for User {
///     fn extract(context: &C) -> Result<Self, Mismatch> {
///         // A middleware has put it there.
///         let user = context.socket().extension::<User>().ok_or_else(|| Mismatch::new("nobody"))?;
///         Ok((*user).clone())
///     }
/// }
///
/// # fn show(server: ferrio::Server) {
/// server.on("whoami", |User(name): User| name);
/// # }
/// ```
///
/// Where it fails the handler is not called. A `Result<E, Mismatch>` as argument never fails, and shows what did.
#[diagnostic::on_unimplemented(message = "`{Self}` is no argument for a handler of `{C}`")]
pub trait Extract<C: Occasion>: Sized {
    /// Takes the argument out.
    ///
    /// # Errors
    /// It is not there, or of another type.
    fn extract(context: &C) -> Result<Self, Mismatch>;
}

// Contexts.

/// A client asks to join a namespace: what a middleware is called for.
#[derive(Debug)]
pub struct Asking {
    pub(crate) socket: Socket,
}

/// A client has joined a namespace.
#[derive(Debug)]
pub struct Joined {
    pub(crate) socket: Socket,
}

/// An event came in (or, for `on_any_outgoing`, goes out).
#[derive(Debug)]
pub struct Incoming {
    pub(crate) socket: Socket,
    pub(crate) name: Text,
    pub(crate) payload: Payload,
    pub(crate) pledge: Option<Arc<Pledge>>,
}

/// A socket ends, or has ended.
#[derive(Debug)]
pub struct Left {
    pub(crate) socket: Socket,
    pub(crate) reason: Reason,
    pub(crate) detail: Option<Cow<'static, str>>,
}

impl Incoming {
    /// The event's name.
    pub fn event(&self) -> &Text {
        &self.name
    }

    pub(crate) fn sealed(&self) -> Sealed<'_> {
        Sealed::event(&self.payload)
    }
}

impl Left {
    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// More about it, if more is known.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl Occasion for Asking {
    type Output = Verdict;
}

impl Context for Asking {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Occasion for Joined {
    type Output = Answer;
}

impl Context for Joined {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Occasion for Incoming {
    type Output = Answer;

    fn wants_answer(&self) -> bool {
        self.pledge.is_some()
    }
}

impl Context for Incoming {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Occasion for Left {
    type Output = Answer;
}

impl Context for Left {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

// Extractors.

/// The first argument of an event.
///
/// A missing one counts as `null`, which an `Option` accepts; for several arguments see [`Args`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// The name of an event: for handlers that serve several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event(pub Text);

/// All attachments of an event, in the order of their placeholders.
///
/// For programs that look at events as `serde_json::Value`; with types, [`Binary`](crate::Binary) is simpler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments(pub Vec<Bytes>);

/// What the client sent as `auth` when it connected; `{}` if it sent nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auth<T>(pub T);

/// What the program has put into the server by [`ServerBuilder::state`](crate::ServerBuilder::state).
#[derive(Debug)]
pub struct State<S>(pub Arc<S>);

/// What the program has put into this socket by [`Socket::insert`].
#[derive(Debug)]
pub struct Extension<T>(pub Arc<T>);

impl<C: Context> Extract<C> for Socket {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        Ok(context.socket().clone())
    }
}

impl<C: Context> Extract<C> for Namespace {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        Ok(context.socket().namespace())
    }
}

impl<C: Context> Extract<C> for Server {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        Ok(context.socket().server())
    }
}

impl<C: Context, T: DeserializeOwned> Extract<C> for Auth<T> {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        context.socket().handshake().auth().map(Self)
    }
}

impl<C: Context, S: Send + Sync + 'static> Extract<C> for State<S> {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        let state = context.socket().life().shared.states.get();
        state.map(Self).ok_or_else(|| {
            let name = std::any::type_name::<S>();
            // Not the client's fault: the program forgot something, and should hear of it.
            tracing::error!("a handler asks for State<{name}>, which ServerBuilder::state was never given");
            Mismatch::new(format_args!("no State<{name}>"))
        })
    }
}

impl<C: Context, T: Send + Sync + 'static> Extract<C> for Extension<T> {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        let extension = context.socket().extension();
        extension
            .map(Self)
            .ok_or_else(|| Mismatch::new(format_args!("the socket has no {}", std::any::type_name::<T>())))
    }
}

impl<C: Occasion, E: Extract<C>> Extract<C> for Result<E, Mismatch> {
    fn extract(context: &C) -> Result<Self, Mismatch> {
        Ok(E::extract(context))
    }
}

/// What an event brings along: on a server, or on a client.
macro_rules! event_arguments {
    ($incoming:ty) => {
        impl<T: DeserializeOwned> Extract<$incoming> for Data<T> {
            fn extract(incoming: &$incoming) -> Result<Self, Mismatch> {
                T::open(&incoming.sealed()).map(Self)
            }
        }

        impl<T: DeserializeOwned> Extract<$incoming> for Args<T> {
            fn extract(incoming: &$incoming) -> Result<Self, Mismatch> {
                Self::open(&incoming.sealed())
            }
        }

        impl Extract<$incoming> for RawArgs {
            fn extract(incoming: &$incoming) -> Result<Self, Mismatch> {
                Self::open(&incoming.sealed())
            }
        }

        impl Extract<$incoming> for Attachments {
            fn extract(incoming: &$incoming) -> Result<Self, Mismatch> {
                Ok(Self(incoming.payload.attachments.clone()))
            }
        }

        impl Extract<$incoming> for Event {
            fn extract(incoming: &$incoming) -> Result<Self, Mismatch> {
                Ok(Self(incoming.name.clone()))
            }
        }

        impl Extract<$incoming> for Ack {
            fn extract(incoming: &$incoming) -> Result<Self, Mismatch> {
                Ok(Self::take(incoming.pledge.as_ref()))
            }
        }
    };
}

pub(crate) use event_arguments;

event_arguments!(Incoming);

impl Extract<Left> for Reason {
    fn extract(left: &Left) -> Result<Self, Mismatch> {
        Ok(left.reason)
    }
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<T> Clone for Extension<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Extension<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
