//! The server as the Python package sees it. Every method here is a few lines: what it does stands in the module of the
//! step it belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrio_embed::{Command, ConnId, Drain, Engine, Flags, SocketId, Target, Tls};
use ferrio_protocol::Text;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::codec::Speaker;
use crate::emit::{Answers, Emit};
use crate::hosting::Hosting;
use crate::rooms::Whom;
use crate::seat::Seat;
use crate::state::{Awaited, Host, Kind, State};
use crate::table::{Gil, Phase, Source};
use crate::{answers, dispatch, drain, emit, errors, http, life, polls, presence, rooms, script, seat};

/// The native half of `AsyncServer`, which subclasses it.
///
/// It belongs to one event loop, the one that ran when it was started. Its methods may be called from another thread only
/// where `emit` is said to allow it.
#[pyclass(subclass, frozen, module = "ferrio._ferrio")]
pub(crate) struct ServerCore {
    pub(crate) state: Gil<State>,
    /// `{namespace: {event: handler}}`.
    pub(crate) handlers: Gil<Py<PyDict>>,
    /// Log every event (`logger=True`).
    pub(crate) verbose: AtomicBool,
    /// Events go to `_on_event`, not straight to their handler.
    pub(crate) hears_events: AtomicBool,
    /// `_on_emit` is told of every emit.
    pub(crate) hears_emits: AtomicBool,
    /// `_allows_origin` says whether a request's origin may come.
    pub(crate) asks_origins: AtomicBool,
    /// `_log_packet` is told of every Engine.IO packet (`engineio_logger=True`).
    pub(crate) logs_packets: AtomicBool,
    /// Clients may come back to the state they had.
    pub(crate) recovers: AtomicBool,
    /// What makes text of values and reads them, if not the crate itself: see `codec.rs`.
    pub(crate) codec: Gil<Option<Py<PyAny>>>,
}

impl Speaker for ServerCore {
    fn codec(&self) -> &Gil<Option<Py<PyAny>>> {
        &self.codec
    }
}

