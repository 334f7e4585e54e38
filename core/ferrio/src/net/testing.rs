//! A server that does what the path says, for the tests of the carriers.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::exchange::{BodyError, Exchange, Head, Headers, Responder, Response};
use super::{Accepted, Decide, Front, Link, websocket};
use crate::config::Config;

/// Largest body it takes.
pub(super) const LIMIT: usize = 100_000;

#[derive(Clone)]
pub(super) struct Toy {
    config: Arc<Config>,
    seen: mpsc::UnboundedSender<Seen>,
    waiting: Arc<Mutex<Vec<Responder>>>,
}

/// What the toy has been told.
pub(super) enum Seen {
    Request(Head),
    Body(Result<Bytes, BodyError>),
    Gone,
    Link(Link),
}

impl Toy {
    pub(super) fn new(config: Config) -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, told) = mpsc::unbounded_channel();
        (Self { config: Arc::new(config), seen, waiting: Arc::default() }, told)
    }

    /// Answers the requests that wait.
    pub(super) fn release(&self, status: u16) {
        for responder in self.waiting.lock().drain(..) {
            responder(Response::new(status));
        }
    }

    fn tell(&self, seen: Seen) {
        // A test that has ended does not listen.
        let _ = self.seen.send(seen);
    }
}

impl Front for Toy {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    fn request(&self, head: Head, responder: Responder) -> Exchange {
        let toy = self.clone();
        self.tell(Seen::Request(head.clone()));
        match head.target.as_str() {
            "/socket.io/echo" => Exchange::collecting(&head, LIMIT, move |body| {
                let response = match &body {
                    Ok(body) => Response { status: 200, body: body.clone(), ..Response::default() },
                    Err(_) => Response::new(413),
                };
                toy.tell(Seen::Body(body));
                responder(response);
            }),
            "/socket.io/wait" => {
                self.waiting.lock().push(responder);
                Exchange::waiting(move || toy.tell(Seen::Gone))
            }
            "/socket.io/drop" => Exchange::answered(),
            _ => {
                responder(Response::new(204).header("x-name", "value"));
                Exchange::answered()
            }
        }
    }

    fn upgrade(&self, head: Head, extra: Headers, decide: Decide) {
        let toy = self.clone();
        self.tell(Seen::Request(head.clone()));
        if head.target.ends_with("/no") {
            return decide(Err(Response::new(400).header("connection", "close")));
        }
        decide(match websocket::accept(&head) {
            Ok(headers) => {
                let headers = headers.into_iter().chain(extra).collect();
                Ok(Accepted::new(headers, move |link| toy.tell(Seen::Link(link))))
            }
            Err(_) => Err(Response::new(400)),
        });
    }
}
