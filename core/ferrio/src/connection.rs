//! One Engine.IO connection: drives its session, and passes what comes of it to the queue and to the application.
//!
//! Whoever has input for a session (its socket's task, an HTTP request, the clock, an application's call) locks it, feeds
//! it, and carries out its outputs. The lock covers the session and the order of its outputs, never a call to the
//! application; the outbound queue below it is a leaf with a lock of its own, so that a broadcast needs no session.

use std::borrow::Cow;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use ferrio_protocol::engine::{Frame, Revision, Transport};
use ferrio_protocol::message::Item;
use ferrio_protocol::session::{Layer, Settings};
use ferrio_protocol::{Cause, Event, Input, Limit, Output, Reason, Session, Text, Via};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::admission::Admitted;
use crate::backlog::{Announced, Backlog};
use crate::clock::Key;
use crate::hub::{Deafness, Hub};
use crate::lane::{Wire, WireId};
use crate::namespace::Namespace;
use crate::net::websocket;
use crate::outbound::{Flushed, Outbound, Poll, Waiting};
use crate::socket::Socket;
use crate::turn::Turn;

/// A client's connection, shared by its namespaces.
pub struct Connection {
    sid: Text,
    key: u64,
    revision: Revision,
    base64: bool,
    hub: Hub,
    driven: Mutex<Driven>,
    outbound: Mutex<Outbound>,
    backlog: Backlog,
    sockets: Mutex<Sockets>,
    /// As the session, for those who push past it.
    watched: AtomicBool,
    /// The application takes nothing of what this client sends, for now. Changed with `owed` locked.
    held: AtomicBool,
    /// The answer to a POST that was taken meanwhile: the client waits for it before it sends another.
    owed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    tag: AtomicU64,
    /// Of its events, for the [`Meter`](crate::rate::Meter) if there is one.
    event_mark: AtomicU64,
}

/// The sockets that have not ended.
#[derive(Default)]
struct Sockets {
    list: SmallVec<[Socket; 1]>,
    /// The connection has ended: none come any more.
    over: bool,
}

/// The session, its entries with the clock, and the place it takes.
struct Driven {
    session: Session,
    armed: Option<Key>,
    /// Somebody will look whether its peer takes anything.
    looked_after: Option<Key>,
    place: Option<Admitted>,
}

/// What a drive left to be done once the session is unlocked.
#[derive(Default)]
struct Aftermath {
    events: SmallVec<[Event; 16]>,
    polls: SmallVec<[Poll; 1]>,
    refused: Option<u16>,
    flush: bool,
}

impl Connection {
    /// `session` must be new: its first outputs are carried out by the first drive.
    pub(crate) fn new(
        sid: Text,
        key: u64,
        hub: Hub,
        session: Session,
        mut place: Admitted,
        outbound: Outbound,
    ) -> Arc<Self> {
        if session.layer() == Layer::EngineIo {
            // It has no namespaces.
            place.has_joined();
        }
        Arc::new(Self {
            sid,
            key,
            revision: session.revision(),
            base64: outbound.base64(),
            watched: AtomicBool::new(session.is_watched()),
            hub,
            driven: Mutex::new(Driven { session, armed: None, looked_after: None, place: Some(place) }),
            outbound: Mutex::new(outbound),
            backlog: Backlog::default(),
            held: AtomicBool::new(false),
            owed: Mutex::default(),
            sockets: Mutex::default(),
            tag: AtomicU64::new(u64::MAX),
            event_mark: AtomicU64::new(0),
        })
    }

    /// The session id: a secret between server and client.
    pub fn sid(&self) -> &Text {
        &self.sid
    }

