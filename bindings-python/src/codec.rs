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

use crate::table::Gil;
use crate::{decode, encode};

/// A server or a client, which may have such a module.
pub(crate) trait Speaker: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync {
    fn codec(&self) -> &Gil<Option<Py<PyAny>>>;
}

/// `["event",args…]`. A tuple is several arguments, `None` is none, anything else is one.
pub(crate) fn event<S: Speaker>(
    speaker: &Bound<'_, S>,
    name: &Bound<'_, PyAny>,
    data: Option<&Bound<'_, PyAny>>,
) -> PyResult<Payload> {
    let Some(module) = own(speaker) else { return encode::event(name, data) };
    let list = PyList::new(speaker.py(), [name])?;
    if let Some(data) = data {
        append(&list, data)?;
    }
    dumps(&module, &list)
}

/// `[args…]`, of the value that a handler returned.
pub(crate) fn answer<S: Speaker>(speaker: &Bound<'_, S>, data: &Bound<'_, PyAny>) -> PyResult<Payload> {
    let Some(module) = own(speaker) else { return encode::answer(data) };
    let list = PyList::empty(speaker.py());
    append(&list, data)?;
    dumps(&module, &list)
}

/// One value.
pub(crate) fn value<S: Speaker>(speaker: &Bound<'_, S>, data: &Bound<'_, PyAny>) -> PyResult<Payload> {
    match own(speaker) {
        Some(module) => dumps(&module, data),
        None => encode::value(data),
    }
}

/// The arguments of an event (its name first) or an ack.
pub(crate) fn arguments<'py, S: Speaker>(speaker: &Bound<'py, S>, payload: &Payload) -> PyResult<Bound<'py, PyList>> {
    match own(speaker) {
        Some(module) => decode::filled_list(loads(&module, &payload.text)?, payload),
        None => decode::arguments(speaker.py(), payload),
    }
}

/// Any JSON text.
pub(crate) fn read<'py, S: Speaker>(speaker: &Bound<'py, S>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    match own(speaker) {
        Some(module) => loads(&module, text),
        None => decode::value(speaker.py(), text),
    }
}

fn own<'py, S: Speaker>(speaker: &Bound<'py, S>) -> Option<Bound<'py, PyAny>> {
    let py = speaker.py();
    speaker.get().codec().borrow(py).as_ref().map(|module| module.bind(py).clone())
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
