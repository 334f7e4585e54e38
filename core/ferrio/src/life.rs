//! What a socket goes through, one thing after the other: it asks, is let in, brings events, ends.
//!
//! ```text
//!  CONNECT            middlewares say yes           connect handlers have begun
//!  ───────▶ Asking ─────────────────────▶ Busy ◀────────────────────────────────▶ Idle
//!              │ no, or it left            │  events and the end wait            │
//!              ▼                           ▼                                     ▼
//!             Over ◀──────────────── disconnect handlers are done ◀───────────────
//! ```
//!
//! While a socket is busy its events wait in line. Without [`ordered`](crate::Namespace::ordered) that is only until its
//! connect handlers have had the chance to register listeners; with it, until the handlers of the event before are done.

use std::any::Any;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::dispatch::{Pending, event, panicked, run, spawn};
use crate::error::ConnectError;
use crate::extract::{Asking, Joined, Left};
use crate::handler::{Answer, Called, begin, call};
use crate::handshake::Handshake;
use crate::listeners::{Gathered, List, Listeners};
use crate::peer::Socket;
use crate::recovery::Member;
use crate::router::{Leaving, Shared};
use crate::socket;
use crate::space::Space;
use crate::typemap::TypeMap;

/// What the program's side of a socket is made of.
pub(crate) struct Life {
    pub(crate) shared: Arc<Shared>,
    pub(crate) space: Arc<Space>,
    pub(crate) handshake: Handshake,
    line: Mutex<Line>,
    /// Few sockets have anything of their own: an idle connection should cost little.
    own: OnceLock<Box<Own>>,
}

/// What a program has given to one socket.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) listeners: Listeners,
    pub(crate) extensions: Mutex<TypeMap>,
    /// The client has caught up, or is gone.
    pub(crate) ready: Notify,
}

struct Line {
    stage: Stage,
    waiting: VecDeque<Work>,
    /// Of what waits.
    bytes: usize,
    /// The end of the server does not wait for it.
    excused: bool,
    /// Whether it still does, once there is something to wait for.
    counts: Option<Arc<AtomicBool>>,
    /// The middlewares that have yet to decide.
    asking: Option<AbortHandle>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking,
    Busy,
    Idle,
    Over,
}

/// What stands in line.
pub(crate) enum Work {
    Event { id: Option<u64>, payload: Payload },
    Leave { reason: Reason, detail: Option<Cow<'static, str>>, leaving: Leaving },
}

impl Life {
    pub(crate) fn new(shared: Arc<Shared>, space: Arc<Space>, handshake: Handshake) -> Self {
        let line = Line {
            stage: Stage::Asking,
            waiting: VecDeque::new(),
            bytes: 0,
            excused: false,
            counts: None,
            asking: None,
        };
        Self { shared, space, handshake, line: Mutex::new(line), own: OnceLock::new() }
    }

    /// The life of a socket of the core; it has one once its namespace is known.
    pub(crate) fn of(core: &socket::Socket) -> Option<&Arc<Self>> {
        core.data().and_then(<dyn Any + Send + Sync>::downcast_ref)
    }

    pub(crate) fn own(&self) -> &Own {
        self.own.get_or_init(Box::default)
    }

    pub(crate) fn has_own(&self) -> Option<&Own> {
        self.own.get().map(AsRef::as_ref)
    }

    /// A socket that came back has the extensions it had.
    pub(crate) fn find_again(&self, core: &socket::Socket) {
        if let Some(kept) = core.member().and_then(Member::keepsake)
            && let Some(extensions) = kept.downcast_ref::<TypeMap>()
        {
            self.own().extensions.lock().clone_from(extensions);
        }
    }

    /// Its disconnect handlers are done, or it never got in.
    pub(crate) fn is_over(&self) -> bool {
        self.line.lock().stage == Stage::Over
    }

    /// It is about to end. The end of the server waits for that as long as this is true.
    pub(crate) fn leaves(&self) -> Arc<AtomicBool> {
        let mut line = self.line.lock();
        let counts = Arc::new(AtomicBool::new(!line.excused));
        if !line.excused {
            self.shared.wait_for_one_more();
            line.counts = Some(Arc::clone(&counts));
        }
        counts
    }

