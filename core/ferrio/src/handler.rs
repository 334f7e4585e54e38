//! Handlers: any closure or function, synchronous or not.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};

use ferrio_protocol::socket::Payload;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::error::{ConnectError, Mismatch};
use crate::extract::{Extract, Occasion};
use crate::payload::{Given, Sealer, failure};
use crate::turn::Turn;

/// What may be registered as a handler: any closure or function, synchronous or not, of up to eight extractors.
///
/// Its arguments are [extracted](Extract) from `C`. `M` is the compiler's affair: it says which arguments they are, and
/// whether the result is a future.
///
/// ```
/// use ferrio::{Ack, Args, Data, Server, Socket, State};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Move {
///     x: i32,
///     y: i32,
/// }
///
/// #[derive(Serialize)]
/// struct Score(u32);
///
/// # async fn load(id: u32) -> Result<Score, String> { Ok(Score(id)) }
/// # #[derive(Default)]
/// # struct Board;
/// # impl Board { fn apply(&self, _: &Move) -> bool { true } }
/// # fn show(server: Server) {
/// // One typed argument, and what the program shares.
/// server.on("move", |Data(to): Data<Move>, State(board): State<Board>| board.apply(&to));
///
/// // Several arguments, an asynchronous handler, a failure: the client gets the score or `{ error }`.
/// server.on("score", async |Args((id, _)): Args<(u32, Option<String>)>| load(id).await);
///
/// // The answer in one's own hands.
/// server.on("later", |socket: Socket, ack: Ack| {
///     tokio::spawn(async move { ack.send((socket.id(), "now")) });
/// });
/// # }
/// ```
///
/// What it returns answers the client, if that asked for an answer: a tuple is several values, `()` none, `Err(error)` is the
/// object `{ "error": error }`. When several handlers listen to one event the first answer counts.
///
/// A synchronous handler runs on the thread that read the event, before the next one is read: it must not block. An
/// asynchronous one is begun there too, and goes on as a task of its own from its first `.await` that has to wait. So
/// handlers begin in the order in which their events arrived; they *finish* in that order only in an
/// [`ordered`](crate::Namespace::ordered) namespace.
///
/// An `async` closure may not hold anything of its own. What all share is best a [`State`](crate::State); else a closure
/// gives each future its share:
///
/// ```
/// # use std::sync::Arc;
/// # use ferrio::Socket;
/// # async fn save(_: &str, _: &str) {}
/// # fn show(server: ferrio::Server, file: Arc<str>) {
/// server.on("save", move |socket: Socket| {
///     let file = Arc::clone(&file);
///     async move { save(&file, socket.id()).await }
/// });
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle `{C}`",
    note = "a handler takes up to eight extractors and returns something `Serialize` (a `Result`, both sides), or a future of that",
    note = "a closure needs the types of its arguments: `|socket: Socket, Data(text): Data<String>| …`"
)]
pub trait Handler<C: Occasion, M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, context: &C) -> Result<Outcome<C::Output>, Mismatch>;
}

/// How far a handler came at its first go.
pub enum Outcome<O> {
    /// To its end.
    Done(O),
    /// To a future, not yet polled.
    Later(BoxFuture<O>),
}

/// A future on the heap.
pub(crate) type BoxFuture<O> = Pin<Box<dyn Future<Output = O> + Send>>;

/// What a handler may return in a context that makes an `O` of it.
pub trait Returns<O, K>: Sized {
    #[doc(hidden)]
    fn outcome(self, wanted: bool) -> Outcome<O>;
}

/// Marks a plain result.
#[derive(Debug)]
pub struct Now;

/// Marks a future.
#[derive(Debug)]
pub struct Later;

/// What a handler of an event says to the client.
#[derive(Debug)]
pub enum Answer {
    /// It returned `()`: nothing, but it is done.
    Nothing,
    /// These arguments.
    Arguments(Payload),
    /// Nobody asked, or it cannot be said.
    Unwanted,
}

/// What a middleware says.
pub(crate) type Verdict = Result<(), ConnectError>;

impl Answer {
    fn of<T: Serialize>(value: &T, wanted: bool) -> Self {
        if !wanted {
            if let Some(error) = failure(value) {
                tracing::debug!(%error, "a handler failed, and nobody asked for an answer");
            }
            return Self::Unwanted;
        }
        let mut sealer = Sealer::answer();
        let given = sealer.returned(value);
        match given.and_then(|given| Ok((given, sealer.finish()?))) {
            Ok((Given::Nothing, _)) => Self::Nothing,
            Ok((Given::Arguments | Given::Error, payload)) => Self::Arguments(payload),
            Err(error) => {
                tracing::error!(%error, "the answer of a handler");
                Self::Unwanted
            }
        }
    }
}

