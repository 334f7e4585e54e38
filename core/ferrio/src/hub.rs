//! The server below the handlers: its sessions, its namespaces, its clock, and the answers to requests.

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use ferrio_protocol::engine::{Handshake, Revision, Transport, handshake, payload};
use ferrio_protocol::message::Item;
use ferrio_protocol::session::Settings;
use ferrio_protocol::socket::{Payload, Serializer};
use ferrio_protocol::{Dialect, Input, Message, Session, Text};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::ack::{Ask, Gather, Waiter};
use crate::application::Application;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::Connection;
use crate::driver;
use crate::lane::{Wire, WireId};
use crate::namespace::{Namespace, Receivers};
use crate::net::answer::Reply;
use crate::net::exchange::{BodyError, Exchange, Head, Headers, Responder, Response, is_header_name, is_header_value};
use crate::net::refusal::Refusal;
use crate::net::request::{self, Action, Candidate, Content, Request, Route};
use crate::net::{Accepted, Decide, Front, Link, websocket};
use crate::outbound::{Outbound, Waiting};
use crate::recovery::{self, Claim, Claimed, Rules};
use crate::socket::{Flags, Socket};

/// One server. A handle: cloning it is cheap.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

/// What a hub is made of.
pub struct Inner {
    pub(crate) app: Arc<dyn Application>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) runtime: Handle,
    /// Which dialect its sessions speak. Never changes.
    dialect: Dialect,
    /// Never changes either: clients would have to change with it.
    serializer: Serializer,
    /// Changed with `sessions` locked, so that no session is left out.
    live: RwLock<Live>,
    recovery: Option<Arc<Rules>>,
    sessions: Mutex<HashMap<Text, Arc<Connection>>>,
    namespaces: RwLock<HashMap<Text, Arc<Namespace>>>,
    resume: Notify,
    closing: AtomicBool,
    next: AtomicU64,
}

/// The configuration, and what of it the sessions need.
#[derive(Clone)]
struct Live {
    config: Arc<Config>,
    settings: Arc<Settings>,
}

impl Live {
    fn new(config: Config) -> Self {
        let settings = Settings {
            dialect: config.dialect,
            limits: config.limits.clone(),
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            upgrade_timeout: config.upgrade_timeout,
            connect_timeout: config.connect_timeout,
            close_timeout: config.close_timeout,
            serializer: config.serializer,
            allow_upgrades: config.allow_upgrades && config.transports.contains(&Transport::WebSocket),
            layer: config.layer,
            initial: Message::raw(config.initial_packet.clone()).pop().map(Arc::new),
            watch: config.watch,
        };
        Self { config: Arc::new(config), settings: Arc::new(settings) }
    }
}

impl std::ops::Deref for Hub {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Hub {
    /// Starts a server's clock on `runtime`. It has no port yet: see [`Front`] for the ways requests come in.
    pub fn new(config: Config, app: Arc<dyn Application>, runtime: Handle) -> Self {
        let recovery = config.recovery.clone().map(|recovery| Arc::new(Rules::new(recovery, config.hard_limit)));
        let clock = Arc::new(Clock::default());
        runtime.spawn(Arc::clone(&clock).run());
        Self(Arc::new(Inner {
            app,
            clock,
            runtime,
            dialect: config.dialect,
            serializer: config.serializer,
            live: RwLock::new(Live::new(config)),
            recovery,
            sessions: Mutex::default(),
            namespaces: RwLock::default(),
            resume: Notify::new(),
            closing: AtomicBool::new(false),
            next: AtomicU64::new(0),
        }))
    }

    /// Another configuration: for requests and sessions from now on, and for the time limits that begin from now on in the
    /// sessions there are. The dialect, the serializer, recovery, and the limits of queues that exist, stay.
    pub fn configure(&self, config: Config) {
        let live = Live::new(Config { dialect: self.dialect, serializer: self.serializer, ..config });
        let connections: Vec<_> = {
            let sessions = self.sessions.lock();
            *self.live.write() = live.clone();
            sessions.values().cloned().collect()
        };
        for connection in connections {
            connection.configure(Arc::clone(&live.settings));
        }
    }

