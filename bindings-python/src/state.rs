//! Everything a server holds while it runs, and the two queues between Python and the engine.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::ThreadId;

use bytes::Bytes;
use ferrio_embed::{AckId, ClientId, Command, ConnId, Engine, Event, SocketId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::client::ClientCore;
use crate::crew::Crew;
use crate::errors;
use crate::seat;
use crate::table::{Connection, Slots, Socket};
use crate::task::Start;
use crate::wake::Bell;
use crate::worker::Worker;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) running: Option<Running>,
    /// Run handlers in the worker's Task, or a Task of their own each.
    pub(crate) eager: bool,
    /// False: an event's handler ends before the connection's next event begins.
    pub(crate) async_handlers: bool,
    pub(crate) kind: Kind,

    // In.
    /// Events that were drained and are not dispatched yet.
    pub(crate) ring: VecDeque<Event>,
    /// Connections that are busy no more while something is parked: it comes before what is in the ring.
    pub(crate) unparked: VecDeque<ConnId>,
    pub(crate) draining: bool,
    /// `drain` is among the loop's next callbacks.
    pub(crate) drain_scheduled: bool,
    /// The Task that waits for events.
    pub(crate) idle: Option<Py<Worker>>,
    /// Tasks whose handler waits. asyncio itself holds Tasks weakly.
    pub(crate) waiting: HashMap<usize, Py<Worker>>,
    /// Events dispatched in this drain.
    pub(crate) budget: usize,

    /// Handlers of a crew that have blocked, and how often that is remembered.
    pub(crate) blocking: HashMap<usize, u8>,

    // Out.
    pub(crate) queue: Vec<Command>,
    pub(crate) queued_bytes: usize,
    pub(crate) flush_scheduled: bool,
    /// Emits in this turn of the loop, and their bytes: see [`State::is_breathless`].
    pub(crate) turn_emits: usize,
    pub(crate) turn_bytes: usize,

    // Who is there.
    pub(crate) connections: Slots<Connection>,
    pub(crate) by_eio_sid: HashMap<Bytes, ConnId>,
    pub(crate) sockets: Slots<Socket>,
    pub(crate) by_sid: HashMap<Bytes, SocketId, ahash::RandomState>,
    /// Sockets whose connect handler runs.
    pub(crate) connecting: Vec<SocketId>,
    /// Sockets by namespace.
    pub(crate) population: HashMap<Bytes, usize>,

    // What is awaited.
    /// Numbers of requests, links and acks: one count for all, so that no number means two things.
    pub(crate) last_number: u64,
    /// Futures of HTTP answers.
    pub(crate) requests: HashMap<u64, Py<PyAny>>,
    /// Connections of the host's server that wait for an answer: see `polls`.
    pub(crate) polls: HashMap<u64, Py<PyAny>>,
    /// Requests and links that may open a connection: what `environ` is made of, and the context.
    pub(crate) opening: HashMap<u64, (Py<PyAny>, Py<PyAny>)>,
    /// WebSockets that the host's server frames.
    pub(crate) links: HashMap<u64, (Py<PyAny>, Py<PyAny>)>,
    /// The connection that such a link has opened, or wants to carry on.
    pub(crate) link_conns: HashMap<u64, ConnId>,
    /// Futures of links that may be read again; settled when the state is no longer borrowed.
    pub(crate) feeders: Vec<Py<PyAny>>,
    pub(crate) acks: HashMap<u64, Awaited>,
    /// Connections of clients, whose engine this is.
    pub(crate) clients: HashMap<ClientId, Py<ClientCore>>,
    /// Links of sessions that a program plays, and what has happened there that it has not asked for yet.
    pub(crate) scripts: HashSet<u64>,
    pub(crate) script: VecDeque<Event>,
    /// Resolved when the engine has closed.
    pub(crate) closed: Option<Py<PyAny>>,

    /// Rooms that are no strings, by the object and by the text that stands for it in the engine.
    pub(crate) rooms: Option<Py<PyDict>>,
    pub(crate) room_objects: HashMap<Bytes, Py<PyAny>>,
}

/// Who runs the handlers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event loop: `AsyncServer`.
    #[default]
    Loop,
    /// A crew of threads: `Server`.
    Threads,
    /// Greenlets of one thread: `Server` with gevent or eventlet.
    Greenlets,
}

/// A started engine and those who drain it.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) bell: Arc<Bell>,
    /// Makes what somebody waits with: a future of the loop's, a `Promise` for threads.
    pub(crate) create_future: Py<PyAny>,
    /// The context of handlers on connections that no request of the host's has opened.
    pub(crate) context: Py<PyAny>,
    pub(crate) host: Host,
    /// The process it was started in, see [`forks`].
    pub(crate) generation: u32,
}

pub(crate) enum Host {
    Loop(Box<EventLoop>),
    Threads(Arc<Crew>),
    Greenlets,
}

/// The event loop and those of its methods that are called often.
pub(crate) struct EventLoop {
    pub(crate) event_loop: Py<PyAny>,
    pub(crate) call_soon: Py<PyAny>,
    pub(crate) current_task: Py<PyAny>,
    /// `asyncio.Task`.
    pub(crate) task: Py<PyAny>,
    pub(crate) drain: Py<PyAny>,
    pub(crate) flush: Py<PyAny>,
    pub(crate) thread: ThreadId,
    /// How a worker begins on this loop.
    pub(crate) start: Start,
}

