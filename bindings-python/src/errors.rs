//! What goes wrong below, as Python exceptions.

use ferrio_embed::StartError;
use pyo3::exceptions::{PyKeyError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// A wrong option is the application's fault, a refusal of the system's an `OSError` with its number.
pub(crate) fn start(error: StartError) -> PyErr {
    match error {
        StartError::Options(what) => PyValueError::new_err(format!("invalid option: {what}")),
        StartError::Runtime(error) => io(&error),
    }
}

/// `OSError(errno, text)`, which Python turns into its own subclass by the number.
pub(crate) fn io(error: &std::io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

/// Threads do not survive `fork`: an engine belongs to the process that started it.
pub(crate) fn forked() -> PyErr {
    PyRuntimeError::new_err(
        "this server was started before os.fork(): a server must be started in the process that uses it \
         (it starts at its first request, or in serve())",
    )
}

/// One server, one loop.
pub(crate) fn other_loop() -> PyErr {
    PyRuntimeError::new_err("this server is running on another event loop")
}

/// python-engineio's words.
pub(crate) fn no_session() -> PyErr {
    PyKeyError::new_err("Session not found")
}

/// `ferrio.exceptions.TimeoutError()`.
pub(crate) fn timeout(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "ferrio.exceptions", "TimeoutError")?.call0()
}
