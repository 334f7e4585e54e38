//! The task of a client: its namespaces.

use std::time::{Duration, Instant};

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use serde::Deserialize;

use super::actor::{Actor, Phase};
use super::failure::Failure;
use super::manager::{Asked, AuthReply};
use super::member::{Emit, Member, MemberOptions, Standing, TimerKey, Try, Unsent, Waiter, Waiting, Who};
use super::reason::DisconnectReason;
use crate::ack::AckError;

impl Actor {
    fn find(&self, nsp: &Text) -> Option<usize> {
        self.members.iter().position(|member| member.nsp == *nsp)
    }

    pub(super) fn declare(&mut self, nsp: Text, options: MemberOptions) {
        match self.find(&nsp) {
            Some(index) => self.members[index].options = options,
            None => self.members.push(Member::new(nsp, options)),
        }
    }

    // Joining.

    pub(super) fn join(&mut self, nsp: &Text) {
        let index = self.find(nsp).unwrap_or_else(|| {
            self.members.push(Member::new(nsp.clone(), MemberOptions::default()));
            self.members.len() - 1
        });
        if self.members[index].is_active() {
            // It may have been given up.
            return self.open();
        }
        self.members[index].standing = Standing::Wanted;
        if let Phase::Open(_) = self.phase {
            self.authorize(index);
        } else {
            self.open();
        }
    }

    /// Asks the program for its auth.
    pub(super) fn authorize(&mut self, index: usize) {
        let member = &mut self.members[index];
        member.standing = Standing::Authorizing;
        member.epoch += 1;
        let reply = AuthReply::new(&self.shared, member.nsp.clone(), member.epoch);
        self.observer.auth(&member.nsp, reply);
    }

    pub(super) fn authorized(&mut self, nsp: &Text, epoch: u64, auth: Result<Option<Text>, String>) {
        let Some(index) = self.find(nsp) else { return };
        let member = &mut self.members[index];
        if member.standing != Standing::Authorizing || member.epoch != epoch {
            return;
        }
        let auth = match auth {
            Ok(auth) => auth,
            Err(why) => return self.refused(nsp, &Failure::Auth { why }),
        };
        let Some(engine) = self.phase.engine() else { return };
        member.standing = Standing::Asked;
        let data = member.connect_data(auth);
        engine.drive(|session| session.connect(nsp.clone(), data));
    }

    /// The server lets us in.
    pub(super) fn joined(&mut self, nsp: &Text, data: Option<Text>) {
        #[derive(Deserialize)]
        struct Joined {
            sid: String,
            pid: Option<String>,
        }

        let index = self.find(nsp).filter(|index| self.members[*index].standing == Standing::Asked);
        let Some(index) = index else {
            // We have left meanwhile, which the server does not know yet.
            if let Some(engine) = self.phase.engine() {
                engine.drive(|session| session.disconnect(nsp, Instant::now()));
            }
            return;
        };
        let Some(joined) = data.and_then(|data| serde_json::from_str::<Joined>(&data).ok()) else {
            let why = "the server speaks Socket.IO 2, which this client does not".to_owned();
            if let Some(engine) = self.phase.engine() {
                engine.drive(|session| session.disconnect(nsp, Instant::now()));
            }
            return self.refused(nsp, &Failure::Refused { message: why, data: None });
        };
        let member = &mut self.members[index];
        member.standing = Standing::Joined;
        let pid = joined.pid.map(Text::from);
        let recovered = pid.is_some() && pid == member.pid;
        if !recovered {
            member.offset = None;
        }
        member.pid = pid;
        self.observer.joined(nsp, &joined.sid.into(), recovered);
        let received = std::mem::take(&mut self.members[index].received);
        self.members[index].received_bytes = 0;
        for (id, payload) in received {
            self.deliver(index, id, payload);
        }
        let unsent = std::mem::take(&mut self.members[index].unsent);
        for unsent in unsent {
            self.send(index, unsent.id, &unsent.payload);
        }
        self.try_queue(index, true);
        self.observer.connect(nsp);
    }