    /// A handler of its own waits for the end of the server, which therefore cannot wait for it.
    fn waits_for_the_server(&self) {
        let counts = {
            let mut line = self.line.lock();
            line.excused = true;
            line.counts.take()
        };
        if let Some(counts) = counts {
            self.shared.need_not_wait_for(&counts);
        }
    }

    /// The next in line; without one the socket is idle.
    fn next(&self) -> Option<Work> {
        let mut line = self.line.lock();
        if line.stage == Stage::Over {
            return None;
        }
        let work = line.waiting.pop_front();
        match &work {
            Some(work) => line.bytes -= work.weight(),
            None => line.stage = Stage::Idle,
        }
        work
    }

    /// `task` asks the middlewares. Who leaves meanwhile is no longer asked about: one that never decides would keep all
    /// that the client has sent.
    fn decided_by(&self, task: AbortHandle) {
        let mut line = self.line.lock();
        match line.stage {
            Stage::Asking => line.asking = Some(task),
            Stage::Over => task.abort(),
            Stage::Busy | Stage::Idle => {}
        }
    }

    /// Nothing comes any more.
    fn end(&self) {
        let mut line = self.line.lock();
        line.stage = Stage::Over;
        line.bytes = 0;
        let waiting = std::mem::take(&mut line.waiting);
        let asking = line.asking.take();
        drop(line);
        drop(waiting);
        if let Some(asking) = asking {
            asking.abort();
        }
        if let Some(own) = self.has_own() {
            // Handlers may hold the socket, and so themselves.
            own.listeners.clear();
            own.ready.notify_waiters();
        }
    }
}

impl Work {
    fn weight(&self) -> usize {
        // What an entry costs beyond its bytes, so that many small ones count too.
        const ENTRY: usize = 128;
        match self {
            Self::Event { payload, .. } => ENTRY + payload.size(),
            Self::Leave { .. } => 0,
        }
    }
}

// The beginning.

/// A client asks to be let in.
pub(crate) fn ask(socket: &Socket) {
    let skips = socket.recovered() && socket.core().connection().hub().skips_middlewares();
    if socket.life().space.has_middlewares() && !skips {
        let asked = socket.clone();
        let decision = Box::pin(async move {
            match middlewares(&asked).await {
                Ok(()) => welcome(&asked),
                Err(error) => refuse(&asked, &error),
            }
        });
        let runtime = &socket.life().shared.runtime;
        if let Called::Pending(rest) = begin(decision, runtime) {
            socket.life().decided_by(runtime.spawn(rest).abort_handle());
        }
    } else {
        welcome(socket);
    }
}

async fn middlewares(socket: &Socket) -> Result<(), ConnectError> {
    let life = socket.life();
    let asking = Asking { socket: socket.clone() };
    for list in life.space.middlewares() {
        for entry in list.entries() {
            let verdict = match call(&*entry.run, &asking, &life.shared.runtime) {
                Called::Done(verdict) => Ok(verdict),
                Called::Pending(future) => future.await,
                Called::Mismatch(mismatch) => {
                    tracing::debug!(namespace = %life.space.name(), %mismatch, "a middleware cannot be called");
                    Ok(Err(mismatch.into()))
                }
                Called::Panicked(panic) => Err(panic),
            };
            // Whoever guards the door has fainted: nobody gets in.
            verdict.unwrap_or_else(|panic| {
                panicked(&asking, "middleware", &panic);
                Err(ConnectError::new("Internal server error"))
            })?;
        }
    }
    Ok(())
}

fn refuse(socket: &Socket, error: &ConnectError) {
    let life = socket.life();
    life.end();
    socket.core().reject(Text::from(error.to_json(socket.speaks_v3())));
    life.shared.cleanup(socket);
}

fn welcome(socket: &Socket) {
    let life = socket.life();
    {
        let mut line = life.line.lock();
        if line.stage != Stage::Asking {
            return;
        }
        // Before the client is told: it may answer sooner than its connect handlers register listeners.
        line.stage = Stage::Busy;
        line.asking = None;
    }
    if !socket.core().accept() {
        life.end();
        socket.core().release();
        life.shared.cleanup(socket);
        return;
    }
    let joined = Joined { socket: socket.clone() };
    let mut pending = Pending::new();
    for list in life.space.connects() {
        for entry in list.entries() {
            run(entry.run.as_ref(), &joined, "connect", drop::<Answer>, &mut pending);
        }
    }
    go_on(socket, pending);
}

// The middle.

/// Something happened to a socket.
pub(crate) fn submit(socket: &Socket, work: Work) {
    let life = socket.life();
    let ordered = life.space.is_ordered();
    {
        let mut line = life.line.lock();
        match (line.stage, &work) {
            // It never got in, and is gone: nobody is told.
            (Stage::Asking, Work::Leave { .. }) => line.stage = Stage::Over,
            (Stage::Asking | Stage::Over, Work::Event { .. }) => return,
            (Stage::Busy, _) => {
                line.bytes += work.weight();
                if line.bytes <= life.shared.max_waiting {
                    line.waiting.push_back(work);
                    return;
                }
                drop(line);
                tracing::debug!(socket = socket.id(), "events come faster than their handlers finish: closed");
                return socket.core().connection().close(true);
            }
            (Stage::Idle, Work::Event { .. }) if !ordered => {}
            (Stage::Idle, _) => line.stage = Stage::Busy,
            (Stage::Over, Work::Leave { .. }) => {}
        }
        if line.stage == Stage::Over {
            drop(line);
            life.end();
            socket.core().release();
            life.shared.cleanup(socket);
            return;
        }
    }
    let pending = start(socket, work);
    if ordered {
        go_on(socket, pending);
    } else {
        pending.into_iter().for_each(|future| spawn(&life.shared, future));
    }
}

/// Works off the line, after what pends if the order counts.
fn go_on(socket: &Socket, mut pending: Pending) {
    let life = socket.life();
    let ordered = life.space.is_ordered();
    loop {
        if ordered && !pending.is_empty() {
            let socket = socket.clone();
            let within = socket.clone();
            life.shared.runtime.spawn(WITHIN.scope(within, async move {
                loop {
                    for future in pending {
                        // Panics have been reported where the future was made.
                        let _ = future.await;
                    }
                    let Some(work) = socket.life().next() else { return };
                    pending = start(&socket, work);
                }
            }));
            return;
        }
        pending.into_iter().for_each(|future| spawn(&life.shared, future));
        let Some(work) = life.next() else { return };
        pending = start(socket, work);
    }
}

fn start(socket: &Socket, work: Work) -> Pending {
    match work {
        Work::Event { id, payload } => event(socket, id, payload),
        Work::Leave { reason, detail, leaving } => {
            let left = Left { socket: socket.clone(), reason, detail };
            let mut pending = Pending::new();
            let leave = WITHIN.scope(socket.clone(), leave(left, leaving));
            if let Called::Pending(rest) = begin(Box::pin(leave), &socket.life().shared.runtime) {
                pending.push(rest);
            }
            pending
        }
    }
}

// The end.

tokio::task_local! {
    /// The socket whose end comes after what runs here.
    static WITHIN: Socket;
}

/// Waits for the end of the server, in a handler or elsewhere. The socket of a handler cannot end before it, and is not waited
/// for: or both would wait for ever.
pub(crate) async fn outlive<R>(end: impl Future<Output = R>) -> R {
    let mut end = pin!(end);
    poll_fn(|context| {
        let _ = WITHIN.try_with(|socket| socket.life().waits_for_the_server());
        end.as_mut().poll(context)
    })
    .await
}

async fn leave(left: Left, leaving: Leaving) {
    let socket = &left.socket;
    let life = socket.life();
    let (mut disconnecting, mut disconnect) = (Gathered::new(), Gathered::new());
    life.space.each(|space| space.listeners.gather_left(&mut disconnecting, &mut disconnect));
    if let Some(own) = life.has_own() {
        own.listeners.gather_left(&mut disconnecting, &mut disconnect);
    }
    for (what, lists) in [("disconnecting", disconnecting), ("disconnect", disconnect)] {
        let mut pending = Pending::new();
        for entry in lists.iter().flat_map(List::entries) {
            run(entry.run.as_ref(), &left, what, drop::<Answer>, &mut pending);
        }
        for future in pending {
            let _ = future.await;
        }
        // After the first round it leaves its rooms; once more does no harm.
        if let (Some(member), Some(own)) = (socket.core().member(), life.has_own()) {
            member.keep(Arc::new(own.extensions.lock().clone()));
        }
        socket.core().release();
    }
    life.end();
    life.shared.cleanup(socket);
    drop(leaving);
}
