//! A client as the Python package sees it: a connection of its own among those of an engine that it shares with others.

use std::sync::atomic::{AtomicBool, Ordering};

use ferrio_embed::{ClientCommand, ClientId, Command};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::codec::{self, Speaker};
use crate::engine::ServerCore;
use crate::link::{self, Link};
use crate::ready::Ready;
use crate::state::{Awaited, Kind};
use crate::table::Gil;
use crate::{dispatch, ffi};

/// The native half of `AsyncClient` and `Client`, which subclass it.
#[pyclass(subclass, frozen, module = "ferrio._ferrio")]
pub(crate) struct ClientCore {
    /// `{namespace: {event: handler}}`.
    pub(crate) handlers: Gil<Py<PyDict>>,
    /// `{namespace: sid}` of those that are joined.
    namespaces: Gil<Py<PyDict>>,
    codec: Gil<Option<Py<PyAny>>>,
    /// Log every event (`logger=True`).
    pub(crate) verbose: AtomicBool,
    /// Events go to `_on_event`, not straight to their handler.
    pub(crate) hears_events: AtomicBool,
    /// `_on_emit` is told of every emit.
    hears_emits: AtomicBool,
    /// Every emit goes to `_emit_otherwise`.
    detours: AtomicBool,
    /// The connection, from its beginning to its end.
    pub(crate) link: Gil<Option<Link>>,
}

impl Speaker for ClientCore {
    fn codec(&self) -> &Gil<Option<Py<PyAny>>> {
        &self.codec
    }
}

/// An event that is kept to be sent later, or again.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct Sealed {
    payload: Payload,
}

#[pymethods]
impl Sealed {
    /// Bytes.
    #[getter]
    fn size(&self) -> usize {
        self.payload.size()
    }
}

