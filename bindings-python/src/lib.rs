//! `ferrio._ferrio`: the engine for the Python package `ferrio`.
//!
//! Python owns everything from an event to its handler, the engine everything up to the event. Between them go batches:
//!
//! * `wake`: the engine rings, the loop hears. `drain`: one crossing for everything that has happened.
//! * `dispatch`: from an event to the call of a handler, from its result to the ack. `presence`: connections and sockets come
//!   and go. `answers`: what somebody waits for.
//! * `worker`: one Task for many handlers. `task`: how a Task comes to its first step.
//! * `seat`: a thread that runs handlers. `crew`: which of them does. `promise`: what one waits with. `script`: sessions that a program plays.
//! * `emit`: from a call of the application's to a command. `rooms`: who is meant by it. `ready`: the awaitable that has
//!   happened already.
//! * `engine`: the class that the servers subclass. `life`: its start and its end. `state`, `table`: what it holds.
//! * `client`: the class that the clients subclass. `link`: its connection, which an engine has among others. `called`: what
//!   happens to it.
//! * `hosting`, `hosted`: what our own listener asks Python, an ASGI application's requests among it. `polls`: long-polling past the host's server.
//! * `http`: requests and WebSockets that reach the host's own server.
//! * `encode`, `decode`: Python values to JSON and back; `codec`: by these, or by a module of the application's.
//! * `ffi`: CPython calls outside the limited API. `errors`: what goes wrong below, as exceptions.
//!
//! Everything runs under the GIL, in the loop's thread or a `Server`'s. The engine's own threads never touch Python.

mod answers;
mod called;
mod client;
mod codec;
mod crew;
mod decode;
mod dispatch;
mod drain;
mod emit;
mod encode;
mod engine;
mod errors;
mod ffi;
mod hosted;
mod hosting;
mod http;
mod life;
mod link;
mod polls;
mod presence;
mod promise;
mod ready;
mod rooms;
mod script;
mod seat;
mod state;
mod table;
mod task;
mod wake;
mod worker;

/// The engine behind the Python package.
#[pyo3::pymodule(gil_used = true)]
mod _ferrio {
    use pyo3::exceptions::PyImportError;
    use pyo3::prelude::*;
    use pyo3::types::{PyBytes, PyList};

    use ferrio_protocol::Text;
    use ferrio_protocol::socket::Payload;

    #[pymodule_export]
    use super::client::{ClientCore, Sealed};
    #[pymodule_export]
    use super::engine::ServerCore;
    #[pymodule_export]
    use super::hosted::HostedAnswer;
    #[pymodule_export]
    use super::hosting::Hosting;
    #[pymodule_export]
    use super::promise::Promise;
    #[pymodule_export]
    use super::ready::Ready;
    #[pymodule_export]
    use super::seat::Seat;
    #[pymodule_export]
    use super::state::after_fork;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Everything static in here belongs to one interpreter; CPython before 3.12 would load it into a second one.
        // SAFETY: this runs under the GIL of the interpreter that imports.
        let interpreter = unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
        if interpreter != 0 {
            return Err(PyImportError::new_err("ferrio cannot be loaded into a subinterpreter"));
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// A value as a payload: JSON text, and the bytes that its placeholders stand for.
    #[pyfunction]
    fn dumps<'py>(value: &Bound<'py, PyAny>) -> PyResult<(String, Vec<Bound<'py, PyBytes>>)> {
        let payload = super::encode::value(value)?;
        let attachments = payload.attachments.iter().map(|bytes| PyBytes::new(value.py(), bytes)).collect();
        Ok((payload.text.to_string(), attachments))
    }

    /// The values of a payload: a JSON array, with the attachments that its placeholders stand for.
    #[pyfunction]
    #[pyo3(signature = (text, attachments=Vec::new()))]
    fn loads<'py>(py: Python<'py>, text: &str, attachments: Vec<Vec<u8>>) -> PyResult<Bound<'py, PyList>> {
        let attachments = attachments.into_iter().map(Into::into).collect();
        super::decode::arguments(py, &Payload { text: Text::from(text), attachments })
    }
}