    /// The namespace of this name, made if it is not there; from here on it stays, whoever is in it.
    pub fn declare(&self, name: &Text) -> Arc<Namespace> {
        let mut namespaces = self.namespaces.write();
        let make = || Arc::new(self.new_namespace(name.clone()));
        let namespace = namespaces.entry(name.clone()).or_insert_with(make);
        namespace.declare();
        Arc::clone(namespace)
    }

    /// The namespace of this name, if it is there.
    pub fn find_namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.namespaces.read().get(name).cloned()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.sessions.lock().len()
    }

    /// The connection with this session id.
    pub fn connection(&self, sid: &str) -> Option<Arc<Connection>> {
        self.sessions.lock().get(sid).cloned()
    }

    /// Sends an event to many: encoded once, shared by all. Call it inside a [`Turn`](crate::turn::Turn).
    pub fn broadcast(&self, namespace: &Arc<Namespace>, receivers: &Receivers, payload: Payload, flags: Flags) {
        self.broadcast_to(namespace, || receivers, payload, flags);
    }

    /// As [`Self::broadcast`]. Where state can be recovered, `receivers` are chosen at the moment that the event gets its
    /// place in the order: a thread that chose before might miss a client that comes back meanwhile.
    pub(crate) fn broadcast_to<R: Borrow<Receivers>>(
        &self,
        namespace: &Arc<Namespace>,
        receivers: impl FnOnce() -> R,
        payload: Payload,
        flags: Flags,
    ) {
        match namespace.memory() {
            Some(memory) if !flags.volatile => memory.publish(self, namespace, payload, flags, receivers),
            Some(_) | None => {
                let item = flags.item(Message::event(namespace.name(), None, payload, namespace.serializer()));
                receivers().borrow().deliver(&item);
            }
        }
    }

    /// Sends an event to many and gathers their answers. Call it inside a [`Turn`](crate::turn::Turn).
    pub fn broadcast_with_ack(
        &self,
        namespace: &Namespace,
        receivers: &Receivers,
        payload: Payload,
        flags: Flags,
        ask: Ask,
    ) {
        let Ask { timeout, on_each, on_end } = ask;
        let id = namespace.next_ack_id();
        let item: Item = flags.item(Message::event(namespace.name(), Some(id), payload, namespace.serializer()));
        let gather = Arc::new(Gather::new(on_each, on_end));
        let mut asked = Vec::new();
        receivers.for_each_reachable(|socket| {
            gather.ask();
            socket.await_ack(id, Waiter::Many(Arc::clone(&gather)));
            socket.push(item.clone());
            asked.push(socket.clone());
        });
        let timer = timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map(|at| {
            let (gather, clock) = (Arc::clone(&gather), Arc::clone(&self.clock));
            self.clock.schedule(at, move || {
                for socket in asked {
                    socket.forget_ack(id);
                }
                gather.time_out(&clock);
            })
        });
        gather.asked_all(&self.clock, timer);
    }

    /// The application takes events again.
    pub fn resume(&self) {
        self.resume.notify_waiters();
    }

    /// Waits until the application takes events of this connection.
    pub(crate) async fn until_ready(&self, connection: &Connection) {
        loop {
            let resumed = self.resume.notified();
            if !self.app.is_full() && !connection.is_held() {
                return;
            }
            resumed.await;
        }
    }