impl Running {
    /// Of an `AsyncServer`.
    pub(crate) fn event_loop(&self) -> PyResult<&EventLoop> {
        match &self.host {
            Host::Loop(event_loop) => Ok(event_loop),
            Host::Threads(_) | Host::Greenlets => Err(PyRuntimeError::new_err("this server has no event loop")),
        }
    }

    /// Whether the caller can wait with what `create_future` makes.
    pub(crate) fn can_wait(&self) -> bool {
        match &self.host {
            Host::Loop(event_loop) => event_loop.thread == std::thread::current().id(),
            Host::Threads(_) | Host::Greenlets => true,
        }
    }

    /// The calling thread may leave a command in the queue: it will submit it.
    fn is_at_work(&self) -> bool {
        match &self.host {
            Host::Loop(event_loop) => event_loop.thread == std::thread::current().id(),
            Host::Threads(crew) => seat::is_leading(crew),
            // A greenlet that waits would keep it.
            Host::Greenlets => false,
        }
    }
}

/// Who waits for a client's ack.
pub(crate) enum Awaited {
    /// `call`: a future of the arguments.
    Future(Py<PyAny>),
    /// `emit_with_acks`: a future of everybody's arguments, and those that have come.
    All {
        future: Py<PyAny>,
        answers: Py<PyList>,
        /// One client was asked: nothing follows its answer.
        one: bool,
    },
    /// `emit(callback=…)`.
    Callback {
        /// Called with the arguments.
        callback: Py<PyAny>,
        /// One client was asked: the first answer is the last.
        one: bool,
    },
    /// See [`crate::script`].
    Barrier(Py<PyAny>),
}

/// Emits in one turn of the loop after which an awaited one lets the loop turn.
const TURN_EMITS: usize = 1024;
/// Bytes in one turn of the loop after which an awaited emit lets the loop turn. As the high mark of one connection.
const TURN_BYTES: usize = 1 << 20;

/// Commands in one submit, at most: what is queued by then goes on its way while the handlers run on.
const FLUSH_COMMANDS: usize = 128;
/// Payload bytes in one submit, at most.
const FLUSH_BYTES: usize = 256 << 10;

impl State {
    pub(crate) fn running(&self) -> PyResult<&Running> {
        match &self.running {
            Some(running) if running.generation == forks() => Ok(running),
            Some(_) => Err(errors::forked()),
            None => Err(PyRuntimeError::new_err("the server is not running")),
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A number for the ack that somebody waits for.
    pub(crate) fn await_ack(&mut self, awaited: Awaited) -> AckId {
        let number = self.number();
        self.acks.insert(number, awaited);
        AckId(number)
    }

    /// Queues a command. Says whether somebody must see to its submission: see [`schedule_flush`].
    ///
    /// A server that was stopped drops it: a handler may outlive its server. One that another process started refuses it.
    pub(crate) fn push(&mut self, command: Command, bytes: usize) -> PyResult<bool> {
        if self.running.is_none() {
            return Ok(false);
        }
        let running = self.running()?;
        // On another thread nobody would see to it.
        let foreign = !running.is_at_work();
        let by_loop = matches!(running.host, Host::Loop(_));
        self.queue.push(command);
        self.queued_bytes += bytes;
        if foreign || self.queue.len() >= FLUSH_COMMANDS || self.queued_bytes >= FLUSH_BYTES {
            self.flush();
            return Ok(false);
        }
        Ok(by_loop && !self.draining && !std::mem::replace(&mut self.flush_scheduled, true))
    }

    /// Counts an emit. True after so many in one turn of the loop that it must turn: an `await` that never suspends would
    /// starve everybody else, and outrun the I/O thread that says who is slow.
    pub(crate) fn is_breathless(&mut self, bytes: usize) -> bool {
        self.turn_emits += 1;
        self.turn_bytes += bytes;
        let breathless = self.turn_emits >= TURN_EMITS || self.turn_bytes >= TURN_BYTES;
        if breathless {
            self.new_turn();
        }
        breathless
    }

    pub(crate) fn new_turn(&mut self) {
        (self.turn_emits, self.turn_bytes) = (0, 0);
    }

    /// One crossing for all that is queued.
    pub(crate) fn flush(&mut self) {
        self.queued_bytes = 0;
        if self.queue.is_empty() {
            return;
        }
        // The queue's memory goes with the commands; what follows is likely to be as much.
        let next = Vec::with_capacity(self.queue.len().min(FLUSH_COMMANDS));
        let commands = std::mem::replace(&mut self.queue, next);
        if let Ok(running) = self.running() {
            running.engine.submit(commands);
        }
    }
}

/// Submits what is queued at the end of the loop's turn.
pub(crate) fn schedule_flush(py: Python<'_>, state: &crate::table::Gil<State>) -> PyResult<()> {
    let callbacks = {
        let state = state.borrow(py);
        let event_loop = state.running()?.event_loop()?;
        (event_loop.call_soon.clone_ref(py), event_loop.flush.clone_ref(py))
    };
    callbacks.0.call1(py, (callbacks.1,)).map(drop)
}

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How often this process was forked from one that had loaded the module.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// `os.register_at_fork(after_in_child=…)`.
#[pyfunction]
pub(crate) fn after_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
