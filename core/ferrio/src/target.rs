//! Whom an emit goes to, and how it travels.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use futures_core::Stream;
use smallvec::SmallVec;
use tokio::sync::mpsc;

use crate::ack::Ask;
use crate::error::{AckError, EmitError};
use crate::hub::Hub;
use crate::namespace::{Namespace, Receivers};
use crate::payload::{Arguments, FromArguments, Sealed, seal_event};
use crate::peer::Socket;
use crate::reply::bounded;
use crate::router::Shared;
use crate::socket::Flags;
use crate::turn::Turn;

/// Time for the answers to a broadcast, unless [`Target::timeout`] says another one: somebody may have left without a word.
/// 5 s, as the originals' servers wait for each other.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Receivers in the choosing, and how it travels. Each call gives a new one, so that a target can be kept and refined.
///
/// ```
/// # fn show(server: ferrio::Server) -> Result<(), ferrio::EmitError> {
/// let players = server.to(["red", "blue"]);
/// players.emit("start", ())?;
/// players.except("away").volatile().emit("tick", 1)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a target sends nothing by itself"]
pub struct Target {
    shared: Arc<Shared>,
    hub: Hub,
    namespace: Arc<Namespace>,
    rooms: SmallVec<[Text; 1]>,
    except: SmallVec<[Text; 1]>,
    flags: Flags,
    timeout: Option<Duration>,
}

impl Target {
    pub(crate) fn new(shared: Arc<Shared>, hub: Hub, namespace: Arc<Namespace>) -> Self {
        let (rooms, except) = (SmallVec::new(), SmallVec::new());
        Self { shared, hub, namespace, rooms, except, flags: Flags::default(), timeout: None }
    }

    pub(crate) fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    // Who.

    /// Adds the members of a room or of several. Each socket counts once, however many of the rooms it is in.
    pub fn to(&self, rooms: impl IntoRooms) -> Self {
        let mut target = self.clone();
        rooms.each(&mut |room| target.rooms.push(room));
        target
    }

    /// The same as [`to`](Self::to).
    pub fn in_(&self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves out the members of a room or of several. A socket's id is a room, too.
    pub fn except(&self, rooms: impl IntoRooms) -> Self {
        let mut target = self.clone();
        rooms.each(&mut |room| target.except.push(room));
        target
    }

    /// Only sockets of this server, also where several form a cluster.
    pub fn local(&self) -> Self {
        // There are no clusters yet: everybody is local.
        self.clone()
    }

    // How.

    /// What is sent may get lost: receivers who are not ready for it right now do not get it at all.
    pub fn volatile(&self) -> Self {
        self.clone().flags(Flags { volatile: true, ..self.flags })
    }

    /// Whether a long-polling answer that carries it may be compressed. True unless said otherwise.
    pub fn compress(&self, compress: bool) -> Self {
        self.clone().flags(Flags { compress, ..self.flags })
    }

    /// How long to wait for answers ([`emit_with_ack`](Self::emit_with_ack)). Five seconds unless said otherwise.
    pub fn timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    // What.

    /// Sends an event. It is encoded once, however many receive it.
    ///
    /// # Errors
    /// A reserved name, or arguments that cannot be serialized.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        self.send(seal_event(event, args)?);
        Ok(())
    }

