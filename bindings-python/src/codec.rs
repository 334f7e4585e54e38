//! Payloads to Python values and back: by the crate's own code, or by a module that the application brought (`json=`).
//!
//! Such a module makes text of whole packets and reads them, as in the original; `_json.py` takes the bytes out of what it is
//! given. That way costs some ten times more.

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::engine::ServerCore;
use crate::{decode, encode};

/// `["event",args…]`. A tuple is several arguments, `None` is none, anything else is one.
pub(crate) fn event(
    core: &Bound<'_, ServerCore>,
    name: &Bound<'_, PyAny>,
    data: Option<&Bound<'_, PyAny>>,
) -> PyResult<Payload> {
    let Some(module) = own(core) else { return encode::event(name, data) };
    let list = PyList::new(core.py(), [name])?;
    if let Some(data) = data {
        append(&list, data)?;
    }
    dumps(&module, &list)
}

/// `[args…]`, of the value that a handler returned.
pub(crate) fn answer(core: &Bound<'_, ServerCore>, data: &Bound<'_, PyAny>) -> PyResult<Payload> {
    let Some(module) = own(core) else { return encode::answer(data) };
    let list = PyList::empty(core.py());
    append(&list, data)?;
    dumps(&module, &list)
}

/// One value.
pub(crate) fn value(core: &Bound<'_, ServerCore>, data: &Bound<'_, PyAny>) -> PyResult<Payload> {
    match own(core) {
        Some(module) => dumps(&module, data),
        None => encode::value(data),
    }
}

/// The arguments of an event (its name first) or an ack.
pub(crate) fn arguments<'py>(core: &Bound<'py, ServerCore>, payload: &Payload) -> PyResult<Bound<'py, PyList>> {
    match own(core) {
        Some(module) => decode::filled_list(loads(&module, &payload.text)?, payload),
        None => decode::arguments(core.py(), payload),
    }
}

/// Any JSON text.
pub(crate) fn read<'py>(core: &Bound<'py, ServerCore>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    match own(core) {
        Some(module) => loads(&module, text),
        None => decode::value(core.py(), text),
    }
}

fn own<'py>(core: &Bound<'py, ServerCore>) -> Option<Bound<'py, PyAny>> {
    let py = core.py();
    core.get().codec.borrow(py).as_ref().map(|module| module.bind(py).clone())
}

fn append(list: &Bound<'_, PyList>, data: &Bound<'_, PyAny>) -> PyResult<()> {
    if data.is_none() {
        return Ok(());
    }
    match data.cast::<PyTuple>() {
        Ok(arguments) => arguments.iter().try_for_each(|argument| list.append(argument)),
        Err(_) => list.append(data),
    }
}

fn dumps(module: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Payload> {
    let made = module.call_method1(intern!(module.py(), "dumps"), (value,))?;
    let (text, attachments): (Bound<'_, PyString>, Vec<Vec<u8>>) = made.extract()?;
    let text = text.to_str()?;
    if text.is_empty() {
        return Err(PyValueError::new_err("the module given as json= made no text"));
    }
    Ok(Payload { text: Text::from(text), attachments: attachments.into_iter().map(Into::into).collect() })
}

fn loads<'py>(module: &Bound<'py, PyAny>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    module.call_method1(intern!(module.py(), "loads"), (text,))
}
