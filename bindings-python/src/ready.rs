//! An awaitable that has happened already.

use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::client::ClientCore;
use crate::engine::ServerCore;
use crate::state::Kind;

/// What `emit` and its like return: awaiting it costs nothing and does not suspend. One object serves every call.
///
/// It passes for a coroutine (`send`, `throw`, `close`), so that `gather`, `wait_for`, `create_task` and a `TaskGroup` take it.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct Ready;

impl Ready {
    fn get(py: Python<'_>) -> PyResult<Py<PyAny>> {
        static READY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        READY.get_or_try_init(py, || Ok(Py::new(py, Self)?.into_any())).map(|ready| ready.clone_ref(py))
    }
}

/// What a method returns that has done everything already: something to await, or for threads nothing.
pub(crate) fn happened(core: &Bound<'_, ServerCore>) -> PyResult<Py<PyAny>> {
    let py = core.py();
    let awaitable = core.get().state.borrow(py).kind == Kind::Loop;
    if awaitable { Ready::get(py) } else { Ok(py.None()) }
}

impl Ready {
    /// As [`happened`], of a client without a connection.
    pub(crate) fn for_client(client: &Bound<'_, ClientCore>) -> PyResult<Py<PyAny>> {
        let py = client.py();
        let awaitable = client.call_method0(intern!(py, "is_asyncio_based"))?.is_truthy()?;
        if awaitable { Self::get(py) } else { Ok(py.None()) }
    }
}

#[pymethods]
impl Ready {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value=None, _traceback=None, /))]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        Err(thrown(&kind, value)?)
    }

    fn close(&self) {}
}

/// The error that a coroutine's `throw(error)` or `throw(type, value)` asks for.
pub(crate) fn thrown(kind: &Bound<'_, PyAny>, value: Option<Bound<'_, PyAny>>) -> PyResult<PyErr> {
    if !kind.is_instance_of::<pyo3::types::PyType>() {
        return Ok(PyErr::from_value(kind.clone()));
    }
    Ok(match value {
        Some(value) if value.is_instance(kind)? => PyErr::from_value(value),
        Some(value) => PyErr::from_value(kind.call1((value,))?),
        None => PyErr::from_value(kind.call0()?),
    })
}