    /// It does not, or we do not want to come in.
    pub(super) fn refused(&mut self, nsp: &Text, failure: &Failure) {
        let Some(index) = self.find(nsp).filter(|index| self.members[*index].is_active()) else { return };
        self.members[index].standing = Standing::Inactive;
        self.drop_received(index);
        self.close_if_unused();
        self.observer.connect_error(nsp, failure);
    }

    // Leaving.

    pub(super) fn leave(&mut self, nsp: &Text) {
        let Some(index) = self.find(nsp) else { return };
        let was_joined = self.members[index].standing == Standing::Joined;
        if let Some(engine) = self.phase.engine() {
            engine.drive(|session| session.disconnect(nsp, Instant::now()));
        }
        self.end(index, was_joined, DisconnectReason::ClientDisconnect);
    }

    pub(super) fn forget(&mut self, nsp: &Text) {
        self.leave(nsp);
        if let Some(index) = self.find(nsp) {
            self.abandon(index);
            self.members.remove(index);
        }
    }

    /// The server made us leave.
    pub(super) fn thrown_out(&mut self, nsp: &Text) {
        if let Some(index) = self.find(nsp) {
            self.end(index, true, DisconnectReason::ServerDisconnect);
        }
    }

    fn end(&mut self, index: usize, was_joined: bool, reason: DisconnectReason) {
        let member = &mut self.members[index];
        let nsp = member.nsp.clone();
        member.standing = Standing::Inactive;
        // Whoever leaves on purpose has no state to come back to.
        (member.pid, member.offset) = (None, None);
        self.drop_received(index);
        self.close_if_unused();
        if was_joined {
            self.observer.disconnect(&nsp, true, reason, None);
        }
        if let Some(index) = self.find(&nsp) {
            self.lose_waiters(index);
        }
    }

    /// The connection is over; we want to come back.
    pub(super) fn connection_lost(&mut self, index: usize, reason: DisconnectReason, detail: Option<&str>) {
        let member = &mut self.members[index];
        if !member.is_active() {
            return;
        }
        let was_joined = member.standing == Standing::Joined;
        member.standing = Standing::Wanted;
        self.drop_received(index);
        let nsp = self.members[index].nsp.clone();
        self.observer.disconnect(&nsp, was_joined, reason, detail);
        self.lose_waiters(index);
    }

    fn drop_received(&mut self, index: usize) {
        let member = &mut self.members[index];
        (member.received, member.received_bytes) = (Vec::new(), 0);
    }

    /// Their events were sent, and no answer can come any more.
    fn lose_waiters(&mut self, index: usize) {
        for (_, waiter) in self.members[index].lost_waiters() {
            self.settle(index, waiter, Err(AckError::Disconnected));
        }
    }

    /// Nothing is sent any more, and nobody answered.
    pub(super) fn abandon(&mut self, index: usize) {
        for on_ack in self.members[index].abandon() {
            on_ack(Err(AckError::Disconnected));
        }
    }

    // Events in.

    pub(super) fn message(&mut self, nsp: &Text, id: Option<u64>, payload: Payload) {
        let Some(index) = self.find(nsp) else { return };
        let member = &mut self.members[index];
        match member.standing {
            Standing::Joined => self.deliver(index, id, payload),
            Standing::Asked => {
                member.received_bytes += payload.size();
                member.received.push((id, payload));
                if self.members[index].received_bytes > self.shared.options.lock().limits.max_payload
                    && let Some(engine) = self.phase.engine()
                {
                    tracing::warn!(namespace = %nsp, "the server sends without end before it lets us in");
                    engine.close(false, Instant::now());
                }
            }
            Standing::Inactive | Standing::Wanted | Standing::Authorizing => {}
        }
    }

    fn deliver(&mut self, index: usize, id: Option<u64>, payload: Payload) {
        let member = &mut self.members[index];
        member.note_offset(&payload);
        let asked = id.map(|id| Asked { id, epoch: member.epoch });
        self.observer.message(&self.members[index].nsp, asked, payload);
    }

