//! A client of Socket.IO: for servers in Node, Python or Rust, by long-polling or WebSocket.
//!
//! ```no_run
//! use ferrio::Data;
//! use ferrio::client::Client;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::builder("http://localhost:3000")
//!         .on("said", |Data((who, text)): Data<(String, String)>| println!("{who}: {text}"))
//!         .connect()
//!         .await?;
//!     client.emit("say", "hello")?;
//!     let count: u32 = client.emit_with_ack("count", ()).await?;
//!     println!("{count} are here");
//!     client.close().await;
//!     Ok(())
//! }
//! ```
//!
//! * A [`Client`] is one namespace of a server; [`Client::of`] joins another one over the same connection.
//! * **Handlers** are written as a server's are: closures whose arguments are [extracted](crate::Extract) by type:
//!   [`Client`], [`Data`](crate::Data), [`Args`](crate::Args), [`RawArgs`](crate::RawArgs), [`Event`](crate::Event),
//!   [`Ack`](crate::Ack), and [`DisconnectReason`] or [`Failure`] where there is one. What they return answers the server.
//! * **The way back.** When the connection breaks the client [comes back](Options::reconnection) by itself, ever more slowly,
//!   asks its [auth](ClientBuilder::auth_with) anew, and joins its namespaces again. What is emitted meanwhile waits, in order
//!   and [bounded](Options::max_buffered), and is sent then. A server with connection state recovery gives back what was
//!   missed ([`Client::recovered`]).
//! * **Delivery.** An emit is sent once. With [`retries`](ClientBuilder::retries) it is sent until the server has answered it:
//!   one event at a time, in order, at least once.
//!
//! Nothing that a server sends can panic or make the client keep more than its [limits](Options::limits).

mod actor;
mod alarm;
mod attempt;
mod builder;
mod cookies;
mod dial;
mod dispatch;
mod driver;
mod engine;
mod failure;
mod handle;
mod http;
mod link;
mod member;
mod members;
mod observer;
mod occasions;
mod options;
mod orders;
mod proxy;
mod question;
mod reason;
mod space;
mod target;
mod tls;
mod websocket;

#[doc(hidden)]
pub mod connection;
#[doc(hidden)]
pub mod manager;

pub use builder::{ClientBuilder, NamespaceBuilder};
pub use failure::Failure;
pub use handle::{Client, Volatile};
pub use occasions::{Connected, Incoming, Left, NotConnected};
pub use options::{Family, Options, ProxyChoice, TransportOptions};
pub use question::EmitWithAck;
pub use reason::DisconnectReason;
pub use tls::ClientTls;

#[doc(hidden)]
pub use manager::{Asked, AuthReply, Manager};
#[doc(hidden)]
pub use member::{Emit, MemberOptions};
#[doc(hidden)]
pub use observer::Observer;
