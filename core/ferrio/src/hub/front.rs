//! How requests come to a server: which session they are for, and what becomes of them.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use ferrio_protocol::engine::{Handshake, Revision, Transport, payload};
use ferrio_protocol::{Input, Limit, Session, Text};
use parking_lot::Mutex;

use super::{Hub, Live, random_id};
use crate::admission::Admitted;
use crate::config::Config;
use crate::connection::Connection;
use crate::driver;
use crate::lane::{Wire, WireId};
use crate::net::answer::Reply;
use crate::net::exchange::{BodyError, Exchange, Head, Headers, Responder, Response, is_header_name, is_header_value};
use crate::net::refusal::Refusal;
use crate::net::request::{self, Action, Candidate, Content, Request, Route};
use crate::net::{Accepted, Decide, Front, Link, websocket};
use crate::outbound::{Bounds, Outbound, Waiting};

impl Hub {
    /// A WebSocket handshake that the application may refuse, then `decide` hears.
    fn open_websocket(&self, candidate: Candidate, head: Head, headers: Headers, decide: Decide) {
        let admitted = match self.admission.enter(&head, &self.config().admission) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse_upgrade(&head, &refusal, decide),
        };
        let hub = self.clone();
        self.app.allow(
            head,
            Box::new(move |head, allowed| {
                let sid = match hub.allowed(&head, allowed) {
                    Ok(sid) => sid,
                    Err(refusal) => return hub.refuse_upgrade(&head, &refusal, decide),
                };
                let Candidate { revision, base64, .. } = candidate;
                let mut headers = headers;
                headers.extend(hub.app.initial_headers(&head).into_iter().filter(is_header));
                decide(Ok(Accepted::new(headers, move |link| {
                    hub.attach(link, |id, wire| {
                        let fit = |outbound: &mut Outbound, wire| outbound.open(id, wire);
                        hub.open(sid, (revision, base64), Transport::WebSocket, head, admitted, wire, fit)
                    });
                })));
            }),
        );
    }

    /// What the application says to a handshake: the id of the session that it opens.
    fn allowed(&self, head: &Head, allowed: Result<(), String>) -> Result<Text, Refusal> {
        allowed.map_err(|message| Refusal::Forbidden { message: Some(message) })?;
        match &head.sid {
            Some(sid) if self.connection(sid).is_some() => {
                Err(Refusal::IdGeneration { error: "this session id is in use".into() })
            }
            Some(sid) => Ok(sid.clone()),
            None => Ok(random_id()),
        }
    }

    fn refuse_upgrade(&self, head: &Head, refusal: &Refusal, decide: Decide) {
        self.tell_refused(head, refusal);
        decide(Err(Reply::of(head, &self.config()).refuse_upgrade(refusal)));
    }

    fn refuse(&self, head: &Head, refusal: &Refusal, responder: Responder) {
        self.tell_refused(head, refusal);
        responder(Reply::of(head, &self.config()).refuse(refusal));
    }

    fn tell_refused(&self, head: &Head, refusal: &Refusal) {
        self.counters.refuse(refusal);
        // Those are answered by npm's `ws`, and engine.io does not hear of them.
        if !matches!(refusal, Refusal::BadUpgrade { .. }) {
            self.app.refused(head, refusal);
        }
    }

    /// A WebSocket for a session that exists.
    fn upgrade_session(&self, connection: Arc<Connection>, headers: Headers, decide: Decide) {
        let hub = self.clone();
        decide(Ok(Accepted::new(headers, move |link| {
            hub.attach(link, |id, wire| connection.candidate(id, wire).map(|()| connection));
        })));
    }

    /// Starts the task of a WebSocket: for the connection that `join` gives, or only to say goodbye.
    fn attach(&self, link: Link, join: impl FnOnce(WireId, Wire) -> Result<Arc<Connection>, Wire>) {
        let id = self.next();
        driver::start(self, id, link, |wire| join(id, wire));
    }

    /// A session that a handshake opened; `fit` gives it the way to its peer. The way is given back if the id was taken
    /// meanwhile, which only one that the application made can be.
    #[expect(clippy::too_many_arguments, reason = "what a request has brought, taken apart")]
    fn open<W>(
        &self,
        sid: Text,
        (revision, base64): (Revision, bool),
        transport: Transport,
        head: Head,
        admitted: Admitted,
        way: W,
        fit: impl FnOnce(&mut Outbound, W),
    ) -> Result<Arc<Connection>, W> {
        let connection = {
            let mut sessions = self.sessions.lock();
            let Entry::Vacant(place) = sessions.entry(sid.clone()) else { return Err(way) };
            let Live { config, settings } = self.live();
            let upgrades = match transport {
                Transport::Polling if settings.allow_upgrades => vec![Transport::WebSocket],
                Transport::Polling | Transport::WebSocket => Vec::new(),
            };
            let handshake = Handshake {
                sid: sid.clone(),
                upgrades,
                ping_interval: settings.ping_interval + config.ping_grace,
                ping_timeout: settings.ping_timeout,
                max_payload: settings.limits.max_payload as u64,
            };
            let session = Session::server(settings, &handshake, revision, transport, Instant::now());
            let mut outbound = Outbound::new(revision, base64, Bounds::of(&config));
            fit(&mut outbound, way);
            Arc::clone(place.insert(Connection::new(sid, self.next(), self.clone(), session, admitted, outbound)))
        };
        self.counters.open();
        self.app.open(&connection, head);
        connection.start();
        if self.closing.load(Ordering::Acquire) {
            connection.shut_down();
        }
        Ok(connection)
    }

    /// A polling handshake, which the application may refuse.
    fn open_polling(&self, head: Head, responder: Responder, revision: Revision, base64: bool, jsonp: Option<u64>) {
        let admitted = match self.admission.enter(&head, &self.config().admission) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(&head, &refusal, responder),
        };
        let hub = self.clone();
        self.app.allow(
            head,
            Box::new(move |head, allowed| {
                let sid = match hub.allowed(&head, allowed) {
                    Ok(sid) => sid,
                    Err(refusal) => return hub.refuse(&head, &refusal, responder),
                };
                let (config, opened) = (hub.config(), sid.clone());
                let reply = Reply::of(&head, &config);
                let initial = hub.app.initial_headers(&head);
                // The handshake is a GET that waits for the open packet.
                let waiting = Waiting {
                    ticket: hub.next(),
                    answer: Box::new(move |packets, _| {
                        let body = payload::encode(&packets, revision, base64);
                        let mut response = reply.handshake(&opened, &config, body, jsonp);
                        response.headers.extend(initial.into_iter().filter(is_header));
                        responder(response);
                    }),
                };
                let fit = |outbound: &mut Outbound, waiting| drop(outbound.wait(Some(waiting)));
                // Whoever has the id now, this request is not answered with it: the responder says so when it is dropped.
                let _ = hub.open(sid, (revision, base64), Transport::Polling, head, admitted, waiting, fit);
            }),
        );
    }

    fn session_request(&self, request: Request, head: &Head, responder: Responder) -> Exchange {
        let config = self.config();
        let refuse = |responder: Responder, refusal: &Refusal| {
            self.refuse(head, refusal, responder);
            Exchange::answered()
        };
        let Some(connection) = self.connection(&request.sid) else {
            return refuse(responder, &Refusal::UnknownSession { sid: Some(request.sid) });
        };
        let revision = connection.revision();
        if let Err(refusal) = request.check(connection.transport(), revision, self.dialect) {
            return refuse(responder, &refusal);
        }
        let reply = Reply::of(head, &config);
        match request.action {
            Action::Poll { jsonp } => poll(&connection, reply, jsonp, self.next(), responder),
            Action::Post(content) => post(connection, reply, content, head, config.limits.max_payload, responder),
            Action::Other => {
                responder(reply.fail(500));
                Exchange::answered()
            }
        }
    }
}

