//! Answers, in both directions: the one a client asked for, and the one we ask a client for.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ferrio_protocol::socket::Payload;
use tokio::sync::oneshot;

use crate::ack;
use crate::client::{Asked, Client};
use crate::error::{AckError, EmitError};
use crate::handler::Answer;
use crate::payload::{Arguments, FromArguments, Sealed, Sealer};
use crate::peer::Socket;
use crate::socket::Flags;

/// The answer that the client asked for, as an extractor: the handler gives it when it is ready, once.
///
/// If the client asked for none, [`send`](Self::send) does nothing. A dropped `Ack` answers nothing.
///
/// ```
/// # fn show(server: ferrio::Server) {
/// use ferrio::{Ack, Data};
///
/// server.on("ask", |Data(question): Data<String>, ack: Ack| {
///     std::thread::spawn(move || ack.send(("thought about", question)));
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Ack(Option<Arc<Pledge>>);

impl Ack {
    pub(crate) fn take(pledge: Option<&Arc<Pledge>>) -> Self {
        if let Some(pledge) = pledge {
            // From here on the handlers' results answer only if they are one.
            let _ = pledge.state.compare_exchange(OPEN, TAKEN, Ordering::AcqRel, Ordering::Acquire);
        }
        Self(pledge.cloned())
    }

    /// The client asked for an answer.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Answers. A second answer to the same event (of another handler) is ignored, as clients would do.
    ///
    /// # Errors
    /// The arguments cannot be serialized, or the client has left.
    pub fn send(self, args: impl Arguments) -> Result<(), EmitError> {
        let Some(pledge) = self.0 else { return Ok(()) };
        if !pledge.asker.is_connected() {
            return Err(EmitError::Disconnected);
        }
        let mut sealer = Sealer::answer();
        args.seal(&mut sealer)?;
        pledge.answer(sealer.finish()?);
        Ok(())
    }
}

/// The answer that is owed to a client, shared by the handlers of one event.
#[derive(Debug)]
pub(crate) struct Pledge {
    asker: Asker,
    state: AtomicU8,
    /// A handler has returned `()`.
    done: AtomicBool,
}

/// Who waits for an answer, and to what.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A client of our server.
    Client(Socket, u64),
    /// The server of our client.
    Server(Client, Asked),
}

impl Asker {
    fn is_connected(&self) -> bool {
        match self {
            Self::Client(socket, _) => socket.is_connected(),
            Self::Server(client, _) => client.is_connected(),
        }
    }

    fn answer(&self, payload: Payload) {
        match self {
            Self::Client(socket, id) => socket.core().ack(*id, payload),
            Self::Server(client, asked) => client.ack(*asked, payload),
        }
    }
}

const OPEN: u8 = 0;
/// A handler holds an [`Ack`].
const TAKEN: u8 = 1;
const ANSWERED: u8 = 2;

impl Pledge {
    pub(crate) fn new(asker: Asker) -> Arc<Self> {
        Arc::new(Self { asker, state: AtomicU8::new(OPEN), done: AtomicBool::new(false) })
    }

    /// What a handler has returned.
    pub(crate) fn settle(&self, answer: Answer) {
        match answer {
            Answer::Arguments(payload) => self.answer(payload),
            Answer::Nothing => self.done.store(true, Ordering::Release),
            Answer::Unwanted => {}
        }
    }

    fn answer(&self, payload: Payload) {
        if self.state.swap(ANSWERED, Ordering::AcqRel) != ANSWERED {
            self.asker.answer(payload);
        }
    }
}

impl Drop for Pledge {
    /// All handlers are done: one that had nothing to say still means "done" to the client that waits.
    fn drop(&mut self) {
        if *self.state.get_mut() == OPEN
            && *self.done.get_mut()
            && let Ok(payload) = Sealer::answer().finish()
        {
            self.answer(payload);
        }
    }
}

/// A question to one client, sent when it is awaited.
///
/// ```
/// # async fn show(socket: ferrio::Socket) -> Result<(), ferrio::AckError> {
/// use std::time::Duration;
///
/// let name: String = socket.emit_with_ack("name?", ()).timeout(Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct EmitWithAck<T> {
    socket: Socket,
    payload: Result<Payload, EmitError>,
    flags: Flags,
    timeout: Option<Duration>,
    answer: PhantomData<fn() -> T>,
}

impl<T: FromArguments> EmitWithAck<T> {
    pub(crate) fn new(socket: Socket, payload: Result<Payload, EmitError>, flags: Flags) -> Self {
        Self { socket, payload, flags, timeout: None, answer: PhantomData }
    }

    /// How long to wait. Without it: until the client answers or leaves.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(bounded(timeout));
        self
    }
}

/// The clock adds it to the present: `Duration::MAX` must not overflow.
pub(crate) fn bounded(timeout: Duration) -> Duration {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    timeout.min(CENTURY)
}

impl<T: FromArguments> IntoFuture for EmitWithAck<T> {
    type Output = Result<T, AckError>;
    type IntoFuture = AckFuture<T>;

    fn into_future(self) -> AckFuture<T> {
        let (sender, receiver) = oneshot::channel();
        match self.socket.sendable(self.payload) {
            Ok(payload) => {
                let on_ack = Box::new(move |answer: Result<Payload, ack::AckError>| {
                    // Nobody waits any more: that is the waiter's right.
                    drop(sender.send(answer.map_err(AckError::from)));
                });
                self.socket.core().emit_with_ack(payload, self.flags, self.timeout, on_ack);
            }
            Err(error) => drop(sender.send(Err(error.into()))),
        }
        AckFuture::new(receiver)
    }
}

/// Waits for an answer.
#[derive(Debug)]
pub struct AckFuture<T> {
    receiver: oneshot::Receiver<Result<Payload, AckError>>,
    answer: PhantomData<fn() -> T>,
}

impl<T> AckFuture<T> {
    pub(crate) fn new(receiver: oneshot::Receiver<Result<Payload, AckError>>) -> Self {
        Self { receiver, answer: PhantomData }
    }
}

impl<T: FromArguments> Future for AckFuture<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(|answer| {
            // The sender goes without a word only with the server itself.
            let payload = answer.unwrap_or(Err(AckError::Disconnected))?;
            Ok(T::open(&Sealed::answer(&payload))?)
        })
    }
}

impl From<ack::AckError> for AckError {
    fn from(error: ack::AckError) -> Self {
        match error {
            ack::AckError::Timeout => Self::Timeout,
            ack::AckError::Disconnected => Self::Disconnected,
        }
    }
}
