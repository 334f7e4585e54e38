//! Python values to the JSON text of a payload, in one pass, with the rules of `json.dumps`; bytes become attachments.
//!
//! Where `json.dumps` would write `\u` escapes this writes UTF-8, save for lone surrogates, which have no UTF-8.

use std::cell::Cell;

use bytes::Bytes;
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use pyo3::exceptions::{PyRecursionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple};

/// `["event",args…]`. A tuple is several arguments, `None` is none, anything else is one.
pub(crate) fn event(name: &Bound<'_, PyAny>, data: Option<&Bound<'_, PyAny>>) -> PyResult<Payload> {
    encode(|encoder| {
        encoder.out.push(b'[');
        encoder.value(name)?;
        if let Some(data) = data {
            for_each_argument(data, |argument| {
                encoder.out.push(b',');
                encoder.value(&argument)
            })?;
        }
        encoder.out.push(b']');
        Ok(())
    })
}

/// `[args…]`, of the value that a handler returned.
pub(crate) fn answer(data: &Bound<'_, PyAny>) -> PyResult<Payload> {
    encode(|encoder| {
        let start = encoder.out.len();
        for_each_argument(data, |argument| {
            encoder.out.push(b',');
            encoder.value(&argument)
        })?;
        if encoder.out.len() == start {
            encoder.out.push(b'[');
        } else {
            encoder.out[start] = b'[';
        }
        encoder.out.push(b']');
        Ok(())
    })
}

/// One value.
pub(crate) fn value(value: &Bound<'_, PyAny>) -> PyResult<Payload> {
    encode(|encoder| encoder.value(value))
}

fn for_each_argument<'py>(
    data: &Bound<'py, PyAny>,
    mut each: impl FnMut(Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    if data.is_none() {
        return Ok(());
    }
    match data.cast::<PyTuple>() {
        Ok(arguments) => arguments.iter().try_for_each(each),
        Err(_) => each(data.clone()),
    }
}

fn encode(write: impl FnOnce(&mut Encoder) -> PyResult<()>) -> PyResult<Payload> {
    // What is encoded may call Python code that emits: that finds no scratch, and makes its own.
    let mut out = SCRATCH.take();
    out.clear();
    out.reserve(256);
    let mut encoder = Encoder { out, attachments: Vec::new(), containers: Vec::new() };
    let written = write(&mut encoder);
    let Encoder { out, attachments, .. } = encoder;
    let bytes = if out.len() > SMALL || written.is_err() {
        Bytes::from(out)
    } else {
        let bytes = Bytes::copy_from_slice(&out);
        SCRATCH.set(out);
        bytes
    };
    written?;
    // Only `str`s, ASCII and the UTF-8 of Python strings were appended.
    let text = Text::from_utf8(bytes).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Payload { text, attachments })
}

/// Bytes that are copied out of the scratch: one allocation of their size, where a `Vec` with room to spare would be two, each
/// to be freed in an I/O thread.
const SMALL: usize = 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

struct Encoder {
    out: Vec<u8>,
    attachments: Vec<Bytes>,
    /// The containers around the value being written, by address.
    containers: Vec<*mut ffi::PyObject>,
}

/// As deep as `json.dumps` goes with Python's default recursion limit.
const MAX_DEPTH: usize = 1000;
/// From this depth on a container is looked for among those around it: no honest value is this deep.
const SUSPICIOUS_DEPTH: usize = 100;

impl Encoder {
    fn value(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        // Exact types first, the frequent before the rare.
        if value.is_exact_instance_of::<PyString>() {
            self.string(value.cast()?)
        } else if value.is_exact_instance_of::<PyInt>() {
            self.int(value)
        } else if value.is_exact_instance_of::<PyDict>() {
            self.nested(value, |encoder| encoder.dict(value.cast()?))
        } else if value.is_exact_instance_of::<PyList>() {
            self.nested(value, |encoder| encoder.list(value.cast()?))
        } else if value.is_none() {
            self.out.extend_from_slice(b"null");
            Ok(())
        } else if let Ok(value) = value.cast::<PyBool>() {
            self.out.extend_from_slice(if value.is_true() { b"true" } else { b"false" });
            Ok(())
        } else if value.is_exact_instance_of::<PyFloat>() {
            self.float(value)
        } else if let Ok(bytes) = value.cast::<PyBytes>() {
            self.attachment(Bytes::copy_from_slice(bytes.as_bytes()));
            Ok(())
        } else {
            self.rare(value)
        }
    }

