//! A thread's place among those that run handlers: it is given calls, and gives their results back.
//!
//! ```python
//! while (call := seat.next()) is not None:
//!     run, args = call
//!     ...  # seat.done(run(*args)), seat.failed(error)
//! ```

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::crew::{self, Crew};
use crate::dispatch::{self, Call, Then};
use crate::drain::BUDGET_BYTES;
use crate::engine::ServerCore;
use crate::state::{Host, State};
use crate::table::Gil;
use crate::wake::Bell;
use crate::worker::BUDGET_EVENTS;

/// A handler that took so long has blocked, perhaps; one that has handed the lead over before and was quicker has not.
const LONG: Duration = Duration::from_millis(1);
/// So often the lead is handed over before a handler that has blocked is called again.
const MEMORY: u8 = 8;

/// See the module. One thread (or greenlet) uses it.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct Seat {
    core: Py<ServerCore>,
    number: u32,
    /// `None` for greenlets and scripts, which do not wait in here.
    crew: Option<Arc<Crew>>,
    /// For what scripted sessions lead to, and for nothing else.
    of_script: bool,
    bell: Arc<Bell>,
    inner: Gil<Inner>,
}

struct Inner {
    /// It was asked for as the successor and has not come yet.
    expected: bool,
    current: Option<Current>,
}

struct Current {
    then: Then,
    /// Of the handler, see [`identity`].
    handler: usize,
    began: Instant,
}

impl Seat {
    pub(crate) fn take(core: &Bound<'_, ServerCore>) -> PyResult<Option<Self>> {
        let state = core.get().state.borrow(core.py());
        let Ok(running) = state.running() else { return Ok(None) };
        let crew = match &running.host {
            Host::Threads(crew) => Some(Arc::clone(crew)),
            Host::Loop(_) | Host::Greenlets => None,
        };
        let number = crew.as_ref().map_or(0, |_| crew::new_number());
        let bell = Arc::clone(&running.bell);
        drop(state);
        let inner = Gil::new(Inner { expected: true, current: None });
        Ok(Some(Self { core: core.clone().unbind(), number, crew, of_script: false, bell, inner }))
    }

    pub(crate) fn of_script(core: &Bound<'_, ServerCore>) -> PyResult<Option<Self>> {
        Ok(Self::take(core)?.map(|seat| Self { number: 0, crew: None, of_script: true, ..seat }))
    }

    /// Makes this thread the leader. False: it shall leave.
    fn lead(&self, py: Python<'_>, crew: &Crew) -> PyResult<bool> {
        if crew.leads(self.number) {
            return Ok(true);
        }
        LEADING.set(0);
        let expected = std::mem::take(&mut self.inner.borrow(py).expected);
        let leads = py.detach(|| crew.wait(self.number, expected));
        if leads {
            LEADING.set(self.number);
            let core = self.core.bind(py);
            // The one before may have left something, and sits in a handler.
            core.get().state.borrow(py).flush();
            ask_for_successor(core)?;
        }
        Ok(leads)
    }

    /// The next call, if there is one without waiting.
    fn look<'py>(&self, py: Python<'py>) -> PyResult<Option<Call<'py>>> {
        let core = self.core.bind(py);
        if self.of_script {
            return next_of_script(core);
        }
        loop {
            if let Some(call) = dispatch::next_call(core)? {
                return Ok(Some(call));
            }
            let mut state = core.get().state.borrow(py);
            state.flush();
            if state.running.is_none() {
                return Ok(None);
            }
            let mut batch = Vec::from(std::mem::take(&mut state.ring));
            state.running()?.engine.drain(&mut batch, BUDGET_EVENTS, BUDGET_BYTES);
            state.ring = batch.into();
            if state.ring.is_empty() {
                return Ok(None);
            }
        }
    }

    fn give<'py>(&self, py: Python<'py>, call: Call<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let handler = if self.crew.is_some() { identity(&call.callable)? } else { 0 };
        let current = Current { then: call.then, handler, began: Instant::now() };
        self.inner.borrow(py).current = Some(current);
        if let Some(crew) = &self.crew {
            let mut state = self.core.bind(py).get().state.borrow(py);
            if state.blocking.contains_key(&handler) {
                state.flush();
                LEADING.set(0);
                crew.hand_over(self.number);
            }
        }
        if self.of_script {
            // In the program's own context: it is as if it had called the handler.
            let args = PyTuple::new(py, call.args)?;
            return PyTuple::new(py, [call.callable, args.into_any()]);
        }
        let run = call.context.getattr(intern!(py, "run"))?;
        let args = PyTuple::new(py, std::iter::once(call.callable).chain(call.args).collect::<Vec<_>>())?;
        PyTuple::new(py, [run, args.into_any()])
    }

    /// False: it comes too late, the server has stopped.
    fn finish<'py>(&self, py: Python<'py>, result: PyResult<Bound<'py, PyAny>>) -> PyResult<bool> {
        let current = self.inner.borrow(py).current.take();
        let Some(Current { then, handler, began }) = current else { return Ok(false) };
        let core = self.core.bind(py);
        let inside = self.crew.as_ref().map(|crew| crew.enter());
        if matches!(inside, Some(None)) {
            return Ok(false);
        }
        if let Some(crew) = &self.crew {
            let leads = crew.leads(self.number);
            if !leads {
                LEADING.set(0);
            }
            remember(&mut core.get().state.borrow(py), handler, leads, began.elapsed());
        }
        dispatch::finish(core, then, result)?;
        Ok(true)
    }
}