#[pymethods]
impl ServerCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            state: Gil::new(State { eager: true, async_handlers: true, ..State::default() }),
            handlers: Gil::new(PyDict::new(py).unbind()),
            verbose: AtomicBool::new(false),
            hears_events: AtomicBool::new(false),
            hears_emits: AtomicBool::new(false),
            asks_origins: AtomicBool::new(false),
            logs_packets: AtomicBool::new(false),
            recovers: AtomicBool::new(false),
            codec: Gil::new(None),
        }
    }

    /// `{namespace: {event: handler}}`, looked up at every event.
    #[getter]
    fn handlers(&self, py: Python<'_>) -> Py<PyDict> {
        self.handlers.borrow(py).clone_ref(py)
    }

    #[setter]
    fn set_handlers(&self, py: Python<'_>, handlers: Py<PyDict>) {
        let _old = std::mem::replace(&mut *self.handlers.borrow(py), handlers);
    }

    #[getter]
    fn async_handlers(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).async_handlers
    }

    #[setter]
    fn set_async_handlers(&self, py: Python<'_>, async_handlers: bool) {
        self.state.borrow(py).async_handlers = async_handlers;
    }

    /// Whether handlers may share a Task; see `worker.rs`.
    #[getter(_eager)]
    fn eager(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).eager
    }

    #[setter(_eager)]
    fn set_eager(&self, py: Python<'_>, eager: bool) {
        self.state.borrow(py).eager = eager;
    }

    /// Who runs the handlers: `"loop"`, `"threads"` or `"greenlets"`. Set before the start.
    #[setter(_kind)]
    fn set_kind(&self, py: Python<'_>, kind: &str) -> PyResult<()> {
        self.state.borrow(py).kind = match kind {
            "loop" => Kind::Loop,
            "threads" => Kind::Threads,
            "greenlets" => Kind::Greenlets,
            _ => return Err(PyValueError::new_err("loop, threads or greenlets")),
        };
        Ok(())
    }

    #[getter(_verbose)]
    fn verbose(&self) -> bool {
        self.verbose.load(Ordering::Relaxed)
    }

    #[setter(_verbose)]
    fn set_verbose(&self, verbose: bool) {
        self.verbose.store(verbose, Ordering::Relaxed);
    }

    #[getter(_hears_events)]
    fn hears_events(&self) -> bool {
        self.hears_events.load(Ordering::Relaxed)
    }

    #[setter(_hears_events)]
    fn set_hears_events(&self, hears: bool) {
        self.hears_events.store(hears, Ordering::Relaxed);
    }

    #[getter(_hears_emits)]
    fn hears_emits(&self) -> bool {
        self.hears_emits.load(Ordering::Relaxed)
    }

    #[setter(_hears_emits)]
    fn set_hears_emits(&self, hears: bool) {
        self.hears_emits.store(hears, Ordering::Relaxed);
    }

    #[getter(_asks_origins)]
    fn asks_origins(&self) -> bool {
        self.asks_origins.load(Ordering::Relaxed)
    }

    #[setter(_asks_origins)]
    fn set_asks_origins(&self, asks: bool) {
        self.asks_origins.store(asks, Ordering::Relaxed);
    }

    #[getter(_logs_packets)]
    fn logs_packets(&self) -> bool {
        self.logs_packets.load(Ordering::Relaxed)
    }

    #[setter(_logs_packets)]
    fn set_logs_packets(&self, logs: bool) {
        self.logs_packets.store(logs, Ordering::Relaxed);
    }

    #[getter(_recovers)]
    fn recovers(&self) -> bool {
        self.recovers.load(Ordering::Relaxed)
    }

    #[setter(_recovers)]
    fn set_recovers(&self, recovers: bool) {
        self.recovers.store(recovers, Ordering::Relaxed);
    }

    #[getter(_codec)]
    fn codec(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.codec.borrow(py).as_ref().map(|codec| codec.clone_ref(py))
    }

    #[setter(_codec)]
    fn set_codec(&self, py: Python<'_>, codec: Option<Py<PyAny>>) {
        let _old = std::mem::replace(&mut *self.codec.borrow(py), codec);
    }

    // ---- life

    /// Starts the engine, unless it runs, on the running loop or with threads or greenlets. `options` gives its options as
    /// JSON text.
    fn _start(slf: &Bound<'_, Self>, options: &Bound<'_, PyAny>) -> PyResult<()> {
        life::start(slf, options)
    }

    /// Whether the engine runs, in this process.
    #[getter]
    fn _running(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).running().is_ok()
    }

    /// Opens a listener; gives its address as `(host, port)`. `hosting` is asked whatever Python has a say on.
    #[pyo3(signature = (address, certificate=None, key=None, hosting=None))]
    fn _listen(
        &self,
        py: Python<'_>,
        address: &str,
        certificate: Option<String>,
        key: Option<String>,
        hosting: Option<PyRef<'_, Hosting>>,
    ) -> PyResult<(String, u16)> {
        let tls = certificate.zip(key).map(|(certificate, key)| Tls { certificate, key });
        let state = self.state.borrow(py);
        let (fallback, gate) = hosting.map_or((None, None), |hosting| (hosting.fallback(), hosting.gate()));
        let engine = &state.running()?.engine;
        let bound = engine.listen(address, tls.as_ref(), fallback, gate).map_err(|error| errors::io(&error))?;
        Ok((bound.ip().to_string(), bound.port()))
    }

    /// Begins to close the engine. The result is a future of the moment when it has closed (the same at every call), `None`
    /// if it does not run.
    fn _close(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        end(self, py, Engine::close)
    }

    /// As `_close`, but clients are sent away over time (all times in seconds): `_close` then ends it at once.
    fn _retire(&self, py: Python<'_>, grace: f64, spread: f64, reason: String) -> PyResult<Option<Py<PyAny>>> {
        let time = |seconds: f64| {
            Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
        };
        let how = Drain { grace: time(grace)?, spread: time(spread)?, reason };
        end(self, py, |engine| engine.drain_clients(how))
    }

    /// Whether newcomers are let in: a server that has not started lets them in when it does.
    #[getter]
    fn ready(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).running().map_or(true, |running| running.engine.is_ready())
    }

    /// Ends the engine's threads and forgets every connection. Waits for the threads with the GIL released.
    fn _stop(slf: &Bound<'_, Self>) -> PyResult<()> {
        life::stop(slf)
    }

    /// What `_close` gave.
    #[getter]
    fn _closing(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.borrow(py).closed.as_ref().map(|closed| closed.clone_ref(py))
    }

    /// Handlers that have begun and wait for something.
    #[getter]
    fn _waiting(&self, py: Python<'_>) -> usize {
        self.state.borrow(py).waiting.len()
    }

    /// It has connections of clients.
    #[getter]
    fn _has_clients(&self, py: Python<'_>) -> bool {
        !self.state.borrow(py).clients.is_empty()
    }

    /// A connect or disconnect handler is running.
    #[getter]
    fn _holding(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).connections.iter().any(|(_, connection)| connection.busy)
    }

    /// Events that wait for a handler of their connection to end.
    #[getter(_parked)]
    fn parked(&self, py: Python<'_>) -> usize {
        self.state.borrow(py).connections.iter().map(|(_, connection)| connection.parked.len()).sum()
    }

    /// Blocks until the engine has something to say; false when it has ended. For loops without `add_reader`.
    fn _wait(&self, py: Python<'_>) -> bool {
        let bell = match &self.state.borrow(py).running {
            Some(running) => Arc::clone(&running.bell),
            None => return false,
        };
        py.detach(|| bell.wait())
    }

    /// A place for a thread or greenlet that runs handlers; `None` if the engine does not run.
    fn _seat(slf: &Bound<'_, Self>) -> PyResult<Option<Seat>> {
        Seat::take(slf)
    }

    /// A place to run what scripted sessions lead to.
    fn _script_seat(slf: &Bound<'_, Self>) -> PyResult<Option<Seat>> {
        Seat::of_script(slf)
    }

    /// A promise of the moment when everything has happened that was asked for before.
    fn _barrier(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        script::barrier(slf)
    }

    /// Sends a raw Engine.IO message (`str` or `bytes`) to a session, if it is there.
    fn _write(slf: &Bound<'_, Self>, eio_sid: &str, message: &Bound<'_, PyAny>) -> PyResult<()> {
        http::write(slf, eio_sid, message)
    }

    /// The calling thread will block: another one leads from here, and what is queued goes out.
    fn _step_aside(&self, py: Python<'_>) {
        seat::step_aside(&mut self.state.borrow(py));
    }

    /// What greenlets watch; -1 if there is nothing.
    fn _descriptor(&self, py: Python<'_>) -> i32 {
        let state = self.state.borrow(py);
        state.running().ok().and_then(|running| running.bell.descriptor()).unwrap_or(-1)
    }

    /// Takes the bell's ring back. Before draining: what happens later rings again.
    fn _silence(&self, py: Python<'_>) {
        if let Ok(running) = self.state.borrow(py).running() {
            running.bell.silence();
        }
    }

    /// Takes what the engine has to say and runs the handlers. A callback of the loop.
    fn _drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        drain::drain(slf)
    }

    /// Submits what is queued. A callback of the loop.
    fn _flush(&self, py: Python<'_>) {
        let mut state = self.state.borrow(py);
        state.flush_scheduled = false;
        state.new_turn();
        state.flush();
    }

    /// Resolves a future, unless it was cancelled. A callback of the loop.
    #[staticmethod]
    fn _settle(future: &Bound<'_, PyAny>) -> PyResult<()> {
        answers::settle(future, future.py().None().bind(future.py()))
    }

    // ---- out

    /// Emits an event to one or more clients. Takes effect when called, not when awaited; awaiting it suspends only while the
    /// one client addressed is above the high mark. May be called from any thread.
    ///
    /// `data`: a tuple is several arguments, `None` is none, anything else is one. `to` (or `room`): a sid, a room, or a list
    /// of them; everybody in the namespace when omitted. `skip_sid`: a sid or a list of sids left out. `callback`: called
    /// with the client's answer. `ignore_queue` has no meaning while there is one process. Raises `TypeError` or `ValueError`,
    /// as `json.dumps` does, for data that is no JSON.
    ///
    /// ferrio's own: `except_`: a room or a list of rooms whose members are left out. `volatile`: dropped for clients that
    /// cannot be written to right now. `compress`: false keeps the body of a poll from being compressed for its sake.
    #[pyo3(signature = (
        event, data=None, to=None, room=None, skip_sid=None, namespace=None, callback=None, ignore_queue=false,
        *, except_=None, volatile=false, compress=true
    ))]
    #[expect(clippy::too_many_arguments, reason = "python-socketio's signature, and Node's flags")]
    fn emit<'py>(
        slf: &Bound<'py, Self>,
        event: &Bound<'py, PyAny>,
        data: Option<&Bound<'py, PyAny>>,
        to: Option<&Bound<'py, PyAny>>,
        room: Option<&Bound<'py, PyAny>>,
        skip_sid: Option<&Bound<'py, PyAny>>,
        namespace: Option<&Bound<'py, PyString>>,
        callback: Option<&Bound<'py, PyAny>>,
        ignore_queue: bool,
        except_: Option<&Bound<'py, PyAny>>,
        volatile: bool,
        compress: bool,
    ) -> PyResult<Py<PyAny>> {
        let _ = ignore_queue;
        let to = match to {
            Some(to) if to.is_truthy()? => Some(to),
            _ => room,
        };
        let flags = Flags { volatile, compress, stamped: false };
        emit::emit(slf, &Emit { event, data, to, skip_sid, except: except_, namespace, flags }, callback)
    }

    /// Emits an event and gives a future of the answer's arguments, or (`all`) of everybody's. It fails with `TimeoutError`,
    /// which then has the `responses` that came.
    #[pyo3(signature = (event, data, to, namespace, timeout=None, *, all=false, skip_sid=None, except_=None))]
    #[expect(clippy::too_many_arguments, reason = "those of emit")]
    fn _ask<'py>(
        slf: &Bound<'py, Self>,
        event: &Bound<'py, PyAny>,
        data: Option<&Bound<'py, PyAny>>,
        to: Option<&Bound<'py, PyAny>>,
        namespace: &Bound<'py, PyString>,
        timeout: Option<f64>,
        all: bool,
        skip_sid: Option<&Bound<'py, PyAny>>,
        except_: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let flags = Flags { volatile: false, compress: true, stamped: false };
        let emit = Emit { event, data, to, skip_sid, except: except_, namespace: Some(namespace), flags };
        emit::ask(slf, &emit, if all { &Answers::All } else { &Answers::First }, timeout)
    }

    /// Adds a client to a room, which may be any hashable object.
    #[pyo3(signature = (sid, room, namespace=None))]
    fn enter_room<'py>(
        slf: &Bound<'py, Self>,
        sid: &Bound<'py, PyAny>,
        room: &Bound<'py, PyAny>,
        namespace: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        rooms::enter_room(slf, sid, room, namespace)
    }

    /// Takes a client out of a room.
    #[pyo3(signature = (sid, room, namespace=None))]
    fn leave_room<'py>(
        slf: &Bound<'py, Self>,
        sid: &Bound<'py, PyAny>,
        room: &Bound<'py, PyAny>,
        namespace: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        rooms::leave_room(slf, sid, room, namespace)
    }

    /// Takes every client out of a room.
    #[pyo3(signature = (room, namespace=None))]
    fn close_room<'py>(
        slf: &Bound<'py, Self>,
        room: &Bound<'py, PyAny>,
        namespace: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        rooms::close_room(slf, room, namespace)
    }

    /// Lets clients enter a room, or each room of a list: those in `to` (a sid, a room, or a list of them), or everybody in
    /// the namespace, without the members of the rooms in `except_`. ferrio's own.
    #[pyo3(signature = (rooms, *, to=None, except_=None, namespace=None))]
    fn sockets_join<'py>(
        slf: &Bound<'py, Self>,
        rooms: &Bound<'py, PyAny>,
        to: Option<&Bound<'py, PyAny>>,
        except_: Option<&Bound<'py, PyAny>>,
        namespace: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        rooms::move_all(slf, &Whom { namespace, to, except: except_ }, rooms, true)
    }

    /// Lets clients leave a room, or each room of a list. See `sockets_join`.
    #[pyo3(signature = (rooms, *, to=None, except_=None, namespace=None))]
    fn sockets_leave<'py>(
        slf: &Bound<'py, Self>,
        rooms: &Bound<'py, PyAny>,
        to: Option<&Bound<'py, PyAny>>,
        except_: Option<&Bound<'py, PyAny>>,
        namespace: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        rooms::move_all(slf, &Whom { namespace, to, except: except_ }, rooms, false)
    }

    // ---- who is there

    /// Whether one more namespace may be made that a client has named, where there are so many.
    fn _has_room_for_child(&self, py: Python<'_>, children: usize) -> bool {
        self.state.borrow(py).running().map_or(true, |running| running.engine.has_room_for_child(children))
    }

    /// What the server has counted, as JSON; `None` while it is not running.
    fn _stats(&self, py: Python<'_>) -> Option<String> {
        self.state.borrow(py).running().ok().map(|running| running.engine.stats())
    }

    /// The rooms a client is in, its own sid among them.
    #[pyo3(signature = (sid, namespace=None))]
    fn rooms<'py>(
        slf: &Bound<'py, Self>,
        sid: &Bound<'py, PyAny>,
        namespace: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Bound<'py, PyList>> {
        rooms::rooms(slf, sid, namespace)
    }

    /// `[(sid, eio_sid)]` of the members of rooms; of everybody in the namespace when `rooms` is `None`.
    #[pyo3(signature = (namespace, rooms, except_=None))]
    fn _members<'py>(
        slf: &Bound<'py, Self>,
        namespace: &Bound<'py, PyString>,
        rooms: Option<&Bound<'py, PyAny>>,
        except_: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        rooms::members(slf, &Whom { namespace: Some(namespace), to: rooms, except: except_ })
    }

    /// Names of the namespaces that have clients.
    fn _namespaces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names: Vec<_> = self.state.borrow(py).population.keys().cloned().collect();
        PyList::new(py, names.iter().map(|name| String::from_utf8_lossy(name).into_owned()))
    }

    /// Clients in a namespace, those among them that are being asked.
    fn _population(&self, py: Python<'_>, namespace: &str) -> usize {
        self.state.borrow(py).population.get(namespace.as_bytes()).copied().unwrap_or(0)
    }

    /// `"connecting"`, `"connected"`, `"leaving"`, or `None` for a client that is not in the namespace.
    fn _phase(&self, py: Python<'_>, sid: &str, namespace: &str) -> Option<&'static str> {
        let mut state = self.state.borrow(py);
        let socket = find(&mut state, sid, namespace)?;
        Some(match state.sockets.get(socket.0)?.phase {
            Phase::Connecting => "connecting",
            Phase::Connected => "connected",
            Phase::Leaving => "leaving",
        })
    }

    /// Whether a client has come back to the state that it had before its connection broke.
    fn _has_recovered(&self, py: Python<'_>, sid: &str, namespace: &str) -> bool {
        let mut state = self.state.borrow(py);
        let socket = find(&mut state, sid, namespace);
        socket.and_then(|socket| state.sockets.get(socket.0)).is_some_and(|member| member.recovered)
    }

    /// The Engine.IO session of a client.
    fn _eio_sid(&self, py: Python<'_>, sid: &str, namespace: &str) -> Option<Py<PyString>> {
        let mut state = self.state.borrow(py);
        let socket = find(&mut state, sid, namespace)?;
        let conn = state.sockets.get(socket.0)?.conn;
        Some(state.connections.get(conn.0)?.eio_sid.clone_ref(py))
    }

    /// The client of an Engine.IO session in a namespace.
    fn _sid(&self, py: Python<'_>, eio_sid: &str, namespace: &str) -> Option<Py<PyString>> {
        let mut state = self.state.borrow(py);
        let conn = *state.by_eio_sid.get(eio_sid.as_bytes())?;
        let sockets = state.connections.get(conn.0)?.sockets.clone();
        sockets.iter().find_map(|socket| {
            let socket = state.sockets.get(socket.0)?;
            (socket.nsp_text == namespace).then(|| socket.sid.clone_ref(py))
        })
    }

    /// `"polling"` or `"websocket"`.
    fn _transport(&self, py: Python<'_>, sid: &str, namespace: &str) -> PyResult<&'static str> {
        let mut state = self.state.borrow(py);
        let socket = find(&mut state, sid, namespace).ok_or_else(errors::no_session)?;
        state.running()?.engine.transport(socket).ok_or_else(errors::no_session)
    }

    /// Whether an Engine.IO session is there.
    fn _has_session(&self, py: Python<'_>, eio_sid: &str) -> bool {
        self.state.borrow(py).by_eio_sid.contains_key(eio_sid.as_bytes())
    }

    /// The one `environ` of an Engine.IO session, made when it is first asked for; `None` for a session that is gone.
    fn _environ(slf: &Bound<'_, Self>, eio_sid: &str) -> PyResult<Option<Py<PyAny>>> {
        http::environ(slf, eio_sid)
    }

    /// Replaces a session's `environ`.
    fn _set_environ(&self, py: Python<'_>, eio_sid: &str, environ: Option<Py<PyAny>>) -> bool {
        let mut state = self.state.borrow(py);
        let Some(&conn) = state.by_eio_sid.get(eio_sid.as_bytes()) else { return false };
        let Some(connection) = state.connections.get(conn.0) else { return false };
        let old = (std::mem::replace(&mut connection.environ, environ), std::mem::take(&mut connection.source));
        drop(state);
        drop(old);
        true
    }

    /// The Engine.IO sessions.
    fn _eio_sids(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.state.borrow(py).connections.iter().map(|(_, connection)| connection.eio_sid.clone_ref(py)).collect()
    }

    /// Sessions by namespace, of a client's connection. `KeyError` for a client that is gone.
    fn _sessions(&self, py: Python<'_>, sid: &str, namespace: &str) -> PyResult<Py<PyDict>> {
        let empty = PyDict::new(py).unbind();
        let mut state = self.state.borrow(py);
        let socket = find(&mut state, sid, namespace).ok_or_else(errors::no_session)?;
        let conn = state.sockets.get(socket.0).ok_or_else(errors::no_session)?.conn;
        let connection = state.connections.get(conn.0).ok_or_else(errors::no_session)?;
        Ok(connection.sessions.get_or_insert(empty).clone_ref(py))
    }

    // ---- joining and leaving

    /// Lets a client in: its CONNECT goes out, its events come in.
    fn _accept(slf: &Bound<'_, Self>, socket: u64) -> PyResult<()> {
        let py = slf.py();
        {
            let mut state = slf.get().state.borrow(py);
            if let Some(member) = state.sockets.get(socket)
                && member.phase == Phase::Connecting
            {
                member.phase = Phase::Connected;
            }
            state.connecting.retain(|other| other.0 != socket);
        }
        dispatch::send(slf, Command::Accept { socket: SocketId(socket) }, 0)
    }

    /// Refuses a client with any JSON value.
    fn _reject(slf: &Bound<'_, Self>, socket: u64, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let refusal = crate::codec::value(slf, data)?;
        presence::remove_socket(slf, SocketId(socket))?;
        dispatch::send(slf, Command::Reject { socket: SocketId(socket), data: refusal.text }, 0)
    }

    /// Begins to disconnect a client, or (`close`) its whole connection; gives the number to release it by, `None` if it is
    /// not connected.
    #[pyo3(signature = (sid, namespace, close=false))]
    fn _leave(slf: &Bound<'_, Self>, sid: &str, namespace: &str, close: bool) -> PyResult<Option<u64>> {
        let py = slf.py();
        let socket = {
            let mut state = slf.get().state.borrow(py);
            let Some(socket) = find(&mut state, sid, namespace) else { return Ok(None) };
            match state.sockets.get(socket.0) {
                Some(member) if member.phase == Phase::Connected => member.phase = Phase::Leaving,
                _ => return Ok(None),
            }
            socket
        };
        dispatch::send(slf, Command::Disconnect { socket, close }, 0)?;
        Ok(Some(socket.0))
    }

    /// Disconnects a client whose connect handler has refused it after its CONNECT went out (`always_connect`).
    fn _expel(slf: &Bound<'_, Self>, socket: u64) -> PyResult<()> {
        let py = slf.py();
        if let Some(member) = slf.get().state.borrow(py).sockets.get(socket) {
            member.phase = Phase::Leaving;
        }
        dispatch::send(slf, Command::Disconnect { socket: SocketId(socket), close: false }, 0)?;
        presence::release(slf, SocketId(socket))
    }

    /// The disconnect handler has ended: rooms and session go.
    fn _release(slf: &Bound<'_, Self>, socket: u64) -> PyResult<()> {
        presence::release(slf, SocketId(socket))
    }

    /// Closes an Engine.IO session.
    fn _close_session(slf: &Bound<'_, Self>, eio_sid: &str) -> PyResult<()> {
        let conn: Option<ConnId> = slf.get().state.borrow(slf.py()).by_eio_sid.get(eio_sid.as_bytes()).copied();
        match conn {
            Some(conn) => dispatch::send(slf, Command::Close { conn, discard: false }, 0),
            None => Ok(()),
        }
    }

    // ---- HTTP and WebSockets of the host's server

    /// Hands an HTTP request over. Gives its number and a future of `(status, headers, body)`.
    #[expect(clippy::too_many_arguments, reason = "the head of a request")]
    fn _request<'py>(
        slf: &Bound<'py, Self>,
        method: String,
        target: String,
        headers: &Bound<'py, PyAny>,
        remote: String,
        secure: bool,
        source: Option<Py<PyAny>>,
        body: Option<&Bound<'py, PyBytes>>,
        end: bool,
    ) -> PyResult<(u64, Py<PyAny>)> {
        let head = http::head(slf, source.as_ref(), method, target, headers, remote, secure)?;
        http::request(slf, head, source, body, end)
    }

    /// A further part of a request's body.
    fn _body(slf: &Bound<'_, Self>, request: u64, chunk: &Bound<'_, PyBytes>, end: bool) -> PyResult<()> {
        http::body(slf, request, chunk, end)
    }

    /// The client of a request went away.
    fn _abort(slf: &Bound<'_, Self>, request: u64) -> PyResult<()> {
        http::abort(slf, request)
    }

    /// Takes bytes of a connection of the host's server, if they are one whole request of a session; 0 if not. See `polls`.
    fn _poll(
        slf: &Bound<'_, Self>,
        connection: &Bound<'_, PyAny>,
        data: &Bound<'_, PyBytes>,
        path: &Bound<'_, PyBytes>,
        own_path: &str,
    ) -> PyResult<u64> {
        polls::take(slf, connection, data.as_bytes(), path.as_bytes(), own_path)
    }

    /// Opens a WebSocket that the host's server frames. `link.write(frames)` and `link.finish()` are called. With `script`
    /// there is no WebSocket: a program plays the client of the session, whose id that is.
    #[pyo3(signature = (link, target, headers, remote, secure, source, script=None))]
    #[expect(clippy::too_many_arguments, reason = "the head of a request")]
    fn _open_link<'py>(
        slf: &Bound<'py, Self>,
        link: Py<PyAny>,
        target: String,
        headers: &Bound<'py, PyAny>,
        remote: String,
        secure: bool,
        source: Py<PyAny>,
        script: Option<&str>,
    ) -> PyResult<u64> {
        let mut head = http::head(slf, Some(&source), "GET".into(), target, headers, remote, secure)?;
        head.sid = script.map(Text::from);
        http::open_link(slf, link, head, source, script.is_some())
    }

    /// Hands a TCP connection over, by a descriptor that becomes the engine's.
    #[cfg(unix)]
    #[expect(clippy::too_many_arguments, reason = "the head of a request")]
    fn _take_over_socket<'py>(
        slf: &Bound<'py, Self>,
        descriptor: i32,
        target: String,
        headers: &Bound<'py, PyAny>,
        remote: String,
        source: Py<PyAny>,
        read: &Bound<'py, PyBytes>,
        answer: Vec<(String, String)>,
    ) -> PyResult<()> {
        http::take_over(slf, descriptor, target, headers, remote, source, read, answer)
    }

    /// A message (`str` or `bytes`) came on a link. Gives a future of the moment from which more may be read of it, if that is
    /// not now.
    fn _feed(slf: &Bound<'_, Self>, link: u64, message: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        http::feed(slf, link, message)
    }

    /// A link was closed by its client.
    fn _link_closed(slf: &Bound<'_, Self>, link: u64, error: bool) -> PyResult<()> {
        http::link_closed(slf, link, error)
    }

    /// So many bytes were sent on a link.
    fn _link_sent(slf: &Bound<'_, Self>, link: u64, bytes: usize) -> PyResult<()> {
        http::link_sent(slf, link, bytes)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(handlers) = self.handlers.try_borrow() {
            visit.call(&*handlers)?;
        }
        if let Some(codec) = self.codec.try_borrow() {
            visit.call(&*codec)?;
        }
        let Some(state) = self.state.try_borrow() else { return Ok(()) };
        if let Some(running) = &state.running {
            visit.call(&running.create_future)?;
            visit.call(&running.context)?;
            if let Host::Loop(host) = &running.host {
                for object in [&host.event_loop, &host.call_soon, &host.current_task, &host.task] {
                    visit.call(object)?;
                }
                visit.call(&host.drain)?;
                visit.call(&host.flush)?;
            }
        }
        visit.call(&state.idle)?;
        visit.call(&state.rooms)?;
        visit.call(&state.closed)?;
        state.waiting.values().try_for_each(|worker| visit.call(worker))?;
        state.requests.values().try_for_each(|future| visit.call(future))?;
        state.polls.values().try_for_each(|connection| visit.call(connection))?;
        for (source, context) in state.opening.values().chain(state.links.values()) {
            visit.call(source)?;
            visit.call(context)?;
        }
        for awaited in state.acks.values() {
            match awaited {
                Awaited::All { future, answers, .. } => {
                    visit.call(future)?;
                    visit.call(answers)?;
                }
                Awaited::Future(object) | Awaited::Barrier(object) | Awaited::Callback { callback: object, .. } => {
                    visit.call(object)?
                }
            }
        }
        state.room_objects.values().try_for_each(|object| visit.call(object))?;
        state.clients.values().try_for_each(|client| visit.call(client))?;
        for (_, connection) in state.connections.iter() {
            if let Source::Asgi(source) = &connection.source {
                visit.call(source)?;
            }
            visit.call(&connection.environ)?;
            visit.call(&connection.context)?;
            visit.call(&connection.sessions)?;
            connection.waiters.iter().try_for_each(|waiter| visit.call(waiter))?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let cleared = self.state.try_borrow().map(|mut state| std::mem::take(&mut *state));
        if let Some(mut state) = cleared {
            let running = state.running.take();
            drop(state);
            Python::attach(|py| life::end(py, running));
        }
    }
}

