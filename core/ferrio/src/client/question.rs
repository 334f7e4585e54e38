//! A question to the server.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use ferrio_protocol::socket::Payload;
use tokio::sync::oneshot;

use super::handle::Client;
use super::member::Emit;
use crate::error::{AckError, EmitError};
use crate::payload::FromArguments;
use crate::reply::AckFuture;

/// A question to the server, sent when it is awaited.
///
/// ```no_run
/// # async fn show(client: ferrio::Client) -> Result<(), ferrio::AckError> {
/// use std::time::Duration;
///
/// let name: String = client.emit_with_ack("name?", ()).timeout(Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct EmitWithAck<T> {
    client: Client,
    payload: Result<Payload, EmitError>,
    timeout: Option<Duration>,
    volatile: bool,
    answer: PhantomData<fn() -> T>,
}

impl<T: FromArguments> EmitWithAck<T> {
    pub(super) fn new(client: Client, payload: Result<Payload, EmitError>, volatile: bool) -> Self {
        Self { client, payload, timeout: None, volatile, answer: PhantomData }
    }

    /// How long to wait, the time before a connection included. Without it: as long as
    /// [`ack_timeout`](super::ClientBuilder::ack_timeout) says, else until the server answers or the connection breaks.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<T: FromArguments> IntoFuture for EmitWithAck<T> {
    type Output = Result<T, AckError>;
    type IntoFuture = AckFuture<T>;

    fn into_future(self) -> AckFuture<T> {
        let (sender, receiver) = oneshot::channel();
        let (answers, failures) = shared(sender);
        let on_ack = Box::new(move |answer: Result<Payload, crate::ack::AckError>| {
            answers(answer.map_err(AckError::from));
        });
        let Self { client, payload, timeout, volatile, .. } = self;
        let sent = payload.and_then(|payload| client.send(Emit { payload, on_ack: Some(on_ack), timeout, volatile }));
        if let Err(error) = sent {
            failures(Err(error.into()));
        }
        AckFuture::new(receiver)
    }
}

type Answer = Result<Payload, AckError>;

/// Two ends of which one will be used: the answer's, or that of a question that could not be asked.
fn shared(sender: oneshot::Sender<Answer>) -> (impl FnOnce(Answer) + Send, impl FnOnce(Answer)) {
    let sender = std::sync::Arc::new(parking_lot::Mutex::new(Some(sender)));
    let other = std::sync::Arc::clone(&sender);
    let send = |sender: &parking_lot::Mutex<Option<oneshot::Sender<Answer>>>, answer| {
        if let Some(sender) = sender.lock().take() {
            // Nobody waits any more: that is the waiter's right.
            drop(sender.send(answer));
        }
    };
    (move |answer| send(&sender, answer), move |answer| send(&other, answer))
}