    /// Ends all connections with "server shutting down" and refuses new ones. Idempotent.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let connections: Vec<_> = self.sessions.lock().values().cloned().collect();
        for connection in connections {
            connection.shut_down();
        }
        self.clock.stop();
    }

    /// A WebSocket handshake that the application may refuse, then `decide` hears.
    fn open_websocket(&self, candidate: Candidate, head: Head, headers: Headers, decide: Decide) {
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
                        hub.open(sid, (revision, base64), Transport::WebSocket, head, wire, fit)
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
    fn open<W>(
        &self,
        sid: Text,
        (revision, base64): (Revision, bool),
        transport: Transport,
        head: Head,
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
            let mut outbound = Outbound::new(revision, base64, config.high_mark, config.hard_limit);
            fit(&mut outbound, way);
            Arc::clone(place.insert(Connection::new(sid, self.next(), self.clone(), session, outbound)))
        };
        self.app.open(&connection, head);
        connection.start();
        if self.closing.load(Ordering::Acquire) {
            connection.shut_down();
        }
        Ok(connection)
    }

    /// A polling handshake, which the application may refuse.
    fn open_polling(&self, head: Head, responder: Responder, revision: Revision, base64: bool, jsonp: Option<u64>) {
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
                let _ = hub.open(sid, (revision, base64), Transport::Polling, head, waiting, fit);
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

    fn live(&self) -> Live {
        self.live.read().clone()
    }

    // For connections and sockets.

    /// The socket of a client that asks to join `nsp`, and the namespace if it is the first to ask. `None` if it has to wait
    /// for the end of the socket it had: it asks again then.
    pub(crate) fn new_socket(&self, connection: &Arc<Connection>, nsp: Text, auth: Option<&Text>) -> Option<Socket> {
        match self.claim(connection, &nsp, auth) {
            Claimed::Nothing => Some(self.newcomer(connection, nsp)),
            Claimed::Socket(socket) => Some(socket),
            Claimed::Later => None,
        }
    }

    /// The socket of a client that comes back, if it can.
    fn claim(&self, connection: &Arc<Connection>, nsp: &Text, auth: Option<&Text>) -> Claimed {
        let offered = self.recovery.is_some() && recovery::is_offered_to(connection.revision());
        let Some(claim) = auth.filter(|_| offered).and_then(|auth| Claim::read(auth)) else { return Claimed::Nothing };
        let Some(namespace) = self.find_namespace(nsp) else { return Claimed::Nothing };
        let Some(memory) = namespace.memory() else { return Claimed::Nothing };
        memory.claim(&claim, connection, nsp, auth, |id, member| {
            Socket::new(self.next(), id, Arc::clone(&namespace), Arc::clone(connection), Some(member))
        })
    }

    fn newcomer(&self, connection: &Arc<Connection>, nsp: Text) -> Socket {
        let id = match connection.revision() {
            Revision::V4 => random_id(),
            // Socket.IO v4 has no id of its own on the wire.
            Revision::V3 if nsp == "/" => connection.sid().clone(),
            Revision::V3 => Text::from(format!("{nsp}#{}", connection.sid())),
        };
        let make = |namespace: &Arc<Namespace>| {
            let make =
                |member| Socket::new(self.next(), id.clone(), Arc::clone(namespace), Arc::clone(connection), member);
            match namespace.memory() {
                Some(memory) if recovery::is_offered_to(connection.revision()) => {
                    memory.newcomer(random_id(), |member| make(Some(member)))
                }
                Some(_) | None => make(None),
            }
        };
        // Within the lock, so that a namespace cannot be forgotten between being found and being entered.
        if let Some(namespace) = self.namespaces.read().get(&nsp) {
            return make(namespace);
        }
        let mut namespaces = self.namespaces.write();
        let namespace = namespaces.entry(nsp.clone()).or_insert_with(|| Arc::new(self.new_namespace(nsp)));
        make(namespace)
    }

    pub(crate) fn forget(&self, sid: &str) {
        let connection = self.sessions.lock().remove(sid);
        drop(connection);
    }

    /// A socket has left for good. A namespace that nobody declared goes with its last socket: clients choose the names.
    pub(crate) fn socket_left(&self, namespace: &Namespace) {
        if namespace.is_disposable() {
            let mut namespaces = self.namespaces.write();
            if namespaces.get(namespace.name()).is_some_and(|held| held.is_disposable()) {
                namespaces.remove(namespace.name());
            }
        }
    }

    fn new_namespace(&self, name: Text) -> Namespace {
        Namespace::new(name, self.dialect, self.serializer, self.recovery.as_ref())
    }

    /// It ends: nobody need be waited for any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Recovered sockets need not ask the middlewares again.
    pub(crate) fn skips_middlewares(&self) -> bool {
        self.recovery.as_ref().is_some_and(|rules| rules.skips_middlewares())
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.live.read().config.limits.max_payload
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Front for Hub {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.live.read().config)
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

fn random_id() -> Text {
    let mut random = [0; 15];
    // Without randomness from the system there are no secrets, and so no sessions: nothing sensible can go on.
    #[expect(
        clippy::expect_used,
        reason = "no input can cause it, and predictable session ids must never be handed out"
    )]
    getrandom::fill(&mut random).expect("the operating system has no random numbers");
    handshake::session_id(random)
}