impl Front for Hub {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.live.read().config)
    }

    async fn open(&self) {
        self.until_hearing().await;
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }

    fn struck(&self, limit: Limit) {
        self.counters.limit(limit);
    }

    fn request(&self, head: Head, responder: Responder) -> Exchange {
        let config = self.config();
        if let Some(file) = config.client_files.as_ref().and_then(|files| files.find(&head, &config)) {
            responder(Reply::of(&head, &config).file(file, &head));
            return Exchange::answered();
        }
        match request::route(&head, &config) {
            Err(refusal) => self.refuse(&head, &refusal, responder),
            Ok(Route::Options) => responder(Reply::of(&head, &config).options(&head, &config)),
            Ok(Route::Handshake { revision, base64, jsonp }) => {
                self.open_polling(head, responder, revision, base64, jsonp);
            }
            Ok(Route::Session(request)) => return self.session_request(request, &head, responder),
        }
        Exchange::answered()
    }

    fn upgrade(&self, head: Head, extra: Headers, decide: Decide) {
        let config = self.config();
        let candidate = match request::route_websocket(&head, &config) {
            Ok(candidate) => candidate,
            Err(refusal) => return self.refuse_upgrade(&head, &refusal, decide),
        };
        let connection = match &candidate.sid {
            None => None,
            Some(sid) => match self.connection(sid) {
                None => {
                    let refusal = Refusal::UnknownSession { sid: candidate.sid };
                    return self.refuse_upgrade(&head, &refusal, decide);
                }
                Some(connection) => match candidate.check(connection.revision(), self.dialect) {
                    Ok(()) => Some(connection),
                    Err(refusal) => return self.refuse_upgrade(&head, &refusal, decide),
                },
            },
        };
        let mut headers = match websocket::accept(&head) {
            Ok(headers) => headers,
            Err(refusal) => return self.refuse_upgrade(&head, &refusal, decide),
        };
        headers.extend(Reply::of(&head, &config).upgrade_headers());
        headers.extend(extra);
        match connection {
            Some(connection) => self.upgrade_session(connection, headers, decide),
            None => self.open_websocket(candidate, head, headers, decide),
        }
    }
}

