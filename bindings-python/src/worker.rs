//! One Task for many handlers.
//!
//! A Task per event costs more than everything else about it (5 us against 0.7). Most handlers never wait, so a *worker*,
//! a real `asyncio.Task` whose coroutine is the object below, runs one after the other, each in its own copy of its
//! connection's context. While there is nothing to do the worker waits for itself: it is a future too, and the drain calls
//! the callback that the Task has left there, without a turn of the loop in between.
//!
//! ```text
//!          wake            handler done
//!  idle ---------> pumping ------------.
//!   ^  nothing left  |  ^______________|
//!   '----------------|
//!                    | handler waits                         handler ends
//!                    '-------------> Task of this handler -----------------> done
//! ```
//!
//! A handler sees what it would see in a Task of its own: `current_task()`, `asyncio.timeout`, `TaskGroup`, cancellation.
//! If it waits, the worker becomes its Task and ends with it, and a fresh worker takes over. If it cancels the Task, keeps
//! a reference to it, or hangs a callback on it, the Task ends with it too. What remains is that handlers which never wait
//! share the Task's name. With a task factory, in debug mode, or with `eager=False`, every handler gets a Task of its own
//! from `loop.create_task`; then the object below runs that one handler.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::dispatch::{self, Call, Then};
use crate::engine::ServerCore;
use crate::ffi::{self, Step};
use crate::table::Gil;

/// Events in one drain, at most: the loop has others to serve.
pub(crate) const BUDGET_EVENTS: usize = 512;
/// Time of one drain, at most (about: a handler is not interrupted).
pub(crate) const BUDGET_TIME: Duration = Duration::from_millis(5);

/// The coroutine of a worker's Task, and what the idle Task waits for.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct Worker {
    core: Py<ServerCore>,
    inner: Gil<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The Task whose coroutine this is. A circle, which `finished` breaks.
    task: Option<Py<PyAny>>,
    /// The one handler of a Task from `create_task`.
    only: Option<Only>,
    /// The handler that waits, or has been resumed.
    handler: Option<Handler>,
    /// What wakes the idle Task.
    wakeup: Option<Wakeup>,
    /// The flag by which a future tells a Task that it was awaited.
    blocking: bool,
    /// Cancelled while idle.
    cancelled: bool,
}

struct Only {
    callable: Py<PyAny>,
    args: Vec<Py<PyAny>>,
    context: Py<PyAny>,
    then: Then,
}

struct Handler {
    coroutine: Py<PyAny>,
    context: Py<PyAny>,
    then: Then,
}

struct Wakeup {
    callback: Py<PyAny>,
    context: Option<Py<PyAny>>,
}

impl Worker {
    /// A worker for whatever the ring holds.
    pub(crate) fn pump(core: &Bound<'_, ServerCore>) -> PyResult<Py<Self>> {
        Py::new(core.py(), Self { core: core.clone().unbind(), inner: Gil::new(Inner::default()) })
    }

    /// The coroutine of one call.
    pub(crate) fn single(core: &Bound<'_, ServerCore>, call: Call<'_>) -> PyResult<Py<Self>> {
        let args = call.args.into_iter().map(Bound::unbind).collect();
        let (callable, context) = (call.callable.unbind(), call.context.unbind());
        let inner = Inner { only: Some(Only { callable, args, context, then: call.then }), ..Inner::default() };
        Py::new(core.py(), Self { core: core.clone().unbind(), inner: Gil::new(inner) })
    }

    pub(crate) fn set_task(&self, py: Python<'_>, task: Py<PyAny>) {
        let _old = self.inner.borrow(py).task.replace(task);
    }

    /// Lets the idle Task run. False: it is not idle any more.
    pub(crate) fn wake(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let wakeup = slf.get().inner.borrow(slf.py()).wakeup.take();
        let Some(wakeup) = wakeup else { return Ok(false) };
        ffi::call(wakeup.callback.bind(slf.py()), &[slf.clone().into_any()])?;
        Ok(true)
    }