    /// Sends an event and gathers the answers: all of them, or one by one as they come.
    ///
    /// ```
    /// # async fn show(server: ferrio::Server) -> Result<(), ferrio::EmitError> {
    /// use std::time::Duration;
    ///
    /// let votes = server.to("jury").timeout(Duration::from_secs(10)).emit_with_ack::<u8>("vote", "song 7").await?;
    /// println!("{} of {} voted: {:?}", votes.received(), votes.asked(), votes.into_values());
    ///
    /// let mut votes = server.to("jury").emit_with_ack::<u8>("vote", "song 8").stream()?;
    /// while let Some((socket, vote)) = votes.next().await {
    ///     println!("{}: {vote:?}", socket.id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn emit_with_ack<T: FromArguments>(&self, event: &str, args: impl Arguments) -> BroadcastWithAck<T> {
        BroadcastWithAck { target: self.clone(), payload: seal_event(event, args), answers: PhantomData }
    }

    // The sockets themselves.

    /// The chosen sockets that are connected right now.
    pub fn sockets(&self) -> Vec<Socket> {
        self.receivers().collect().iter().filter_map(Socket::of).collect()
    }

    /// The chosen sockets that are connected right now: in a cluster, on all servers.
    pub async fn fetch_sockets(&self) -> Vec<Socket> {
        self.sockets()
    }

    /// Makes the chosen sockets join a room or several.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        let sockets = self.receivers().collect();
        rooms.each(&mut |room| {
            for socket in &sockets {
                socket.join(room.clone());
            }
        });
    }

    /// Makes the chosen sockets leave a room or several.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let sockets = self.receivers().collect();
        rooms.each(&mut |room| {
            for socket in &sockets {
                socket.leave(&room);
            }
        });
    }

    /// Disconnects the chosen sockets; with `close` their connections too, and so their sockets in other namespaces.
    pub fn disconnect_sockets(&self, close: bool) {
        let _turn = Turn::enter();
        self.receivers().collect().iter().for_each(|socket| socket.disconnect(close));
    }

    pub(crate) fn send(&self, payload: Payload) {
        let _turn = Turn::enter();
        let receivers = self.receivers();
        self.shared.notify_outgoing(&receivers, &payload);
        self.hub.broadcast(&self.namespace, &receivers, payload, self.flags);
    }

    fn receivers(&self) -> Receivers {
        self.namespace.resolve(&self.rooms, &self.except)
    }
}

/// A question to many, sent when it is awaited or made a [`stream`](Self::stream).
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited or made a stream"]
pub struct BroadcastWithAck<T> {
    target: Target,
    payload: Result<Payload, EmitError>,
    answers: PhantomData<fn() -> T>,
}

impl<T: FromArguments> BroadcastWithAck<T> {
    /// How long to wait. Five seconds unless said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.target.timeout = Some(timeout);
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
        let _turn = Turn::enter();
        let receivers = target.receivers();
        target.shared.notify_outgoing(&receivers, &payload);
        let ask = Ask {
            timeout: Some(bounded(target.timeout.unwrap_or(ANSWER_TIME))),
            on_each: Box::new(move |socket, payload| {
                if let Some(socket) = Socket::of(socket) {
                    // Nobody gathers any more: that is the gatherer's right.
                    drop(sender.send(Said::Answer(socket, payload)));
                }
            }),
            on_end: Box::new(move |gathered| drop(ended.send(Said::End { asked: gathered.expected }))),
        };
        target.hub.broadcast_with_ack(&target.namespace, &receivers, payload, target.flags, ask);
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

/// A room, or several: text, or a list of texts.
pub trait IntoRooms {
    #[doc(hidden)]
    fn each(self, visit: &mut dyn FnMut(Text));
}

macro_rules! into_rooms {
    ($($room:ty),*) => {$(
        impl IntoRooms for $room {
            fn each(self, visit: &mut dyn FnMut(Text)) {
                visit(Text::from(self));
            }
        }
    )*};
}

into_rooms!(&str, String, Text);

impl IntoRooms for &String {
    fn each(self, visit: &mut dyn FnMut(Text)) {
        self.as_str().each(visit);
    }
}

impl IntoRooms for &Text {
    fn each(self, visit: &mut dyn FnMut(Text)) {
        self.clone().each(visit);
    }
}

impl<R: IntoRooms> IntoRooms for Vec<R> {
    fn each(self, visit: &mut dyn FnMut(Text)) {
        self.into_iter().for_each(|room| room.each(visit));
    }
}

impl<R: IntoRooms, const N: usize> IntoRooms for [R; N] {
    fn each(self, visit: &mut dyn FnMut(Text)) {
        self.into_iter().for_each(|room| room.each(visit));
    }
}

impl<'a, R> IntoRooms for &'a [R]
where
    &'a R: IntoRooms,
{
    fn each(self, visit: &mut dyn FnMut(Text)) {
        self.iter().for_each(|room| room.each(visit));
    }
}

impl<'a, R> IntoRooms for &'a Vec<R>
where
    &'a R: IntoRooms,
{
    fn each(self, visit: &mut dyn FnMut(Text)) {
        self.as_slice().each(visit);
    }
}

impl IntoRooms for &&str {
    fn each(self, visit: &mut dyn FnMut(Text)) {
        (*self).each(visit);
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("namespace", self.namespace.name())
            .field("rooms", &self.rooms)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}