/// A GET: waits for packets.
fn poll(connection: &Arc<Connection>, reply: Reply, jsonp: Option<u64>, ticket: u64, responder: Responder) -> Exchange {
    let (revision, base64) = (connection.revision(), connection.base64());
    // The answer and the refusal share one responder; whichever comes takes it.
    let responder = Arc::new(Mutex::new(Some(responder)));
    let respond = move |response: Response| {
        if let Some(responder) = responder.lock().take() {
            responder(response);
        }
    };
    let refuse = respond.clone();
    let answer_reply = reply.clone();
    let answer = Box::new(move |packets: Vec<_>, compress| {
        let body = payload::encode(&packets, revision, base64);
        respond(answer_reply.poll(body, jsonp, compress));
    });
    match connection.poll(Waiting { ticket, answer }) {
        Ok(()) => {
            let connection = Arc::clone(connection);
            Exchange::waiting(move || connection.poll_gone(ticket))
        }
        Err((_, status)) => {
            refuse(reply.fail(status));
            Exchange::answered()
        }
    }
}

/// A POST: brings packets.
fn post(
    connection: Arc<Connection>,
    reply: Reply,
    content: Content,
    head: &Head,
    limit: usize,
    responder: Responder,
) -> Exchange {
    if connection.owes_answer() {
        // Two at once, as far as the client can tell.
        responder(reply.fail(400));
        return Exchange::answered();
    }
    if let Some(status) = connection.handle(Input::PostBegin) {
        responder(reply.fail(status));
        return Exchange::answered();
    }
    Exchange::collecting(head, limit, move |body| {
        let input = match body {
            Ok(body) => match content {
                Content::Text => Input::Payload { body, binary: false },
                Content::Binary => Input::Payload { body, binary: true },
                // A form that is none holds no payload either: the session sees one it cannot decode.
                Content::Form => {
                    let body = payload::decode_jsonp(&body).unwrap_or(Bytes::from_static(b"\xff"));
                    Input::Payload { body, binary: false }
                }
            },
            Err(BodyError::TooLarge) => Input::PostTooLarge,
            Err(BodyError::Aborted) => Input::PostAborted,
        };
        match connection.handle(input) {
            Some(status) => responder(reply.fail(status)),
            None => connection.answer(move || responder(reply.posted())),
        }
    })
}

/// What may stand in HTTP: nothing an application got from a peer may write headers of its own.
fn is_header((name, value): &(Cow<'static, str>, String)) -> bool {
    is_header_name(name) && is_header_value(value)
}
