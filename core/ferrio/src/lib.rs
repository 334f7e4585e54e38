//! Socket.IO for Rust: one engine, of which the Node and Python packages of the same name are two more faces.
//!
//! ```no_run
//! use ferrio::{Data, Server, Socket};
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let server = Server::new();
//!     server.on("say", |socket: Socket, Data(text): Data<String>| {
//!         socket.broadcast().emit("said", (socket.id(), text))
//!     });
//!     server.serve("127.0.0.1:3000").await
//! }
//! ```
//!
//! Any Socket.IO client of version 3 or 4 connects to it (of version 1 and 2 with
//! [`allow_eio3`](ServerBuilder::allow_eio3)), by long-polling or WebSocket.
//!
//! * A [`Server`] has [namespaces](Namespace), which have [sockets](Socket), which are in rooms. What is registered on the
//!   server is registered on its main namespace, `/`.
//! * **Handlers** are closures or functions, synchronous or not. Their arguments are [extracted](Extract) by type:
//!   [`Socket`], [`Data`] (one argument), [`Args`] (all), [`State`], [`Auth`], [`Ack`], [`Reason`] and a few more. What
//!   they return answers the client. How they are called, and in which order, stands at [`Handler`].
//! * **Values** are whatever `serde` can write and read. [`Binary`] (or `bytes::Bytes`, or `serde_bytes`) travels as
//!   binary, also deep inside; [`RawArgs`] passes on what nobody here has to read; [`Value`] is any value.
//! * **Receivers** are chosen by [`to`](Server::to), [`except`](Server::except), [`broadcast`](Socket::broadcast) and sent
//!   to by [`emit`](Target::emit); the answers of all of them come with [`emit_with_ack`](Target::emit_with_ack). An event
//!   is encoded once, however many receive it.
//! * **Middlewares** ([`with`](Namespace::with)) decide who comes in; [`of_regex`](Server::of_regex) and
//!   [`of_fn`](Server::of_fn) make namespaces as clients name them.
//! * The server has [ports of its own](Server::serve), with [TLS](Server::listen_tls) if wanted, or stands beside the
//!   routes of an axum program as a [tower layer](Server::layer).
//!
//! A client that does not read what it is sent costs at most [`hard_limit`](Config::hard_limit) bytes, then its connection;
//! what others get is not held up by it ([`Socket::buffered`], [`Socket::ready`]). A handler that panics costs nobody
//! anything. What goes wrong and is nobody's result is told to [`tracing`](https://docs.rs/tracing).
//!
//! The same crate is a [`client`]: it connects to servers of Node, Python or Rust, and comes back when the connection breaks.
//!
//! What this crate is not: a cluster (yet): rooms and broadcasts end at this process.

// loom tests build the outbound side alone (`tests/outbound_loom.rs`).
#![cfg(not(loom))]

// The engine room: what `ferrio-embed` drives, and what programs in Rust have nicer doors to.
#[doc(hidden)]
pub mod ack;
#[doc(hidden)]
pub mod application;
#[doc(hidden)]
pub mod backlog;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod connection;
#[doc(hidden)]
pub mod host;
#[doc(hidden)]
pub mod hub;
#[doc(hidden)]
pub mod namespace;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod recovery;
#[doc(hidden)]
pub mod rooms;
#[doc(hidden)]
pub mod socket;
#[doc(hidden)]
pub mod turn;

pub mod client;

mod admission;
mod clock;
mod drain;
mod driver;
mod lane;
mod outbound;
mod rate;
mod sync;

// The Rust face.
mod answers;
mod builder;
mod dispatch;
mod error;
mod extract;
mod handler;
mod handshake;
mod life;
mod listeners;
mod methods;
mod payload;
mod peer;
mod reply;
mod router;
mod server;
mod space;
mod stats;
mod target;
mod typemap;

pub use answers::{AnswerStream, Answers, BroadcastWithAck};
pub use builder::ServerBuilder;
pub use bytes::Bytes;
pub use client::Client;
pub use config::{Admission, Config, Cookie, Cors, Rate, Recovery, SlowConsumer};
pub use drain::Drain;
pub use error::{AckError, ConnectError, EmitError, Mismatch};
pub use extract::{
    Asking, Attachments, Auth, Context, Data, Event, Extension, Extract, Incoming, Joined, Left, Occasion, State,
};
pub use ferrio_protocol::engine::Transport;
pub use ferrio_protocol::socket::Serializer;
pub use ferrio_protocol::{Dialect, Limit, Limits, Reason, Text};
pub use handler::Handler;
pub use handshake::{Handshake, Request};
pub use listeners::ListenerId;
pub use net::files::ClientFiles;
pub use net::listener::Listener;
pub use net::service::{EngineLayer, EngineService, Peer};
pub use net::tls::{Tls, TlsError};
pub use payload::{Args, Arguments, Binary, FromArguments, RawArgs, Str, Value};
pub use peer::{Direct, Socket};
pub use reply::{Ack, AckFuture, EmitWithAck};
pub use server::{PatternError, Server};
pub use space::{Namespace, ParentNamespace};
pub use stats::Stats;
pub use target::{IntoRooms, Target};
