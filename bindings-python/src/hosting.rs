//! An ASGI application behind our own listener: requests that are not the server's go to Python in batches, answers come back.
//!
//! It has a bell of its own and knows nothing of the engine: a program that hosts no application pays nothing for it.

use std::sync::Arc;

use bytes::Bytes;
use ferrio::net::fallback::{Answer, Ends, Fallback, Visitor};
use ferrio_embed::Wake;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::errors;
use crate::wake::Bell;

/// What the listener has to say to an application's host.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct Hosting(Arc<Post>);

struct Post {
    bell: Arc<Bell>,
    waiting: Mutex<Vec<Happened>>,
}

enum Happened {
    Request(Box<Visitor>),
    Body { number: u64, chunk: Bytes, end: bool },
    Room(u64),
    Over(u64),
}

impl Post {
    fn push(&self, happened: Happened) {
        let mut waiting = self.waiting.lock();
        let first = waiting.is_empty();
        waiting.push(happened);
        drop(waiting);
        // Otherwise it rings already.
        if first {
            self.bell.wake();
        }
    }
}

impl Fallback for Post {
    fn request(&self, request: Visitor) {
        self.push(Happened::Request(Box::new(request)));
    }

    fn body(&self, number: u64, chunk: Bytes, end: bool) {
        self.push(Happened::Body { number, chunk, end });
    }

    fn room(&self, number: u64) {
        self.push(Happened::Room(number));
    }

    fn over(&self, number: u64) {
        self.push(Happened::Over(number));
    }
}

impl Hosting {
    pub(crate) fn fallback(&self) -> Arc<dyn Fallback> {
        Arc::clone(&self.0) as _
    }
}

#[pymethods]
impl Hosting {
    #[new]
    fn new() -> PyResult<Self> {
        let bell = Bell::new().map_err(|error| errors::io(&error))?;
        Ok(Self(Arc::new(Post { bell, waiting: Mutex::default() })))
    }

    /// What a loop watches; `None` where there are no descriptors.
    fn fileno(&self) -> Option<i32> {
        self.0.bell.descriptor()
    }

    /// From now on a thread waits, in `wait`.
    fn use_thread(&self) {
        self.0.bell.use_thread();
    }

    /// Blocks until there is something to take; false when nobody needs to wait any more.
    fn wait(&self, py: Python<'_>) -> bool {
        py.detach(|| self.0.bell.wait())
    }

    /// Ends the waiting.
    fn retire(&self) {
        self.0.bell.retire();
    }

    /// Tells `host` everything that has happened, in order, by its methods `request`, `body`, `room` and `over`.
    fn drain(&self, host: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = host.py();
        self.0.bell.silence();
        let waiting = std::mem::take(&mut *self.0.waiting.lock());
        for happened in waiting {
            match happened {
                Happened::Request(visitor) => begin(host, *visitor)?,
                Happened::Body { number, chunk, end } => {
                    host.call_method1(intern!(py, "body"), (number, PyBytes::new(py, &chunk), end))?;
                }
                Happened::Room(number) => {
                    host.call_method1(intern!(py, "room"), (number,))?;
                }
                Happened::Over(number) => {
                    host.call_method1(intern!(py, "over"), (number,))?;
                }
            }
        }
        Ok(())
    }
}

fn begin(host: &Bound<'_, PyAny>, visitor: Visitor) -> PyResult<()> {
    let py = host.py();
    let Visitor { number, parts, bodiless, ends, answer } = visitor;
    let headers = PyList::empty(py);
    for (name, value) in &parts.headers {
        headers.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    let Ends { client, server, secure } = ends;
    let ends = [client, server].map(|end| end.map(|end| (end.ip().to_canonical().to_string(), end.port())));
    let version = if parts.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    let path = PyBytes::new(py, parts.uri.path().as_bytes());
    let query = PyBytes::new(py, parts.uri.query().unwrap_or_default().as_bytes());
    let answer = Bound::new(py, HostedAnswer(Mutex::new(Some(answer))))?;
    let [client, server] = ends;
    let head = (version, parts.method.as_str(), path, query, headers, client, server, secure);
    host.call_method1(intern!(py, "request"), (number, answer, head, bodiless)).map(drop)
}

/// How an application answers one request.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct HostedAnswer(Mutex<Option<Answer>>);

#[pymethods]
impl HostedAnswer {
    /// Asks for the next piece of the body.
    fn pull(&self) {
        if let Some(answer) = &*self.0.lock() {
            answer.pull();
        }
    }

    /// Begins the answer. `ValueError` for a status or a header that HTTP does not allow.
    fn start(&self, status: u16, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let status = StatusCode::from_u16(status).map_err(|_| PyValueError::new_err(format!("no status: {status}")))?;
        let mut map = HeaderMap::new();
        for header in headers.try_iter()? {
            let header = header?;
            let (name, value) = (header.get_item(0)?, header.get_item(1)?);
            let (name, value) = (name.cast::<PyBytes>()?, value.cast::<PyBytes>()?);
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| PyValueError::new_err("no name of a header"))?;
            let value =
                HeaderValue::from_bytes(value.as_bytes()).map_err(|_| PyValueError::new_err("no value of a header"))?;
            // The connection is ours.
            if name != "transfer-encoding" && name != "connection" {
                map.append(name, value);
            }
        }
        if let Some(answer) = &*self.0.lock() {
            answer.start(status, map);
        }
        Ok(())
    }

    /// Adds to the body. False: wait until there is room before the next piece.
    fn write(&self, chunk: &Bound<'_, PyBytes>) -> bool {
        match &*self.0.lock() {
            Some(answer) => answer.write(Bytes::copy_from_slice(chunk.as_bytes())),
            None => true,
        }
    }

    /// Ends the answer.
    fn end(&self) {
        if let Some(answer) = self.0.lock().take() {
            answer.end();
        }
    }

    /// Cuts the answer off.
    fn abort(&self) {
        drop(self.0.lock().take());
    }
}