    /// One step of the Task: `Some` is what it waits for, `None` its end.
    fn step<'py>(slf: &Bound<'py, Self>, thrown: Option<&Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let stepped = Self::go_on(slf, thrown);
        if !matches!(stepped, Ok(Some(_))) {
            Self::finished(slf);
        }
        stepped
    }

    fn go_on<'py>(slf: &Bound<'py, Self>, thrown: Option<&Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let (handler, only) = {
            let mut inner = slf.get().inner.borrow(py);
            (inner.handler.take(), inner.only.take())
        };
        if let Some(handler) = handler {
            return Self::resume(slf, handler, thrown);
        }
        if let Some(thrown) = thrown {
            // Cancelled: while idle, or before the one handler began.
            if let Some(only) = only {
                let nothing = Err(PyErr::from_value(thrown.clone()));
                dispatch::finish(slf.get().core.bind(py), only.then, nothing)?;
            }
            return Err(PyErr::from_value(thrown.clone()));
        }
        if let Some(only) = only {
            let call = Call {
                callable: only.callable.into_bound(py),
                args: only.args.into_iter().map(|arg| arg.into_bound(py)).collect(),
                context: only.context.into_bound(py),
                then: only.then,
            };
            return Self::begin(slf, call);
        }
        Self::work(slf)
    }

    /// Runs handlers until the ring is empty, the budget is spent or a handler waits.
    fn work<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let core = slf.get().core.bind(py);
        let task = Self::task(slf)?;
        let references = ffi::reference_count(&task);
        let began = Instant::now();
        loop {
            let spent = core.get().state.borrow(py).budget;
            if spent >= BUDGET_EVENTS || (spent % 8 == 7 && began.elapsed() >= BUDGET_TIME) {
                core.get().state.borrow(py).budget = BUDGET_EVENTS;
                return Self::idle(slf).map(Some);
            }
            let Some(call) = dispatch::next_call(core)? else { return Self::idle(slf).map(Some) };
            if let Some(waits_for) = Self::begin(slf, call)? {
                task.setattr(intern!(py, "_log_destroy_pending"), true)?;
                return Ok(Some(waits_for));
            }
            if ffi::reference_count(&task) != references || is_marked(&task)? {
                return Ok(None);
            }
        }
    }

    /// Calls a handler and runs it to its first wait.
    fn begin<'py>(slf: &Bound<'py, Self>, call: Call<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let core = slf.get().core.bind(slf.py());
        let Call { callable, args, context, then } = call;
        let result = ffi::call_in(&context, &callable, &args);
        drop(args);
        match result {
            Ok(coroutine) if is_coroutine(&coroutine)? => {
                let step = ffi::send_in(&context, &coroutine);
                let handler = || Handler { coroutine: coroutine.unbind(), context: context.unbind(), then };
                Self::after(slf, step, handler)
            }
            result => dispatch::finish(core, then, result).map(|()| None),
        }
    }

    fn resume<'py>(
        slf: &Bound<'py, Self>,
        handler: Handler,
        thrown: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let (coroutine, context) = (handler.coroutine.bind(py), handler.context.bind(py));
        let step = match thrown {
            None => ffi::send_in(context, coroutine),
            Some(error) => ffi::throw_in(context, coroutine, error),
        };
        Self::after(slf, step, || handler)
    }

    fn after<'py>(
        slf: &Bound<'py, Self>,
        step: Step<'py>,
        handler: impl FnOnce() -> Handler,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let core = slf.get().core.bind(py);
        let result = match step {
            Step::Waits(waits_for) => {
                slf.get().inner.borrow(py).handler = Some(handler());
                core.get().state.borrow(py).waiting.insert(slf.as_ptr() as usize, slf.clone().unbind());
                return Ok(Some(waits_for));
            }
            Step::Returned(value) => Ok(value),
            Step::Raised(error) => Err(error),
        };
        dispatch::finish(core, handler().then, result).map(|()| None)
    }

    fn idle<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().inner.borrow(py).blocking = true;
        let _other = slf.get().core.bind(py).get().state.borrow(py).idle.replace(slf.clone().unbind());
        Ok(slf.clone().into_any())
    }

    /// The Task ends with this step: nothing may hold it any more.
    fn finished(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let _task = slf.get().inner.borrow(py).task.take();
        let mut state = slf.get().core.bind(py).get().state.borrow(py);
        let waiting = state.waiting.remove(&(slf.as_ptr() as usize));
        let idle = match &state.idle {
            Some(idle) if idle.is(slf) => state.idle.take(),
            _ => None,
        };
        drop(state);
        drop((waiting, idle));
    }

    /// The Task that runs this, known from its first step on.
    fn task<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Some(task) = &slf.get().inner.borrow(py).task {
            return Ok(task.bind(py).clone());
        }
        let current = {
            let state = slf.get().core.bind(py).get().state.borrow(py);
            let host = state.running()?.event_loop()?;
            (host.current_task.clone_ref(py), host.event_loop.clone_ref(py))
        };
        let task = current.0.call1(py, (current.1,))?.into_bound(py);
        // An idle worker is left behind when the loop is closed without cancelling its tasks: no reason to complain.
        task.setattr(intern!(py, "_log_destroy_pending"), false)?;
        slf.get().set_task(py, task.clone().unbind());
        Ok(task)
    }
}

/// A handler that never waited has cancelled its Task or hung a callback on it.
fn is_marked(task: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = task.py();
    Ok(task.getattr(intern!(py, "_must_cancel"))?.is_truthy()? || !task.getattr(intern!(py, "_callbacks"))?.is_none())
}