    /// Unique in this process.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The server it belongs to.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.outbound.lock().buffered() + self.backlog.bytes()
    }

    /// A WebSocket of its broke a rule.
    pub(crate) fn count(&self, fault: &websocket::Fault) {
        match fault {
            websocket::Fault::TooBig => self.hub.counters.limit(Limit::MaxPayload),
            websocket::Fault::Flood(limit) => self.hub.counters.limit(*limit),
            websocket::Fault::Utf8 | websocket::Fault::Protocol(_) => {}
        }
    }

    /// Engine.IO 3 or 4.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Binary travels as text.
    pub(crate) fn base64(&self) -> bool {
        self.base64
    }

    /// The transport in use.
    pub fn transport(&self) -> Transport {
        self.driven.lock().session.transport()
    }

    /// Bytes that wait to be sent, announced ones included, and whether they are so many that the peer counts as slow. If it
    /// does, [`Application::drain`](crate::application::Application::drain) follows.
    pub fn buffered(self: &Arc<Self>) -> (usize, bool) {
        let mut outbound = self.outbound.lock();
        self.backlog.watch(true);
        let bytes = outbound.buffered() + self.backlog.bytes();
        let slow = outbound.is_slow(bytes);
        self.backlog.watch(slow);
        let has_caught_up = outbound.has_caught_up(bytes);
        drop(outbound);
        if has_caught_up {
            self.flush_soon();
        }
        (bytes, slow)
    }

    /// Counts so many bytes as waiting that somebody will send, until the answer is dropped.
    pub fn announce(self: &Arc<Self>, bytes: usize) -> Announced {
        Announced::new(self, &self.backlog, bytes)
    }

    pub(crate) fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Nothing is stuck: what is sent now leaves now. On polling, that a GET waits.
    pub fn is_writable(&self) -> bool {
        self.outbound.lock().is_writable() && self.backlog.bytes() == 0
    }

    /// The sockets of this connection that have not ended.
    pub fn sockets(&self) -> Vec<Socket> {
        self.sockets.lock().list.to_vec()
    }

    /// Carries out what a new session says first.
    pub(crate) fn start(self: &Arc<Self>) {
        self.drive(|_, _| {});
    }

    /// A number of the application's own; `u64::MAX` until set.
    pub fn tag(&self) -> u64 {
        self.tag.load(Ordering::Acquire)
    }

    /// Sets the application's number.
    pub fn set_tag(&self, tag: u64) {
        self.tag.store(tag, Ordering::Release);
    }

    /// Closes the connection: after what is queued, or at once, without what cannot leave now.
    pub fn close(self: &Arc<Self>, discard: bool) {
        if discard {
            self.flush();
        }
        self.drive(|session, now| {
            let reason = session.forced();
            session.close(reason, discard, now);
        });
    }

    /// Whether the application hears of every packet
    /// ([`Application::packet`](crate::application::Application::packet)). Costs nothing while it does not.
    pub fn watch(self: &Arc<Self>, on: bool) {
        self.drive(|session, _| {
            session.watch(on);
            self.watched.store(on, Ordering::Relaxed);
        });
    }

    /// Stops reading what the client sends, but for what is under way, or goes on with it. Its heartbeats stand in the same
    /// row: held for longer than they may take, it ends with a ping timeout.
    pub fn hold(&self, on: bool) {
        let answer = {
            let mut owed = self.owed.lock();
            self.held.store(on, Ordering::Release);
            if on { None } else { owed.take() }
        };
        if !on {
            self.hub.release();
        }
        if let Some(answer) = answer {
            answer();
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// A POST has been taken and its client still waits for the answer.
    pub(crate) fn owes_answer(&self) -> bool {
        self.owed.lock().is_some()
    }

    /// Answers a POST: now, or when the connection is held no more.
    pub(crate) fn answer(&self, answer: impl FnOnce() + Send + 'static) {
        let mut owed = self.owed.lock();
        if self.is_held() && owed.is_none() {
            *owed = Some(Box::new(answer));
            return;
        }
        drop(owed);
        answer();
    }

    /// Other settings, for what begins from now on.
    pub(crate) fn configure(self: &Arc<Self>, settings: Arc<Settings>) {
        self.drive(|session, _| session.configure(settings));
    }

    /// Its transport was cut by somebody who could: the session ends as if the peer had done it.
    pub fn lose(self: &Arc<Self>, error: bool) {
        let cause = if error { Cause::Error("connection error".into()) } else { Cause::Closed };
        self.handle(Input::Closed { via: Via::Main, cause });
    }

    /// The application hears that it ends; it does once what is queued has been sent.
    pub(crate) fn end(self: &Arc<Self>, reason: Reason, detail: Option<Cow<'static, str>>) {
        self.drive(|session, now| session.close_for(reason, detail, false, now));
    }

    /// The close frame that its WebSocket, if it has one by then, ends with.
    pub(crate) fn say_at_end(&self, frame: Bytes) {
        self.outbound.lock().say_at_end(frame);
    }

    /// Nothing of it is left.
    pub(crate) fn is_gone(&self) -> bool {
        self.driven.lock().place.is_none()
    }

    pub(crate) fn shut_down(self: &Arc<Self>) {
        // What was sent in the same turn leaves, if it can.
        self.flush();
        self.drive(|session, now| session.close(Reason::ServerShuttingDown, true, now));
        // A session that was closing already is not waited for either.
        self.drive(|session, now| session.close(Reason::ServerShuttingDown, true, now));
    }

    // Input from transports.

    /// Something happened. Gives the status to refuse it with, if it is refused.
    pub(crate) fn handle(self: &Arc<Self>, input: Input) -> Option<u16> {
        // What the handlers of a whole payload send leaves in one answer.
        let _turn = Turn::enter();
        self.drive(|session, now| session.handle(input, now))
    }

    /// Frames of one read of a WebSocket, fed in one go.
    pub(crate) fn frames(self: &Arc<Self>, frames: impl Iterator<Item = Frame>) {
        self.drive_all(frames.map(|frame| {
            |session: &mut Session, now| {
                let via = via(session);
                session.handle(Input::Frame { via, frame }, now);
            }
        }));
    }

    /// A WebSocket of ours ended.
    pub(crate) fn wire_closed(self: &Arc<Self>, id: WireId, cause: Cause) {
        self.drive(|session, now| {
            let via = via(session);
            session.handle(Input::Closed { via, cause }, now);
        });
        // A candidate ends alone; its session lives on without it.
        self.outbound.lock().candidate_closed(id);
    }

    /// A GET that waits for packets; given back with the status to refuse it with, if it may not.
    pub(crate) fn poll(self: &Arc<Self>, waiting: Waiting) -> Result<(), (Waiting, u16)> {
        let mut refused = Some(waiting);
        let status = self.drive(|session, now| {
            session.handle(Input::Poll, now);
            // Within the session's lock: of two GETs at once, one overlaps.
            refused = self.outbound.lock().wait(refused.take());
        });
        match refused {
            Some(waiting) => Err((waiting, status.unwrap_or(400))),
            None => {
                self.flush();
                Ok(())
            }
        }
    }

    /// The client of a GET went away.
    pub(crate) fn poll_gone(self: &Arc<Self>, ticket: u64) {
        if self.outbound.lock().poll_gone(ticket) {
            self.handle(Input::PollAborted);
        }
    }

    /// A WebSocket wants to replace polling; given back if it may not.
    pub(crate) fn candidate(self: &Arc<Self>, id: WireId, wire: Wire) -> Result<(), Wire> {
        let mut refused = Some(wire);
        self.drive(|session, now| {
            if session.welcomes_candidate()
                && let Some(wire) = refused.take()
            {
                self.outbound.lock().set_candidate(id, wire);
                session.handle(Input::Candidate, now);
            }
        });
        refused.map_or(Ok(()), Err)
    }

    // The outbound side.

    /// Queues an item, from any thread.
    pub(crate) fn push(self: &Arc<Self>, item: Item) {
        if self.watched.load(Ordering::Relaxed) {
            return self.write_watched(&[item]);
        }
        let flush = self.outbound.lock().push(item);
        if flush {
            self.flush_soon();
        }
    }

    /// Sends messages that are none of Socket.IO's: all of them, or, if they are volatile, perhaps none. From any thread.
    pub fn write(self: &Arc<Self>, items: &[Item]) {
        if self.watched.load(Ordering::Relaxed) {
            return self.write_watched(items);
        }
        let (_, flush) = self.outbound.lock().push_all(items);
        if flush {
            self.flush_soon();
        }
    }

    fn write_watched(self: &Arc<Self>, items: &[Item]) {
        let (taken, flush) = self.outbound.lock().push_all(items);
        if taken {
            for item in items {
                item.packets(|packet| self.hub.app.packet(self, true, packet));
            }
        }
        if flush {
            self.flush_soon();
        }
    }

    /// Bytes past the queue on one WebSocket.
    pub(crate) fn push_raw(&self, wire: WireId, bytes: Bytes, close: bool) {
        self.outbound.lock().push_raw(wire, bytes, close);
    }

    /// Runs `work` on the outbound side. A leaf lock: nothing may be called from within.
    pub(crate) fn with_outbound<R>(&self, work: impl FnOnce(&mut Outbound) -> R) -> R {
        work(&mut self.outbound.lock())
    }

    /// Flushes at the end of the turn, or now if there is none.
    pub(crate) fn flush_soon(self: &Arc<Self>) {
        if !Turn::note(self) {
            self.flush();
        }
    }

    /// Writes what can be written, and sees to what follows from it.
    pub(crate) fn flush(self: &Arc<Self>) {
        let Flushed { poll, drained, ended, broken, overflowed, stuck } = {
            let mut outbound = self.outbound.lock();
            let flushed = outbound.flush(self.backlog.bytes());
            if flushed.drained {
                self.backlog.watch(false);
            }
            flushed
        };
        if let Some(poll) = poll {
            poll.answer();
        }
        if drained {
            self.hub.app.drain(self);
        }
        if stuck {
            self.look_after();
        }
        let cause = match broken {
            Some(cause) => cause,
            None if overflowed => {
                self.hub.counters.limit(Limit::HardLimit);
                Cause::Slow("more waits to be sent than the hard limit".into())
            }
            None if ended => Cause::Closed,
            None => return,
        };
        self.handle(Input::Closed { via: Via::Main, cause });
    }

    /// Something waits for the peer: it may for as long as the write timeout, unless something of it leaves meanwhile.
    fn look_after(self: &Arc<Self>) {
        let limit = self.hub.write_timeout();
        let Some(stuck) = self.outbound.lock().oversee() else { return };
        let now = Instant::now();
        // A time that no clock will show does not come.
        let Some(end) = stuck.checked_add(limit) else { return };
        if now >= end {
            let detail = "nothing of what waits to be sent was taken in time";
            self.hub.counters.limit(Limit::WriteTimeout);
            self.handle(Input::Closed { via: Via::Main, cause: Cause::Slow(detail.into()) });
            return;
        }
        let mut driven = self.driven.lock();
        if driven.place.is_some() {
            let connection = Arc::clone(self);
            driven.looked_after = Some(self.hub.clock.schedule(end, move || {
                connection.driven.lock().looked_after = None;
                connection.look_after();
            }));
        }
    }

    // What sockets ask for.

    pub(crate) fn accept(self: &Arc<Self>, namespace: &Namespace, data: Text) -> bool {
        let mut accepted = false;
        self.drive(|session, _| accepted = session.accept(namespace.name(), Some(data)));
        if accepted && let Some(place) = &mut self.driven.lock().place {
            place.has_joined();
        }
        accepted
    }

    pub(crate) fn reject(self: &Arc<Self>, socket: &Socket, data: Text) {
        self.sockets.lock().list.retain(|other| other != socket);
        self.drive(|session, _| {
            session.reject(socket.namespace().name(), data);
        });
    }

    pub(crate) fn disconnect(self: &Arc<Self>, socket: &Socket) {
        let known = {
            let mut sockets = self.sockets.lock();
            let before = sockets.list.len();
            sockets.list.retain(|other| other != socket);
            sockets.list.len() < before
        };
        socket.revoke();
        if known {
            self.drive(|session, now| {
                session.disconnect(socket.namespace().name(), now);
            });
            socket.tell_disconnect(Reason::ServerNamespaceDisconnect, None);
        }
    }

    pub(crate) fn disconnect_all(self: &Arc<Self>) {
        let _turn = Turn::enter();
        for socket in self.sockets() {
            self.disconnect(&socket);
        }
        self.close(false);
    }

    // The drive.

    fn drive(self: &Arc<Self>, act: impl FnOnce(&mut Session, Instant)) -> Option<u16> {
        self.drive_all(iter::once(act))
    }

    /// Each in its turn, its outputs carried out before the next.
    fn drive_all(self: &Arc<Self>, acts: impl Iterator<Item = impl FnOnce(&mut Session, Instant)>) -> Option<u16> {
        let mut aftermath = Aftermath::default();
        {
            let mut driven = self.driven.lock();
            if driven.session.transport() == Transport::Polling {
                let waiting = self.outbound.lock().poll_waits();
                driven.session.set_poll_waiting(waiting);
            }
            let now = Instant::now();
            for act in acts {
                act(&mut driven.session, now);
                while let Some(output) = driven.session.next_output() {
                    self.carry_out(output, &mut driven, &mut aftermath);
                }
            }
            loop {
                match driven.session.poll() {
                    Output::Wait(at) => {
                        self.arm(&mut driven, at);
                        break;
                    }
                    output => self.carry_out(output, &mut driven, &mut aftermath),
                }
            }
        }
        for poll in aftermath.polls {
            poll.answer();
        }
        if aftermath.flush {
            self.flush_soon();
        }
        for event in aftermath.events {
            self.tell(event);
        }
        aftermath.refused
    }

    fn carry_out(self: &Arc<Self>, output: Output, driven: &mut Driven, aftermath: &mut Aftermath) {
        match output {
            Output::Send(item) => aftermath.flush |= self.outbound.lock().push_own(item),
            Output::SendCandidate(packet) => self.outbound.lock().send_candidate(&packet),
            Output::Switch => {
                aftermath.polls.extend(self.outbound.lock().switch());
                aftermath.flush = true;
            }
            Output::DropCandidate => self.outbound.lock().drop_candidate(),
            Output::Nudge => {
                self.outbound.lock().nudge();
                aftermath.flush = true;
            }
            Output::Refuse(status) => aftermath.refused = Some(status),
            Output::Event(event) => aftermath.events.push(event),
            Output::Finish { end, discard } => {
                self.outbound.lock().finish(end, discard);
                aftermath.flush = true;
            }
            Output::Gone => {
                for key in driven.armed.take().into_iter().chain(driven.looked_after.take()) {
                    self.hub.clock.cancel(key);
                }
                self.hub.forget(&self.sid);
                driven.place = None;
                // Last, so that nothing is queued behind it; a `Finish` before it has left its packet there.
                aftermath.polls.extend(self.outbound.lock().close());
            }
            // For the client's driver only; a server's session never pauses, and `Wait` ends the loop above.
            Output::Pause | Output::Wait(_) => {}
        }
    }

    fn arm(self: &Arc<Self>, driven: &mut Driven, at: Option<Instant>) {
        let Some(at) = at else { return };
        if driven.armed.is_some_and(|(armed, _)| armed <= at) {
            return;
        }
        if let Some(key) = driven.armed.take() {
            self.hub.clock.cancel(key);
        }
        let connection = Arc::clone(self);
        driven.armed = Some(self.hub.clock.schedule(at, move || {
            connection.driven.lock().armed = None;
            if let Some(deaf) = connection.hub.deafness(Instant::now()) {
                connection.drive(|session, now| session.excuse(deaf == Deafness::Over, now));
            }
            connection.handle(Input::Timeout);
        }));
    }

    fn tell(self: &Arc<Self>, event: Event) {
        let app = &self.hub.app;
        if matches!(event, Event::Message { .. } | Event::Data(_) | Event::Connect { .. }) && !self.may_send_events() {
            return;
        }
        match event {
            Event::Message { nsp, id, payload } => {
                if let Some(socket) = self.socket(&nsp) {
                    if id.is_some() {
                        socket.owes_answer();
                    }
                    app.message(&socket, id, payload);
                }
            }
            Event::Ack { nsp, id, payload } => {
                if let Some(socket) = self.socket(&nsp) {
                    socket.answered(id, payload);
                }
            }
            Event::Connect { nsp, data } => self.asked(nsp, data),
            Event::Disconnect { nsp } => {
                if let Some(socket) = self.take_socket(&nsp) {
                    socket.tell_disconnect(Reason::ClientNamespaceDisconnect, None);
                }
            }
            Event::Fault(error) => {
                tracing::debug!(%error, "a client broke the protocol");
                for socket in self.sockets() {
                    app.fault(&socket, &error);
                }
            }
            Event::Closed { reason, detail } => self.closed(reason, detail),
            Event::Limit(limit) => self.hub.counters.limit(limit),
            Event::Upgraded => app.upgrade(self),
            Event::Data(data) => app.data(self, data),
            Event::Packet { sent, packet } => app.packet(self, sent, packet),
            // The client's.
            Event::Opened(_) | Event::ConnectError { .. } => {}
        }
    }

    /// One more event has come. If that is one too many, the connection ends, and nothing that it has sent counts any more.
    fn may_send_events(self: &Arc<Self>) -> bool {
        let Some((meter, now)) = self.hub.event_meter() else { return true };
        let admit = |mark| meter.admit(mark, now).ok();
        if self.event_mark.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).is_ok() {
            return true;
        }
        self.drive(|session, now| {
            // What else came with the event that was one too many is behind its end.
            if !session.is_open() {
                return;
            }
            self.hub.counters.limit(Limit::EventsPerClient);
            session.close_for(Reason::RateLimited, Some("more events than a client may send".into()), true, now);
        });
        false
    }

    /// The client asks to join a namespace.
    pub(crate) fn asked(self: &Arc<Self>, nsp: Text, data: Option<Text>) {
        // Without one it comes back to this, when the socket that the client had is no more.
        let Some(socket) = self.hub.new_socket(self, nsp, data.as_ref()) else { return };
        {
            let mut sockets = self.sockets.lock();
            if !sockets.over {
                sockets.list.push(socket.clone());
                drop(sockets);
                self.hub.app.connect(&socket, data);
                return;
            }
        }
        // It has gone meanwhile: nobody need hear of it.
        socket.release();
    }

    fn closed(self: &Arc<Self>, reason: Reason, detail: Option<Cow<'static, str>>) {
        let sockets = std::mem::replace(&mut *self.sockets.lock(), Sockets { list: SmallVec::new(), over: true });
        for socket in sockets.list {
            socket.tell_disconnect(reason, detail.clone());
        }
        self.hub.counters.close(reason);
        self.hub.app.close(self, reason, detail);
    }

    fn socket(&self, nsp: &str) -> Option<Socket> {
        self.sockets.lock().list.iter().find(|socket| socket.namespace().name() == nsp).cloned()
    }

    fn take_socket(&self, nsp: &str) -> Option<Socket> {
        let mut sockets = self.sockets.lock();
        let at = sockets.list.iter().position(|socket| socket.namespace().name() == nsp)?;
        Some(sockets.list.swap_remove(at))
    }
}

/// A session has one WebSocket at a time that counts: the main one, or the candidate.
fn via(session: &Session) -> Via {
    match session.transport() {
        Transport::WebSocket => Via::Main,
        Transport::Polling => Via::Candidate,
    }
}
