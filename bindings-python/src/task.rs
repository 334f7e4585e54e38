//! How a Task comes to its first step: at once for a worker, by the loop where every handler has a Task of its own.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::dispatch;
use crate::engine::ServerCore;
use crate::table::Gil;
use crate::worker::{BUDGET_EVENTS, Worker};

/// Takes the place of `loop.call_soon` while a Task is made, so that its first step can be run at once.
///
/// Python 3.12 has `eager_start` for this. Before, a Task only ever starts through `call_soon`. Its constructor runs Python code,
/// and with it whatever may come in between: a signal's handler, a finalizer. What these ask of the loop goes on to the loop.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct FirstStep {
    call_soon: Py<PyAny>,
    /// First steps of Tasks: ours, and seldom others.
    steps: Gil<Vec<FirstOf>>,
}

/// A first step, and its context.
type FirstOf = (Py<PyAny>, Option<Py<PyAny>>);

#[pymethods]
impl FirstStep {
    #[pyo3(signature = (callback, *args, context=None))]
    fn __call__(
        &self,
        py: Python<'_>,
        callback: Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if callback.get_type().name()? == STEP {
            self.steps.borrow(py).push((callback.unbind(), context));
            return Ok(py.None());
        }
        call_soon(py, &self.call_soon, callback, args.iter(), context)
    }
}

/// What asyncio's own Tasks give to `call_soon`.
const STEP: &str = "TaskStepMethWrapper";

fn call_soon<'py>(
    py: Python<'py>,
    call_soon: &Py<PyAny>,
    callback: Bound<'py, PyAny>,
    args: impl Iterator<Item = Bound<'py, PyAny>>,
    context: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let options = PyDict::new(py);
    options.set_item(intern!(py, "context"), context)?;
    let args = PyTuple::new(py, std::iter::once(callback).chain(args).collect::<Vec<_>>())?;
    call_soon.call(py, args, Some(&options))
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
    let real = core.get().state.borrow(py).running()?.event_loop()?.call_soon.clone_ref(py);
    let first_step = Bound::new(py, FirstStep { call_soon: real.clone_ref(py), steps: Gil::new(Vec::new()) })?;
    event_loop.setattr(intern!(py, "call_soon"), &first_step)?;
    let made = task.call((&worker,), Some(&options));
    event_loop.delattr(intern!(py, "call_soon"))?;
    let mut steps = std::mem::take(&mut *first_step.get().steps.borrow(py));
    let own = match &made {
        Ok(task) => take_own(&mut steps, task)?,
        Err(_) => None,
    };
    for (step, context) in steps {
        call_soon(py, &real, step.into_bound(py), std::iter::empty(), context)?;
    }
    made?;
    match own {
        Some(step) => step.call0(py).map(drop),
        None => Err(PyRuntimeError::new_err("the Task did not ask the loop for its first step")),
    }
}

/// Takes the step that is this Task's. What it belongs to, a step does not tell: the garbage collector does.
fn take_own(steps: &mut Vec<FirstOf>, task: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = task.py();
    if let [_] = steps.as_slice() {
        return Ok(steps.pop().map(|(step, _)| step));
    }
    for index in 0..steps.len() {
        let referents = py.import("gc")?.call_method1("get_referents", (&steps[index].0,))?;
        if referents.cast::<PyList>()?.iter().any(|referent| referent.is(task)) {
            return Ok(Some(steps.remove(index).0));
        }
    }
    Ok(None)
}

/// Whether the loop lets a Task's first step be captured.
pub(crate) fn how_to_start(py: Python<'_>, event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> Start {
    if py.version_info() >= (3, 12) {
        return Start::Eager;
    }
    let taken = event_loop
        .getattr("call_soon")
        .and_then(|own| event_loop.setattr("call_soon", own))
        .and_then(|()| event_loop.delattr("call_soon"));
    // A Task written in Python would start by another kind of callback.
    let native = task.getattr("__module__").is_ok_and(|module| module.eq("_asyncio").unwrap_or(false));
    if taken.is_ok() && native { Start::Captured } else { Start::None }
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
