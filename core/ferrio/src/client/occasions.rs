//! What handlers of a client are called for, and what they can ask for as arguments.

use std::sync::Arc;

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::handle::Client;
use super::reason::DisconnectReason;
use crate::error::Mismatch;
use crate::extract::{Attachments, Data, Event, Extract, Occasion, event_arguments};
use crate::handler::Answer;
use crate::payload::{Args, FromArguments, RawArgs, Sealed};
use crate::reply::{Ack, Pledge};

/// The server has let the client in, for the first time or again.
#[derive(Debug)]
pub struct Connected {
    pub(super) client: Client,
}

/// The client is not let in, or does not reach the server.
#[derive(Debug)]
pub struct NotConnected {
    pub(super) client: Client,
    pub(super) failure: Failure,
}

/// An event came from the server (or, for `on_any_outgoing`, goes to it).
#[derive(Debug)]
pub struct Incoming {
    pub(super) client: Client,
    pub(super) name: Text,
    pub(super) payload: Payload,
    pub(super) pledge: Option<Arc<Pledge>>,
}

/// The client was let in, and is not in any more.
#[derive(Debug)]
pub struct Left {
    pub(super) client: Client,
    pub(super) reason: DisconnectReason,
    pub(super) detail: Option<String>,
}

impl Left {
    /// More about it, if more is known.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl Incoming {
    /// The event's name.
    pub fn event(&self) -> &Text {
        &self.name
    }

    fn sealed(&self) -> Sealed<'_> {
        Sealed::event(&self.payload)
    }
}

impl Occasion for Connected {
    type Output = Answer;
}

impl Occasion for NotConnected {
    type Output = Answer;
}

impl Occasion for Incoming {
    type Output = Answer;

    fn wants_answer(&self) -> bool {
        self.pledge.is_some()
    }
}

impl Occasion for Left {
    type Output = Answer;
}

macro_rules! client_of {
    ($($occasion:ty),*) => {$(
        impl Extract<$occasion> for Client {
            fn extract(occasion: &$occasion) -> Result<Self, Mismatch> {
                Ok(occasion.client.clone())
            }
        }
    )*};
}

client_of!(Connected, NotConnected, Incoming, Left);

impl Extract<NotConnected> for Failure {
    fn extract(not: &NotConnected) -> Result<Self, Mismatch> {
        Ok(not.failure.clone())
    }
}

impl Extract<Left> for DisconnectReason {
    fn extract(left: &Left) -> Result<Self, Mismatch> {
        Ok(left.reason)
    }
}

event_arguments!(Incoming);
