//! The answers to a question that went to many.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ferrio_protocol::socket::Payload;
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::ack::Ask;
use crate::error::{AckError, EmitError};
use crate::payload::{FromArguments, Sealed};
use crate::peer::Socket;
use crate::reply::bounded;
use crate::target::Target;

/// Time for the answers, unless [`Target::timeout`] says another one: somebody may have left without a word. 5 s, as the
/// originals' servers wait for each other.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// A question to many, sent when it is awaited or made a [`stream`](Self::stream).
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited or made a stream"]
pub struct BroadcastWithAck<T> {
    target: Target,
    payload: Result<Payload, EmitError>,
    answers: PhantomData<fn() -> T>,
}

impl<T: FromArguments> BroadcastWithAck<T> {
    pub(crate) fn new(target: Target, payload: Result<Payload, EmitError>) -> Self {
        Self { target, payload, answers: PhantomData }
    }

    /// How long to wait. Five seconds unless said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.target = self.target.timeout(timeout);
        self
    }

    /// Sends it; the answers come as they come, each with its socket.
    ///
    /// # Errors
    /// A reserved name, or arguments that cannot be serialized.
    pub fn stream(self) -> Result<AnswerStream<T>, EmitError> {
        let Self { target, payload, .. } = self;
        let payload = payload?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let ended = sender.clone();
        let ask = Ask {
            timeout: Some(bounded(target.answer_time().unwrap_or(ANSWER_TIME))),
            on_each: Box::new(move |socket, payload| {
                if let Some(socket) = Socket::of(socket) {
                    // Nobody gathers any more: that is the gatherer's right.
                    drop(sender.send(Said::Answer(socket, payload)));
                }
            }),
            on_end: Box::new(move |gathered| drop(ended.send(Said::End { asked: gathered.expected }))),
        };
        target.ask(payload, ask);
        Ok(AnswerStream { receiver, asked: None, answers: PhantomData })
    }
}

impl<T: FromArguments + Send + 'static> IntoFuture for BroadcastWithAck<T> {
    type Output = Result<Answers<T>, EmitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut stream = self.stream()?;
            let mut answers = Vec::new();
            while let Some(answer) = stream.next().await {
                answers.push(answer);
            }
            let asked = stream.asked.unwrap_or(answers.len());
            Ok(Answers { answers, asked })
        })
    }
}

enum Said {
    Answer(Socket, Payload),
    End { asked: usize },
}

/// Answers to a broadcast, as they come. Ends when all have answered, or with the timeout.
#[derive(Debug)]
pub struct AnswerStream<T> {
    receiver: mpsc::UnboundedReceiver<Said>,
    asked: Option<usize>,
    answers: PhantomData<fn() -> T>,
}

impl<T: FromArguments> AnswerStream<T> {
    /// The next answer; `None` when no more come. ([`Stream`] is there too, for those who use it.)
    pub async fn next(&mut self) -> Option<(Socket, Result<T, AckError>)> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// How many were asked; known at the end.
    pub fn asked(&self) -> Option<usize> {
        self.asked
    }
}

impl<T: FromArguments> Stream for AnswerStream<T> {
    type Item = (Socket, Result<T, AckError>);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.asked.is_some() {
            return Poll::Ready(None);
        }
        match ready!(self.receiver.poll_recv(context)) {
            Some(Said::Answer(socket, payload)) => {
                Poll::Ready(Some((socket, T::open(&Sealed::answer(&payload)).map_err(AckError::from))))
            }
            Some(Said::End { asked }) => {
                self.asked = Some(asked);
                Poll::Ready(None)
            }
            // The server was closed.
            None => Poll::Ready(None),
        }
    }
}

/// The answers to a broadcast.
#[derive(Debug)]
pub struct Answers<T> {
    answers: Vec<(Socket, Result<T, AckError>)>,
    asked: usize,
}

impl<T> Answers<T> {
    /// How many were asked.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// How many answered.
    pub fn received(&self) -> usize {
        self.answers.len()
    }

    /// All who were asked have answered in time.
    pub fn is_complete(&self) -> bool {
        self.received() == self.asked
    }

    /// The answers in the order they came. Those of another type are left out; see [`into_iter`](Self::into_iter).
    pub fn into_values(self) -> Vec<T> {
        self.answers.into_iter().filter_map(|(_, answer)| answer.ok()).collect()
    }
}

impl<T> IntoIterator for Answers<T> {
    type Item = (Socket, Result<T, AckError>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.answers.into_iter()
    }
}
