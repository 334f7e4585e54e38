//! The JSON text of a payload to Python values; placeholders to the bytes they stand for.

use ferrio_protocol::socket::Payload;
use jiter::{PythonParse, StringCacheMode};
use pyo3::exceptions::PyIndexError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// The arguments of an event (its name first) or an ack.
pub(crate) fn arguments<'py>(py: Python<'py>, payload: &Payload) -> PyResult<Bound<'py, PyList>> {
    filled_list(value(py, &payload.text)?, payload)
}

/// A payload's list with its attachments in place.
pub(crate) fn filled_list<'py>(list: Bound<'py, PyAny>, payload: &Payload) -> PyResult<Bound<'py, PyList>> {
    let (py, list) = (list.py(), list.cast_into::<PyList>()?);
    if !payload.attachments.is_empty() {
        let attachments: Vec<_> = payload.attachments.iter().map(|bytes| PyBytes::new(py, bytes)).collect();
        fill_list(&list, &attachments)?;
    }
    Ok(list)
}

/// Any JSON text.
pub(crate) fn value<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    match PARSER.python_parse(py, text.as_bytes()) {
        Ok(value) => Ok(value),
        // jiter refuses a little that Python's `json` (and every JavaScript) takes: lone surrogates written as escapes.
        Err(_) => py.import(intern!(py, "json"))?.call_method1(intern!(py, "loads"), (text,)),
    }
}

/// Keys repeat from message to message, strings elsewhere seldom.
const PARSER: PythonParse = PythonParse {
    allow_inf_nan: true,
    cache_mode: StringCacheMode::Keys,
    partial_mode: jiter::PartialMode::Off,
    catch_duplicate_keys: false,
    float_mode: jiter::FloatMode::Float,
};

// The engine bounds the depth of a payload, so that this recursion is bounded.

fn fill_list(list: &Bound<'_, PyList>, attachments: &[Bound<'_, PyBytes>]) -> PyResult<()> {
    for (index, item) in list.iter().enumerate() {
        if let Some(bytes) = filled(&item, attachments)? {
            list.set_item(index, bytes)?;
        }
    }
    Ok(())
}

fn fill_dict(dict: &Bound<'_, PyDict>, attachments: &[Bound<'_, PyBytes>]) -> PyResult<()> {
    for key in dict.keys().iter() {
        let Some(item) = dict.get_item(&key)? else { continue };
        if let Some(bytes) = filled(&item, attachments)? {
            dict.set_item(key, bytes)?;
        }
    }
    Ok(())
}

/// The bytes that `item` stands for, if it is a placeholder; otherwise fills what is inside it.
fn filled<'py>(item: &Bound<'py, PyAny>, attachments: &[Bound<'py, PyBytes>]) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = item.py();
    if let Ok(list) = item.cast::<PyList>() {
        fill_list(list, attachments)?;
    } else if let Ok(dict) = item.cast::<PyDict>() {
        if is_placeholder(dict)? {
            let number: usize = dict.as_any().get_item(intern!(py, "num"))?.extract()?;
            let bytes = attachments.get(number).ok_or_else(|| PyIndexError::new_err("illegal attachments"))?;
            return Ok(Some(bytes.clone()));
        }
        fill_dict(dict, attachments)?;
    }
    Ok(None)
}

fn is_placeholder(dict: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = dict.py();
    Ok(match dict.get_item(intern!(py, "_placeholder"))? {
        Some(flag) => flag.is_truthy()? && dict.contains(intern!(py, "num"))?,
        None => false,
    })
}
