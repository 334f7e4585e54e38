//! How a Task comes to its first step: at once for a worker, by the loop where every handler has a Task of its own.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::dispatch;
use crate::engine::ServerCore;
use crate::table::Gil;
use crate::worker::{BUDGET_EVENTS, Worker};

/// Takes the place of `loop.call_soon` while a Task is made, so that its first step can be run at once.
///
/// Python 3.12 has `eager_start` for this. Before, a Task only ever starts through `call_soon`.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct FirstStep(Gil<Option<Py<PyAny>>>);

#[pymethods]
impl FirstStep {
    #[pyo3(signature = (callback, *_args, context=None))]
    fn __call__(
        &self,
        py: Python<'_>,
        callback: Py<PyAny>,
        _args: Bound<'_, PyAny>,
        context: Option<Bound<'_, PyAny>>,
    ) {
        let _ = context;
        let _old = self.0.borrow(py).replace(callback);
    }
}

/// How a worker's Task comes to its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// `Task(…, eager_start=True)`: 3.12.
    Eager,
    /// [`FirstStep`].
    Captured,
    /// The loop takes neither: a Task per event, by `create_task`.
    None,
}

/// Makes a worker's Task and runs it until it is idle or a handler waits. From a callback of the loop only.
pub(crate) fn start(core: &Bound<'_, ServerCore>, how: Start) -> PyResult<()> {
    let py = core.py();
    let worker = Worker::pump(core)?;
    let (task, event_loop) = {
        let state = core.get().state.borrow(py);
        let host = state.running()?.event_loop()?;
        (host.task.clone_ref(py).into_bound(py), host.event_loop.clone_ref(py).into_bound(py))
    };
    let options = PyDict::new(py);
    options.set_item(intern!(py, "loop"), &event_loop)?;
    if how == Start::Eager {
        options.set_item(intern!(py, "eager_start"), true)?;
        return task.call((&worker,), Some(&options)).map(drop);
    }
    let first_step = Bound::new(py, FirstStep(Gil::new(None)))?;
    event_loop.setattr(intern!(py, "call_soon"), &first_step)?;
    let made = task.call((&worker,), Some(&options));
    event_loop.delattr(intern!(py, "call_soon"))?;
    made?;
    let step = first_step.get().0.borrow(py).take();
    match step {
        Some(step) => step.call0(py).map(drop),
        None => Err(PyRuntimeError::new_err("the Task did not ask the loop for its first step")),
    }
}

/// Whether the loop lets a Task's first step be captured.
pub(crate) fn how_to_start(py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> Start {
    if py.version_info() >= (3, 12) {
        return Start::Eager;
    }
    let taken = Bound::new(py, FirstStep(Gil::new(None)))
        .and_then(|first_step| event_loop.setattr("call_soon", first_step))
        .and_then(|()| event_loop.delattr("call_soon"));
    if taken.is_ok() { Start::Captured } else { Start::None }
}

/// One Task for each event in the ring, in order, by `loop.create_task`.
pub(crate) fn start_each(core: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = core.py();
    let event_loop = core.get().state.borrow(py).running()?.event_loop()?.event_loop.clone_ref(py);
    while core.get().state.borrow(py).budget < BUDGET_EVENTS {
        let Some(call) = dispatch::next_call(core)? else { break };
        let worker = Worker::single(core, call)?.into_bound(py);
        core.get().state.borrow(py).waiting.insert(worker.as_ptr() as usize, worker.clone().unbind());
        let task = event_loop.call_method1(py, intern!(py, "create_task"), (&worker,))?;
        worker.get().set_task(py, task);
    }
    Ok(())
}