#[pymethods]
impl Seat {
    /// The next call, as a function and its arguments. A thread waits for it; `None` is its end. For a greenlet `None` says
    /// that there is nothing, and that the bell will ring.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(crew) = &self.crew else {
            return self.look(py)?.map(|call| self.give(py, call)).transpose();
        };
        let Some(_inside) = crew.enter() else { return Ok(None) };
        loop {
            if !self.lead(py, crew)? {
                return Ok(None);
            }
            if !crew.begin(self.number) {
                continue;
            }
            if let Some(call) = self.look(py)? {
                return self.give(py, call).map(Some);
            }
            if !crew.pause(self.number) {
                continue;
            }
            if !py.detach(|| self.bell.wait()) {
                return Ok(None);
            }
        }
    }

    /// The call has returned. False: nobody wants to know, the server has stopped.
    fn done<'py>(&self, py: Python<'py>, result: Bound<'py, PyAny>) -> PyResult<bool> {
        self.finish(py, Ok(result))
    }

    /// The call has raised. False: as for `done`.
    fn failed(&self, py: Python<'_>, error: Bound<'_, PyAny>) -> PyResult<bool> {
        self.finish(py, Err(PyErr::from_value(error)))
    }

    /// The call has raised, and the program sees it.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        let Some(Current { then, .. }) = self.inner.borrow(py).current.take() else { return Ok(()) };
        let nothing = Then { ack: None, ..then };
        dispatch::finish(self.core.bind(py), nothing, Ok(py.None().into_bound(py)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.core)
    }
}

/// The next call of what scripted sessions lead to.
fn next_of_script<'py>(core: &Bound<'py, ServerCore>) -> PyResult<Option<Call<'py>>> {
    loop {
        let event = core.get().state.borrow(core.py()).script.pop_front();
        let Some(event) = event else { return Ok(None) };
        if let Some(call) = dispatch::prepare(core, event)? {
            return Ok(Some(call));
        }
    }
}

/// Sees to it that somebody watches the leader.
pub(crate) fn ask_for_successor(core: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = core.py();
    let crew = match &core.get().state.borrow(py).running()?.host {
        Host::Threads(crew) => Arc::clone(crew),
        Host::Loop(_) | Host::Greenlets => return Ok(()),
    };
    if crew.lacks_successor()
        && let Err(error) = core.call_method0(intern!(py, "_enlist"))
    {
        // The system gives no more threads: handlers that block hold the others up.
        crew.nobody_came();
        error.write_unraisable(py, Some(core.as_any()));
    }
    Ok(())
}

/// The calling thread is in the lead: what it has queued is submitted when its handler ends or blocks.
pub(crate) fn is_leading(crew: &Crew) -> bool {
    let number = LEADING.get();
    number != 0 && crew.leads(number)
}

/// The calling thread will block.
pub(crate) fn step_aside(state: &mut State) {
    state.flush();
    if let Ok(running) = state.running()
        && let Host::Threads(crew) = &running.host
    {
        let number = LEADING.replace(0);
        if number != 0 {
            crew.hand_over(number);
        }
    }
}

/// Learns which handlers block, so that the lead is handed over before they are called: ten of them then begin at once, and
/// not a millisecond after each other.
fn remember(state: &mut State, handler: usize, leads: bool, took: Duration) {
    if took >= LONG && !leads {
        state.blocking.insert(handler, MEMORY);
    } else if let Some(left) = state.blocking.get_mut(&handler) {
        *left -= 1;
        if *left == 0 {
            state.blocking.remove(&handler);
        }
    }
}

/// Tells handlers apart: the function's address, also of a method, which is another object each time.
fn identity(callable: &Bound<'_, PyAny>) -> PyResult<usize> {
    static METHOD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = callable.py();
    let method = METHOD.get_or_try_init(py, || py.import("types")?.getattr("MethodType").map(Bound::unbind))?;
    if callable.get_type().as_ptr() == method.as_ptr() {
        return Ok(callable.getattr(intern!(py, "__func__"))?.as_ptr() as usize);
    }
    Ok(callable.as_ptr() as usize)
}

thread_local! {
    /// The number of this thread's seat while it leads (or did when it last looked).
    static LEADING: Cell<u32> = const { Cell::new(0) };
}