#[pymethods]
impl ClientCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            handlers: Gil::new(PyDict::new(py).unbind()),
            namespaces: Gil::new(PyDict::new(py).unbind()),
            codec: Gil::new(None),
            verbose: AtomicBool::new(false),
            hears_events: AtomicBool::new(false),
            hears_emits: AtomicBool::new(false),
            detours: AtomicBool::new(false),
            link: Gil::new(None),
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

    /// `{namespace: sid}` of the namespaces that are connected.
    #[getter]
    fn namespaces(&self, py: Python<'_>) -> Py<PyDict> {
        self.namespaces.borrow(py).clone_ref(py)
    }

    #[setter]
    fn set_namespaces(&self, py: Python<'_>, namespaces: Py<PyDict>) {
        let _old = std::mem::replace(&mut *self.namespaces.borrow(py), namespaces);
    }

    #[getter(_codec)]
    fn own_codec(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.codec.borrow(py).as_ref().map(|codec| codec.clone_ref(py))
    }

    #[setter(_codec)]
    fn set_codec(&self, py: Python<'_>, codec: Option<Py<PyAny>>) {
        let _old = std::mem::replace(&mut *self.codec.borrow(py), codec);
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

    #[getter(_detours)]
    fn detours(&self) -> bool {
        self.detours.load(Ordering::Relaxed)
    }

    #[setter(_detours)]
    fn set_detours(&self, detours: bool) {
        self.detours.store(detours, Ordering::Relaxed);
    }

    // ---- life

    /// Begins a connection: `_on_opened` and, in the end, `_on_closed` are called, or `_on_failed` alone. `options`: JSON text.
    fn _dial(slf: &Bound<'_, Self>, core: &Bound<'_, ServerCore>, url: &str, options: &str) -> PyResult<()> {
        let py = slf.py();
        let context = {
            let state = core.get().state.borrow(py);
            match state.kind {
                Kind::Loop => None,
                Kind::Threads | Kind::Greenlets => Some(state.running()?.context.clone_ref(py)),
            }
        };
        // Handlers see what the caller of `connect` sees.
        let context = match context {
            Some(context) => context,
            None => ffi::copy_context(py, None)?.unbind(),
        };
        let (client, replaced) = {
            let mut state = core.get().state.borrow(py);
            let client = ClientId(state.number());
            (client, state.clients.insert(client, slf.clone().unbind()))
        };
        drop(replaced);
        let old = slf.get().link.borrow(py).replace(Link::new(core.clone().unbind(), client, context));
        drop(old);
        Self::order(slf, ClientCommand::Dial { url: Text::from(url), options: Text::from(options) })
    }

    /// Asks to be let into a namespace.
    fn _join(slf: &Bound<'_, Self>, namespace: &str, auth: &Bound<'_, PyAny>) -> PyResult<()> {
        let auth = Some(codec::value(slf, auth)?.text);
        Self::order(slf, ClientCommand::Join { nsp: Text::from(namespace), auth })
    }

    /// Leaves a namespace.
    fn _leave(slf: &Bound<'_, Self>, namespace: &str) -> PyResult<()> {
        Self::order(slf, ClientCommand::Leave { nsp: Text::from(namespace) })
    }

    /// Ends the connection: what waits is sent first, or dropped.
    fn _hang_up(slf: &Bound<'_, Self>, discard: bool) -> PyResult<()> {
        Self::order(slf, ClientCommand::HangUp { discard })
    }

    /// Hears no more of the connection; nobody is answered any more.
    fn _forget(slf: &Bound<'_, Self>) -> PyResult<()> {
        link::forget(slf)
    }

    /// A namespace is not joined any more: nobody is answered there.
    fn _left(slf: &Bound<'_, Self>, namespace: &str) -> PyResult<()> {
        link::left(slf, namespace)
    }

    /// Whether there is a connection. It may end before the namespaces are told.
    fn _linked(&self, py: Python<'_>) -> bool {
        self.link.borrow(py).is_some()
    }

    /// `"polling"` or `"websocket"`; `None` without a connection.
    fn _transport(&self, py: Python<'_>) -> Option<&'static str> {
        let (core, client) = link::address(self, py)?;
        let state = core.bind(py).get().state.borrow(py);
        state.running().ok()?.engine.client_transport(client)
    }

    // ---- out

    /// Emits an event to the server. Takes effect when called, not when awaited; awaiting it suspends only while the server
    /// does not keep up. May be called from any thread.
    ///
    /// `data`: a tuple is several arguments, `None` is none, anything else is one. `callback`: called with the server's answer.
    /// Raises `BadNamespaceError` where the namespace is not connected; `TypeError` or `ValueError`, as `json.dumps` does, for
    /// data that is no JSON.
    ///
    /// ferrio's own: `volatile`: dropped if it cannot be sent right now, or if the namespace is not connected.
    #[pyo3(signature = (event, data=None, namespace=None, callback=None, *, volatile=false))]
    fn emit<'py>(
        slf: &Bound<'py, Self>,
        event: &Bound<'py, PyAny>,
        data: Option<&Bound<'py, PyAny>>,
        namespace: Option<&Bound<'py, PyString>>,
        callback: Option<&Bound<'py, PyAny>>,
        volatile: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let name = match namespace {
            Some(name) if !name.is_empty()? => name,
            _ => intern!(py, "/"),
        };
        if this.detours() || !this._linked(py) || !this.namespaces(py).bind(py).contains(name)? {
            let otherwise = intern!(py, "_emit_otherwise");
            slf.call_method1(otherwise, (event, data, name, callback, volatile))?;
            return Ready::for_client(slf);
        }
        let payload = Self::encoded(slf, event, data, name)?;
        link::send(slf, name, payload, callback, volatile)
    }

    /// Emits an event and gives its number, and a future of the answer's arguments, which fails with `TimeoutError` when the
    /// connection ends. `event`: its name and `data`, or a `Sealed` alone.
    #[pyo3(signature = (event, data, namespace))]
    fn _call<'py>(
        slf: &Bound<'py, Self>,
        event: &Bound<'py, PyAny>,
        data: Option<&Bound<'py, PyAny>>,
        namespace: &Bound<'py, PyString>,
    ) -> PyResult<(u64, Py<PyAny>)> {
        let payload = Self::encoded(slf, event, data, namespace)?;
        link::ask(slf, namespace, payload)
    }

    /// As `_call`, for an event that is kept.
    fn _ask(slf: &Bound<'_, Self>, sealed: &Sealed, namespace: &Bound<'_, PyString>) -> PyResult<(u64, Py<PyAny>)> {
        link::ask(slf, namespace, sealed.payload.clone())
    }

    /// Nobody waits for the answer to an event any more.
    fn _drop_ask(&self, py: Python<'_>, namespace: &str, number: u64) {
        let dropped: Option<Awaited> = link::drop_ask(self, py, namespace, number);
        drop(dropped);
    }

    /// Keeps an event.
    #[pyo3(signature = (event, data))]
    fn _seal(slf: &Bound<'_, Self>, event: &Bound<'_, PyAny>, data: Option<&Bound<'_, PyAny>>) -> PyResult<Sealed> {
        Ok(Sealed { payload: codec::event(slf, event, data)? })
    }

    /// Sends an event that was kept.
    #[pyo3(signature = (sealed, namespace, callback, volatile))]
    fn _send(
        slf: &Bound<'_, Self>,
        sealed: &Sealed,
        namespace: &Bound<'_, PyString>,
        callback: Option<&Bound<'_, PyAny>>,
        volatile: bool,
    ) -> PyResult<()> {
        link::send(slf, namespace, sealed.payload.clone(), callback, volatile).map(drop)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(handlers) = self.handlers.try_borrow() {
            visit.call(&*handlers)?;
        }
        if let Some(namespaces) = self.namespaces.try_borrow() {
            visit.call(&*namespaces)?;
        }
        if let Some(codec) = self.codec.try_borrow() {
            visit.call(&*codec)?;
        }
        match self.link.try_borrow() {
            Some(link) => link.as_ref().map_or(Ok(()), |link| link.traverse(&visit)),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        let cleared = self.link.try_borrow().and_then(|mut link| link.take());
        drop(cleared);
    }
}

impl ClientCore {
    /// An event, once those have heard it who listen to what goes out.
    fn encoded(
        slf: &Bound<'_, Self>,
        event: &Bound<'_, PyAny>,
        data: Option<&Bound<'_, PyAny>>,
        namespace: &Bound<'_, PyString>,
    ) -> PyResult<Payload> {
        if slf.get().hears_emits() {
            slf.call_method1(intern!(slf.py(), "_on_emit"), (event, data, namespace))?;
        }
        codec::event(slf, event, data)
    }

    /// Gives an order at once, if there is a connection.
    fn order(slf: &Bound<'_, Self>, command: ClientCommand) -> PyResult<()> {
        let py = slf.py();
        let Some((core, client)) = link::address(slf.get(), py) else { return Ok(()) };
        let core = core.bind(py);
        dispatch::send(core, Command::Client { client, command }, 0)?;
        core.get().state.borrow(py).flush();
        Ok(())
    }
}