impl<T: Serialize> Returns<Answer, Now> for T {
    fn outcome(self, wanted: bool) -> Outcome<Answer> {
        Outcome::Done(Answer::of(&self, wanted))
    }
}

impl<F> Returns<Answer, Later> for F
where
    F: Future<Output: Serialize> + Send + 'static,
{
    fn outcome(self, wanted: bool) -> Outcome<Answer> {
        Outcome::Later(Box::pin(async move { Answer::of(&self.await, wanted) }))
    }
}

impl<E: Into<ConnectError>> Returns<Verdict, Now> for Result<(), E> {
    fn outcome(self, _: bool) -> Outcome<Verdict> {
        Outcome::Done(self.map_err(Into::into))
    }
}

impl<F, E> Returns<Verdict, Later> for F
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<ConnectError>,
{
    fn outcome(self, _: bool) -> Outcome<Verdict> {
        Outcome::Later(Box::pin(async move { self.await.map_err(Into::into) }))
    }
}

macro_rules! handler {
    ($($extractor:ident),*) => {
        impl<F, C, R, K, $($extractor),*> Handler<C, (K, R, $($extractor,)*)> for F
        where
            F: Fn($($extractor),*) -> R + Send + Sync + 'static,
            C: Occasion,
            R: Returns<C::Output, K>,
            $($extractor: Extract<C>,)*
        {
            fn call(&self, context: &C) -> Result<Outcome<C::Output>, Mismatch> {
                Ok(self($($extractor::extract(context)?),*).outcome(context.wants_answer()))
            }
        }
    };
}

handler!();
handler!(E1);
handler!(E1, E2);
handler!(E1, E2, E3);
handler!(E1, E2, E3, E4);
handler!(E1, E2, E3, E4, E5);
handler!(E1, E2, E3, E4, E5, E6);
handler!(E1, E2, E3, E4, E5, E6, E7);
handler!(E1, E2, E3, E4, E5, E6, E7, E8);

/// A handler whose arguments are nobody's affair any more.
pub(crate) trait Run<C: Occasion>: Send + Sync {
    fn run(&self, context: &C) -> Result<Outcome<C::Output>, Mismatch>;
}

/// Forgets `M`.
pub(crate) struct Erased<H, M>(pub(crate) H, pub(crate) PhantomData<fn(M)>);

impl<C: Occasion, H: Handler<C, M>, M: 'static> Run<C> for Erased<H, M> {
    fn run(&self, context: &C) -> Result<Outcome<C::Output>, Mismatch> {
        self.0.call(context)
    }
}

/// What calling a handler led to.
pub(crate) enum Called<O> {
    /// It is done.
    Done(O),
    /// It waits for something.
    Pending(Contained<O>),
    /// Its arguments were something else.
    Mismatch(Mismatch),
    /// It panicked, with this message.
    Panicked(String),
}

/// Calls a handler and polls it once if it is asynchronous. A panic of it ends here.
pub(crate) fn call<C: Occasion>(handler: &dyn Run<C>, context: &C, runtime: &Handle) -> Called<C::Output> {
    match catch_unwind(AssertUnwindSafe(|| handler.run(context))) {
        Ok(Ok(Outcome::Done(output))) => Called::Done(output),
        Ok(Ok(Outcome::Later(future))) => begin(future, runtime),
        Ok(Err(mismatch)) => Called::Mismatch(mismatch),
        Err(panic) => Called::Panicked(message(&*panic)),
    }
}

/// Polls a future once, here and now.
pub(crate) fn begin<O>(future: BoxFuture<O>, runtime: &Handle) -> Called<O> {
    // Who ends a socket may be a thread of the program's own.
    let _context = runtime.enter();
    let mut contained = Contained::new(future);
    // Its wake-ups are lost until the task polls it again, which is what it does first of all.
    match Pin::new(&mut contained).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(Ok(output)) => Called::Done(output),
        Poll::Ready(Err(panic)) => Called::Panicked(panic),
        Poll::Pending => Called::Pending(contained),
    }
}

/// A future whose panic is its result, and whose emits between two waits leave in one write.
pub(crate) struct Contained<O>(BoxFuture<O>);

impl<O> Contained<O> {
    pub(crate) fn new(future: BoxFuture<O>) -> Self {
        Self(future)
    }
}

impl<O> Future for Contained<O> {
    type Output = Result<O, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let _turn = Turn::enter();
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
