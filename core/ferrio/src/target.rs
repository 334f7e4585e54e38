//! Whom an emit goes to, and how it travels.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use smallvec::SmallVec;

use crate::ack::Ask;
use crate::answers::BroadcastWithAck;
use crate::error::EmitError;
use crate::hub::Hub;
use crate::namespace::{Namespace, Receivers};
use crate::payload::{Arguments, FromArguments, seal_event};
use crate::peer::Socket;
use crate::router::Shared;
use crate::socket::Flags;
use crate::turn::Turn;

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
        BroadcastWithAck::new(self.clone(), seal_event(event, args))
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
        self.shared.notify_outgoing(|| self.receivers(), &payload);
        self.hub.broadcast_to(&self.namespace, || self.receivers(), payload, self.flags);
    }

    pub(crate) fn ask(&self, payload: Payload, ask: Ask) {
        let _turn = Turn::enter();
        let receivers = self.receivers();
        self.shared.notify_outgoing(|| self.receivers(), &payload);
        self.hub.broadcast_with_ack(&self.namespace, &receivers, payload, self.flags, ask);
    }

    /// What [`Self::timeout`] said.
    pub(crate) fn answer_time(&self) -> Option<Duration> {
        self.timeout
    }

    fn receivers(&self) -> Receivers {
        self.namespace.resolve(&self.rooms, &self.except)
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