/// Of an `async def`. Anything else that a handler returns is its answer.
fn is_coroutine(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static COROUTINE: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    let py = value.py();
    let class = COROUTINE.get_or_try_init(py, || py.import("types")?.getattr("CoroutineType").map(Bound::unbind))?;
    Ok(value.get_type().as_ptr() == class.as_ptr())
}

#[pymethods]
impl Worker {
    // The coroutine.

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Self::step(slf, None)
    }

    fn send<'py>(slf: &Bound<'py, Self>, _value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Self::step(slf, None)?.ok_or_else(|| pyo3::exceptions::PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value=None, _traceback=None, /))]
    fn throw<'py>(
        slf: &Bound<'py, Self>,
        kind: Bound<'py, PyAny>,
        value: Option<Bound<'py, PyAny>>,
        _traceback: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let error = crate::ready::thrown(&kind, value)?;
        Self::step(slf, Some(error.value(slf.py()).as_any()))?
            .ok_or_else(|| pyo3::exceptions::PyStopIteration::new_err(()))
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let handler = slf.get().inner.borrow(slf.py()).handler.take();
        Self::finished(slf);
        match handler {
            Some(handler) => handler.coroutine.call_method0(slf.py(), "close").map(drop),
            None => Ok(()),
        }
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        "ferrio-worker"
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        "ferrio-worker"
    }

    // The future that the idle Task waits for.

    #[getter(_asyncio_future_blocking)]
    fn blocking(&self, py: Python<'_>) -> bool {
        self.inner.borrow(py).blocking
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, py: Python<'_>, blocking: bool) {
        self.inner.borrow(py).blocking = blocking;
    }

    fn get_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.core.bind(py).get().state.borrow(py).running()?.event_loop()?.event_loop.clone_ref(py))
    }

    #[pyo3(signature = (callback, *, context=None))]
    fn add_done_callback(&self, py: Python<'_>, callback: Py<PyAny>, context: Option<Py<PyAny>>) {
        let _old = self.inner.borrow(py).wakeup.replace(Wakeup { callback, context });
    }

    fn remove_done_callback(&self, py: Python<'_>, _callback: Bound<'_, PyAny>) -> usize {
        let wakeup = self.inner.borrow(py).wakeup.take();
        usize::from(wakeup.is_some())
    }

    fn done(&self, py: Python<'_>) -> bool {
        self.inner.borrow(py).cancelled
    }

    fn cancelled(&self, py: Python<'_>) -> bool {
        self.inner.borrow(py).cancelled
    }

    fn result(&self, py: Python<'_>) -> PyResult<()> {
        if self.inner.borrow(py).cancelled { Err(CancelledError::new_err(())) } else { Ok(()) }
    }

    fn exception(&self) -> PyResult<()> {
        Err(PyRuntimeError::new_err("an idle worker has no exception"))
    }

    /// The idle Task is being cancelled (at the end of `asyncio.run`, for one).
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        let _ = msg;
        let py = slf.py();
        let Some(wakeup) = ({
            let mut inner = slf.get().inner.borrow(py);
            inner.cancelled |= inner.wakeup.is_some();
            inner.wakeup.take()
        }) else {
            return Ok(false);
        };
        let (call_soon, _idle) = {
            let mut state = slf.get().core.bind(py).get().state.borrow(py);
            let idle = match &state.idle {
                Some(idle) if idle.is(slf) => state.idle.take(),
                _ => None,
            };
            // Also in a fork, which has this loop and its Tasks, and nothing of the engine.
            let running = state.running.as_ref().and_then(|running| running.event_loop().ok());
            (running.map(|event_loop| event_loop.call_soon.clone_ref(py)), idle)
        };
        let call_soon = match call_soon {
            Some(call_soon) => call_soon,
            // The engine is gone; the loop is not.
            None => py.import("asyncio")?.call_method0("get_running_loop")?.getattr("call_soon")?.unbind(),
        };
        let options = PyDict::new(py);
        options.set_item("context", wakeup.context)?;
        call_soon.call(py, (wakeup.callback, slf), Some(&options))?;
        Ok(true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.core)?;
        let Some(inner) = self.inner.try_borrow() else { return Ok(()) };
        visit.call(&inner.task)?;
        if let Some(handler) = &inner.handler {
            visit.call(&handler.coroutine)?;
            visit.call(&handler.context)?;
        }
        if let Some(only) = &inner.only {
            visit.call(&only.callable)?;
            visit.call(&only.context)?;
            only.args.iter().try_for_each(|arg| visit.call(arg))?;
        }
        if let Some(wakeup) = &inner.wakeup {
            visit.call(&wakeup.callback)?;
            visit.call(&wakeup.context)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let cleared = self.inner.try_borrow().map(|mut inner| std::mem::take(&mut *inner));
        drop(cleared);
    }
}
