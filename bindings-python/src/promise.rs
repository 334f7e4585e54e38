//! What a thread waits with: one result, and a lock that is held until it is there.
//!
//! Python's own futures would do, were it not for the end of the interpreter: no Python code may run below a frame of ours
//! then, and whoever keeps a promise is such a frame. Locks are C. The waiting itself is Python's (`ThreadPromise.result`).

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::table::Gil;

/// See the module.
#[pyclass(subclass, frozen, module = "ferrio._ferrio")]
pub(crate) struct Promise {
    lock: Py<PyAny>,
    outcome: Gil<Option<Outcome>>,
}

struct Outcome {
    value: Py<PyAny>,
    is_error: bool,
}

impl Promise {
    fn keep(&self, py: Python<'_>, value: Py<PyAny>, is_error: bool) -> PyResult<()> {
        {
            let mut outcome = self.outcome.borrow(py);
            if outcome.is_some() {
                return Err(PyRuntimeError::new_err("the promise has been kept"));
            }
            *outcome = Some(Outcome { value, is_error });
        }
        self.lock.call_method0(py, intern!(py, "release")).map(drop)
    }
}

#[pymethods]
impl Promise {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        static ALLOCATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let allocate =
            ALLOCATE.get_or_try_init(py, || py.import("_thread")?.getattr("allocate_lock").map(Bound::unbind))?;
        let lock = allocate.call0(py)?;
        lock.call_method0(py, intern!(py, "acquire"))?;
        Ok(Self { lock, outcome: Gil::new(None) })
    }

    /// Released when the result is there.
    #[getter]
    fn _lock(&self, py: Python<'_>) -> Py<PyAny> {
        self.lock.clone_ref(py)
    }

    /// `(value, is_error)`, or `None`.
    #[getter]
    fn _outcome(&self, py: Python<'_>) -> Option<(Py<PyAny>, bool)> {
        self.outcome.borrow(py).as_ref().map(|outcome| (outcome.value.clone_ref(py), outcome.is_error))
    }

    /// Whether the result is there.
    fn done(&self, py: Python<'_>) -> bool {
        self.outcome.borrow(py).is_some()
    }

    fn set_result(&self, py: Python<'_>, result: Py<PyAny>) -> PyResult<()> {
        self.keep(py, result, false)
    }

    fn set_exception(&self, py: Python<'_>, error: Py<PyAny>) -> PyResult<()> {
        self.keep(py, error, true)
    }

    /// Nobody will keep it.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        static CANCELLED: PyOnceLock<Py<pyo3::types::PyType>> = PyOnceLock::new();
        if self.done(py) {
            return Ok(());
        }
        let error = CANCELLED.import(py, "ferrio._modes", "Cancelled")?.call0()?;
        self.keep(py, error.unbind(), true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)?;
        match self.outcome.try_borrow() {
            Some(outcome) => outcome.as_ref().map_or(Ok(()), |outcome| visit.call(&outcome.value)),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        let cleared = self.outcome.try_borrow().and_then(|mut outcome| outcome.take());
        drop(cleared);
    }
}