impl Drop for ServerCore {
    fn drop(&mut self) {
        let running = self.state.try_borrow().and_then(|mut state| state.running.take());
        if running.is_some() {
            Python::attach(|py| life::end(py, running));
        }
    }
}

/// Ends the engine as `how` says. The future of its end is the same at every call.
fn end(core: &ServerCore, py: Python<'_>, how: impl FnOnce(&Engine)) -> PyResult<Option<Py<PyAny>>> {
    let begun = {
        let state = core.state.borrow(py);
        match (state.running(), &state.closed) {
            (Err(_), _) => return Ok(None),
            (Ok(_), Some(closed)) => Ok(closed.clone_ref(py)),
            (Ok(running), None) => Err(running.create_future.clone_ref(py)),
        }
    };
    let closed = match begun {
        Ok(closed) => closed,
        Err(create_future) => create_future.call0(py)?,
    };
    let mut state = core.state.borrow(py);
    state.flush();
    how(&state.running()?.engine);
    state.closed.get_or_insert_with(|| closed.clone_ref(py));
    Ok(Some(closed))
}

/// A socket by its sid, if it is in the namespace.
pub(crate) fn find(state: &mut State, sid: &str, namespace: &str) -> Option<SocketId> {
    let socket = *state.by_sid.get(sid.as_bytes())?;
    (state.sockets.get(socket.0)?.nsp_text == namespace).then_some(socket)
}

/// The namespace a method means when none is given.
pub(crate) fn namespace_or_default(namespace: Option<&Bound<'_, PyString>>) -> PyResult<Text> {
    Ok(match namespace {
        Some(namespace) => {
            let text = namespace.to_str()?;
            if text.is_empty() { ROOT } else { Text::from(text) }
        }
        None => ROOT,
    })
}

const ROOT: Text = Text::from_static("/");

/// The members of rooms right now, with everything that was queued before done.
pub(crate) fn members_of(slf: &Bound<'_, ServerCore>, target: &Target) -> PyResult<Vec<SocketId>> {
    let mut state = slf.get().state.borrow(slf.py());
    if state.running.is_none() {
        return Ok(Vec::new());
    }
    state.flush();
    Ok(state.running()?.engine.members(target))
}
