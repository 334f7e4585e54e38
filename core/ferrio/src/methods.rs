//! Methods that several types share, written and documented once.

/// The methods by which handlers are registered for all sockets of a namespace. `self.space()` says where.
macro_rules! registrations {
    () => {
        /// Adds a middleware: it decides whether a client that asks may come in. All are called in the order they were
        /// added, until one returns an error, which the client gets as its `connect_error`.
        ///
        /// The socket is not connected yet: it may join rooms and keep [extensions](crate::Socket::insert), which vanish
        /// if it is refused. A middleware whose arguments cannot be extracted, or which panics, refuses. When the client
        /// leaves before it has decided, its future is dropped at the `.await` where it stands.
        ///
        /// ```
        /// # fn show(server: ferrio::Server) {
        /// use ferrio::{Auth, ConnectError, Socket};
        /// use serde_json::Value;
        ///
        /// server.with(|socket: Socket, Auth(auth): Auth<Value>| match auth["token"].as_str() {
        ///     Some("secret") => Ok(()),
        ///     _ => Err(ConnectError::new("unauthorized")),
        /// });
        /// # }
        /// ```
        pub fn with<M: 'static>(&self, middleware: impl crate::Handler<crate::Asking, M>) -> &Self {
            self.space().0.add_middleware(middleware);
            self
        }

        /// Calls `handler` for each client that has been let in. Listeners that it registers on the socket before its first
        /// `.await` miss no event.
        pub fn on_connect<M: 'static>(&self, handler: impl crate::Handler<crate::Joined, M>) -> &Self {
            self.space().0.add_connect(handler);
            self
        }

        /// Calls `handler` for each such event of any socket. Several may listen to one event; they are called in the
        /// order they were added, before those of the socket itself.
        pub fn on<M: 'static>(&self, event: &str, handler: impl crate::Handler<crate::Incoming, M>) -> &Self {
            self.space().0.listeners.on(event, handler, false);
            self
        }

        /// Forgets all handlers of an event (those of single sockets stay).
        pub fn off(&self, event: &str) -> &Self {
            self.space().0.listeners.off(event);
            self
        }

        /// Calls `handler` for every event, before the event's own handlers. What it returns is no answer.
        pub fn on_any<M: 'static>(&self, handler: impl crate::Handler<crate::Incoming, M>) -> &Self {
            self.space().0.listeners.change(|table| table.any.add(handler, false));
            self
        }

        /// Calls `handler` for every event that is sent to a socket, broadcasts included, answers not.
        pub fn on_any_outgoing<M: 'static>(&self, handler: impl crate::Handler<crate::Incoming, M>) -> &Self {
            let (space, shared) = self.space();
            space.listeners.change(|table| table.outgoing.add(handler, false));
            shared.listen_outgoing();
            self
        }

        /// Calls `handler` when a socket has ended, but is still in its rooms. It leaves them when all such handlers are
        /// done, asynchronous ones included.
        pub fn on_disconnecting<M: 'static>(&self, handler: impl crate::Handler<crate::Left, M>) -> &Self {
            self.space().0.listeners.change(|table| table.disconnecting.add(handler, false));
            self
        }

        /// Calls `handler` when a socket has ended and left its rooms.
        ///
        /// ```
        /// # fn show(server: ferrio::Server) {
        /// use ferrio::{Reason, Socket};
        ///
        /// server.on_disconnect(|socket: Socket, reason: Reason| println!("{} is gone: {reason}", socket.id()));
        /// # }
        /// ```
        pub fn on_disconnect<M: 'static>(&self, handler: impl crate::Handler<crate::Left, M>) -> &Self {
            self.space().0.listeners.change(|table| table.disconnect.add(handler, false));
            self
        }

        /// With `true`, one thing after the other for each socket: connect handlers, events and disconnect handlers wait
        /// until the handlers before them are done, asynchronous ones included. False: they only *begin* in order.
        ///
        /// A client whose events wait for more than the [hard limit](crate::Config::hard_limit) is closed.
        pub fn ordered(&self, ordered: bool) -> &Self {
            self.space().0.set_ordered(ordered);
            self
        }
    };
}

/// The methods that choose receivers and send to them. `self.target()` is where they begin.
macro_rules! operators {
    () => {
        /// Chooses the members of a room or of several (`"a"`, `["a", "b"]`, a `Vec`): each socket once, however many of
        /// the rooms it is in. More calls add more rooms; no room at all means everybody.
        pub fn to(&self, rooms: impl crate::IntoRooms) -> crate::Target {
            self.target().to(rooms)
        }

        /// The same as [`to`](Self::to): "those **in** the room".
        pub fn in_(&self, rooms: impl crate::IntoRooms) -> crate::Target {
            self.target().to(rooms)
        }

        /// Leaves out the members of a room or of several. A socket's id is a room, too.
        pub fn except(&self, rooms: impl crate::IntoRooms) -> crate::Target {
            self.target().except(rooms)
        }

        /// Only sockets of this server, also where several form a cluster.
        pub fn local(&self) -> crate::Target {
            self.target().local()
        }

        /// What is sent may get lost: receivers who are not ready for it right now do not get it at all.
        pub fn volatile(&self) -> crate::Target {
            self.target().volatile()
        }

        /// Whether a long-polling answer that carries it may be compressed. True unless said otherwise.
        pub fn compress(&self, compress: bool) -> crate::Target {
            self.target().compress(compress)
        }

        /// How long to wait for answers ([`emit_with_ack`](Self::emit_with_ack)).
        pub fn timeout(&self, timeout: std::time::Duration) -> crate::Target {
            self.target().timeout(timeout)
        }

        /// Sends an event to everybody. It is encoded once, however many receive it.
        ///
        /// # Errors
        /// A reserved name, or arguments that cannot be serialized.
        pub fn emit(&self, event: &str, args: impl crate::Arguments) -> Result<(), crate::EmitError> {
            self.target().emit(event, args)
        }

        /// Sends an event to everybody and gathers their answers.
        pub fn emit_with_ack<T: crate::FromArguments>(
            &self,
            event: &str,
            args: impl crate::Arguments,
        ) -> crate::BroadcastWithAck<T> {
            self.target().emit_with_ack(event, args)
        }

        /// The sockets that are connected right now.
        pub fn sockets(&self) -> Vec<crate::Socket> {
            self.target().sockets()
        }

        /// The sockets that are connected right now: in a cluster, on all servers.
        pub async fn fetch_sockets(&self) -> Vec<crate::Socket> {
            self.target().fetch_sockets().await
        }

        /// Makes all sockets join a room or several.
        pub fn sockets_join(&self, rooms: impl crate::IntoRooms) {
            self.target().sockets_join(rooms);
        }

        /// Makes all sockets leave a room or several.
        pub fn sockets_leave(&self, rooms: impl crate::IntoRooms) {
            self.target().sockets_leave(rooms);
        }

        /// Disconnects all sockets; with `close` their connections too, and so their sockets in other namespaces.
        pub fn disconnect_sockets(&self, close: bool) {
            self.target().disconnect_sockets(close);
        }
    };
}

pub(crate) use {operators, registrations};