    pub(super) fn answered(&mut self, nsp: &Text, id: u64, payload: Payload) {
        let Some(index) = self.find(nsp) else { return };
        // An answer that nobody waits for (any more) is none.
        if let Some(waiter) = self.members[index].take_waiter(id) {
            self.settle(index, waiter, Ok(payload));
        }
    }

    pub(super) fn timed_out(&mut self, nsp: &Text, id: u64) {
        let Some(index) = self.find(nsp) else { return };
        if let Some(waiter) = self.members[index].take_waiter(id) {
            self.members[index].forget_unsent(id);
            self.settle(index, waiter, Err(AckError::Timeout));
        }
    }

    fn settle(&mut self, index: usize, waiter: Waiter, result: Result<Payload, AckError>) {
        if let Some(timer) = waiter.timer {
            self.timers.remove(&timer);
        }
        match waiter.who {
            Who::Caller(on_ack) => on_ack(result),
            Who::Retried(number) => {
                if let Some((on_ack, result)) = self.members[index].tried(number, result) {
                    on_ack(result);
                }
                self.try_queue(index, false);
            }
        }
    }

    // Events out.

    pub(super) fn emit(&mut self, nsp: &Text, emit: Emit, waiting: Waiting) {
        let Some(index) = self.find(nsp) else {
            if let Some(on_ack) = emit.on_ack {
                on_ack(Err(AckError::Disconnected));
            }
            return;
        };
        if self.members[index].options.retries.is_some() && !emit.volatile {
            self.members[index].push_retried(emit, waiting);
            return self.try_queue(index, false);
        }
        let timeout = emit.timeout.or(self.members[index].options.ack_timeout);
        let writable = self.phase.engine().is_some_and(|engine| engine.is_writable());
        if emit.volatile && !writable {
            // It is not sent. Whoever waits for an answer is told at the end of his patience, or at once if it has none.
            match (emit.on_ack, timeout) {
                (Some(on_ack), None) => on_ack(Err(AckError::Disconnected)),
                (Some(on_ack), Some(_)) => drop(self.await_ack(index, Who::Caller(on_ack), timeout)),
                (None, _) => {}
            }
            return;
        }
        let id = emit.on_ack.map(|on_ack| self.await_ack(index, Who::Caller(on_ack), timeout));
        if self.members[index].standing == Standing::Joined {
            self.send(index, id, &emit.payload);
        } else {
            self.members[index].unsent.push_back(Unsent::new(id, emit.payload, waiting));
        }
    }

    pub(super) fn ack(&mut self, nsp: &Text, asked: Asked, payload: Payload) {
        let Some(index) = self.find(nsp) else { return };
        let member = &self.members[index];
        if member.standing == Standing::Joined
            && member.epoch == asked.epoch
            && let Some(engine) = self.phase.engine()
        {
            engine.send_ack(nsp, asked.id, payload);
        }
    }

    fn send(&mut self, index: usize, id: Option<u64>, payload: &Payload) {
        let nsp = &self.members[index].nsp;
        self.observer.outgoing(nsp, payload);
        if let Some(engine) = self.phase.engine() {
            engine.send_event(nsp, id, payload.clone());
        }
    }

    /// Sends the first event of the queue.
    fn try_queue(&mut self, index: usize, force: bool) {
        if self.members[index].standing != Standing::Joined {
            return;
        }
        let Some(Try { number, payload, timeout }) = self.members[index].next_try(force) else { return };
        let id = self.await_ack(index, Who::Retried(number), timeout);
        self.send(index, Some(id), &payload);
    }

    fn await_ack(&mut self, index: usize, who: Who, timeout: Option<Duration>) -> u64 {
        let id = self.members[index].next_ack();
        let timer = timeout.and_then(|timeout| self.schedule(index, id, timeout));
        self.members[index].await_ack(who, timer)
    }

    /// `None` if it would never strike.
    fn schedule(&mut self, index: usize, id: u64, timeout: Duration) -> Option<TimerKey> {
        let key = (Instant::now().checked_add(timeout)?, self.next_timer);
        self.next_timer += 1;
        self.timers.insert(key, (self.members[index].nsp.clone(), id));
        Some(key)
    }
}