    fn rare(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(tuple) = value.cast::<PyTuple>() {
            self.nested(value, |encoder| encoder.items(tuple.iter().map(Ok)))
        } else if let Ok(bytes) = value.cast::<PyByteArray>() {
            self.attachment(bytes.to_vec().into());
            Ok(())
        } else if value.is_instance_of::<PyMemoryView>() {
            // abi3-py310 has no buffer protocol: one more copy.
            let bytes = value.call_method0("tobytes")?;
            self.attachment(Bytes::copy_from_slice(bytes.cast::<PyBytes>()?.as_bytes()));
            Ok(())
        } else if let Ok(text) = value.cast::<PyString>() {
            self.string(text)
        } else if value.is_instance_of::<PyInt>() {
            self.int(value)
        } else if value.is_instance_of::<PyFloat>() {
            self.float(value)
        } else if value.is_instance_of::<PyList>() {
            self.nested(value, |encoder| encoder.items(value.try_iter()?))
        } else if value.is_instance_of::<PyDict>() {
            self.nested(value, |encoder| encoder.mapping(value))
        } else {
            let kind = value.get_type().name()?;
            Err(PyTypeError::new_err(format!("Object of type {kind} is not JSON serializable")))
        }
    }

    fn nested(&mut self, container: &Bound<'_, PyAny>, write: impl FnOnce(&mut Self) -> PyResult<()>) -> PyResult<()> {
        let address = container.as_ptr();
        if self.containers.len() >= SUSPICIOUS_DEPTH {
            if self.containers.contains(&address) {
                return Err(PyValueError::new_err("Circular reference detected"));
            }
            if self.containers.len() >= MAX_DEPTH {
                return Err(PyRecursionError::new_err("maximum recursion depth exceeded while encoding a JSON object"));
            }
        }
        self.containers.push(address);
        write(self)?;
        self.containers.pop();
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = dict.py();
        let size = dict.len();
        let (mut position, mut key, mut item) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        self.out.push(b'{');
        let start = self.out.len();
        // Not pyo3's iterator: it panics where the dictionary is changed (by a `tobytes` or `items` of the application's).
        // SAFETY: the walk ends when the size changes; key and value are borrowed from the dictionary and held while in use.
        while unsafe { ffi::PyDict_Next(dict.as_ptr(), &raw mut position, &raw mut key, &raw mut item) } != 0 {
            // SAFETY: see above.
            let (key, item) = unsafe { (Bound::from_borrowed_ptr(py, key), Bound::from_borrowed_ptr(py, item)) };
            if self.out.len() > start {
                self.out.push(b',');
            }
            self.entry(&key, &item)?;
            if dict.len() != size {
                return Err(PyRuntimeError::new_err("dictionary changed size during iteration"));
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A subclass of `dict` may order or compute its items.
    fn mapping(&mut self, mapping: &Bound<'_, PyAny>) -> PyResult<()> {
        self.out.push(b'{');
        let start = self.out.len();
        for pair in mapping.call_method0("items")?.try_iter()? {
            let (key, item): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
            if self.out.len() > start {
                self.out.push(b',');
            }
            self.entry(&key, &item)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn entry(&mut self, key: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(key) = key.cast::<PyString>() {
            self.string(key)?;
        } else {
            self.out.push(b'"');
            if key.is_none() {
                self.out.extend_from_slice(b"null");
            } else if let Ok(key) = key.cast::<PyBool>() {
                self.out.extend_from_slice(if key.is_true() { b"true" } else { b"false" });
            } else if key.is_instance_of::<PyInt>() {
                self.int(key)?;
            } else if key.is_instance_of::<PyFloat>() {
                self.float_key(key)?;
            } else {
                let kind = key.get_type().name()?;
                return Err(PyTypeError::new_err(format!("keys must be str, int, float, bool or None, not {kind}")));
            }
            self.out.push(b'"');
        }
        self.out.push(b':');
        self.value(item)
    }

    fn list(&mut self, list: &Bound<'_, PyList>) -> PyResult<()> {
        // By index and against the length of the moment: what is inside may change the list.
        let mut index = 0;
        self.items(std::iter::from_fn(|| {
            let item = (index < list.len()).then(|| list.get_item(index));
            index += 1;
            item
        }))
    }

    fn items<'py>(&mut self, items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>) -> PyResult<()> {
        self.out.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(&item?)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn string(&mut self, text: &Bound<'_, PyString>) -> PyResult<()> {
        self.out.push(b'"');
        match text.to_str() {
            Ok(text) => self.escaped(text.as_bytes()),
            Err(_) => self.surrogates(text)?,
        }
        self.out.push(b'"');
        Ok(())
    }

    fn escaped(&mut self, text: &[u8]) {
        let mut start = 0;
        for (index, &byte) in text.iter().enumerate() {
            let escape = ESCAPES[usize::from(byte)];
            if escape == 0 {
                continue;
            }
            self.out.extend_from_slice(&text[start..index]);
            start = index + 1;
            if escape == b'u' {
                self.out.extend_from_slice(b"\\u00");
                self.out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            } else {
                self.out.extend_from_slice(&[b'\\', escape]);
            }
        }
        self.out.extend_from_slice(&text[start..]);
    }

    /// A string with surrogates that belong to no pair, which UTF-8 cannot hold.
    fn surrogates(&mut self, text: &Bound<'_, PyString>) -> PyResult<()> {
        let units = text.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
        let units = units.cast::<PyBytes>()?.as_bytes().chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        for unit in char::decode_utf16(units) {
            match unit {
                Ok(character) => self.escaped(character.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(lone) => self.out.extend_from_slice(format!("\\u{:04x}", lone.unpaired_surrogate()).as_bytes()),
            }
        }
        Ok(())
    }

    fn int(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut overflow = 0;
        // SAFETY: the value is an `int`, or of a subclass; no Python code runs.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &raw mut overflow) };
        if overflow == 0 {
            self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            return Ok(());
        }
        // `int.__repr__`, whatever the subclass thinks of it.
        let digits = value.py().get_type::<PyInt>().call_method1("__repr__", (value,))?;
        self.out.extend_from_slice(digits.cast::<PyString>()?.to_str()?.as_bytes());
        Ok(())
    }

    fn float(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let number = value.cast::<PyFloat>()?.value();
        if number.is_finite() {
            self.out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
        } else {
            self.out.extend_from_slice(not_finite(number));
        }
        Ok(())
    }

    /// As a key a number is text, so that its form matters: Python's.
    fn float_key(&mut self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let number = key.cast::<PyFloat>()?.value();
        if !number.is_finite() {
            self.out.extend_from_slice(not_finite(number));
            return Ok(());
        }
        let text = key.py().get_type::<PyFloat>().call_method1("__repr__", (key,))?;
        self.out.extend_from_slice(text.cast::<PyString>()?.to_str()?.as_bytes());
        Ok(())
    }

    fn attachment(&mut self, bytes: Bytes) {
        self.out.extend_from_slice(b"{\"_placeholder\":true,\"num\":");
        self.out.extend_from_slice(itoa::Buffer::new().format(self.attachments.len()).as_bytes());
        self.out.push(b'}');
        self.attachments.push(bytes);
    }
}

/// The literals of Python's `json`.
fn not_finite(number: f64) -> &'static [u8] {
    if number.is_nan() {
        b"NaN"
    } else if number > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// What follows the backslash, by byte; 0 where none is needed.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};
