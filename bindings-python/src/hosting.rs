//! What our own listener has to ask Python: requests that are not the server's go to an ASGI application in batches, answers come
//! back ([`crate::hosted`]); and functions of the program have a say on requests that are.
//!
//! It has a bell of its own and knows nothing of the engine: a program with neither pays nothing for it.

use std::sync::Arc;

use ::http::Version;
use bytes::Bytes;
use ferrio::net::Head;
use ferrio::net::fallback::{Ends, Fallback, Visitor};
use ferrio::net::gate::{Gate, Question, Verdict};
use ferrio_embed::Wake;
use ferrio_protocol::engine::Frame;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::errors;
use crate::hosted::HostedAnswer;
use crate::http;
use crate::wake::Bell;

/// What the listener has to say to the program behind it.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct Hosting(Arc<Post>);

struct Post {
    bell: Arc<Bell>,
    waiting: Mutex<Vec<Happened>>,
    /// There is an application; bytes of the largest message of a WebSocket of its own.
    max_message: Option<usize>,
    /// A function decides on origins.
    origins: bool,
    /// Functions add to cookies.
    cookies: bool,
}

enum Happened {
    Request(Box<Visitor>),
    Body { number: u64, chunk: Bytes, end: bool },
    Room(u64),
    Message { number: u64, message: Frame },
    Closed { number: u64, code: u16, reason: String },
    Over(u64),
    Question(Box<Question>),
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

    fn message(&self, number: u64, message: Frame) {
        self.push(Happened::Message { number, message });
    }

    fn closed(&self, number: u64, code: u16, reason: &str) {
        self.push(Happened::Closed { number, code, reason: reason.to_owned() });
    }

    fn over(&self, number: u64) {
        self.push(Happened::Over(number));
    }

    fn max_message(&self) -> usize {
        self.max_message.unwrap_or_default()
    }
}

impl Gate for Post {
    fn concerns(&self, head: &Head) -> bool {
        // Only the answer to a request without a session has a cookie.
        (self.origins && head.header("origin").is_some()) || (self.cookies && !head.target.contains("sid="))
    }

    fn ask(&self, question: Question) {
        self.push(Happened::Question(Box::new(question)));
    }
}

impl Hosting {
    pub(crate) fn fallback(&self) -> Option<Arc<dyn Fallback>> {
        self.0.max_message.map(|_| Arc::clone(&self.0) as _)
    }

    pub(crate) fn gate(&self) -> Option<Arc<dyn Gate>> {
        (self.0.origins || self.0.cookies).then(|| Arc::clone(&self.0) as _)
    }
}

#[pymethods]
impl Hosting {
    #[new]
    #[pyo3(signature = (*, max_message=None, origins=false, cookies=false))]
    fn new(max_message: Option<usize>, origins: bool, cookies: bool) -> PyResult<Self> {
        let bell = Bell::new().map_err(|error| errors::io(&error))?;
        Ok(Self(Arc::new(Post { bell, waiting: Mutex::default(), max_message, origins, cookies })))
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

    /// Tells `host` everything that has happened, in order, by its methods `request`, `body`, `room`, `message`, `closed`,
    /// `over` and `question`.
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
                Happened::Message { number, message } => {
                    let (message, size) = match &message {
                        Frame::Text(text) => (PyString::new(py, text).into_any(), text.len()),
                        Frame::Binary(bytes) => (PyBytes::new(py, bytes).into_any(), bytes.len()),
                    };
                    host.call_method1(intern!(py, "message"), (number, message, size))?;
                }
                Happened::Closed { number, code, reason } => {
                    host.call_method1(intern!(py, "closed"), (number, code, reason))?;
                }
                Happened::Over(number) => {
                    host.call_method1(intern!(py, "over"), (number,))?;
                }
                Happened::Question(question) => put(host, *question)?,
            }
        }
        Ok(())
    }
}

fn begin(host: &Bound<'_, PyAny>, visitor: Visitor) -> PyResult<()> {
    let py = host.py();
    let Visitor { number, parts, bodiless, websocket, ends, answer } = visitor;
    let headers = PyList::empty(py);
    for (name, value) in &parts.headers {
        headers.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    let Ends { client, server, secure } = ends;
    let ends = [client, server].map(|end| end.map(|end| (end.ip().to_canonical().to_string(), end.port())));
    let version = if parts.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    let path = PyBytes::new(py, parts.uri.path().as_bytes());
    let query = PyBytes::new(py, parts.uri.query().unwrap_or_default().as_bytes());
    let answer = Bound::new(py, HostedAnswer::new(answer))?;
    let [client, server] = ends;
    let head = (version, parts.method.as_str(), path, query, headers, client, server, secure);
    host.call_method1(intern!(py, "request"), (number, answer, head, bodiless, websocket)).map(drop)
}

/// `host.question(head)` gives `(allowed, cookie)`, or `None` if the program failed: then nobody answers.
fn put(host: &Bound<'_, PyAny>, question: Question) -> PyResult<()> {
    let py = host.py();
    let head = http::unpack(py, &http::pack(&question.head))?;
    let said = host.call_method1(intern!(py, "question"), (head,))?;
    if let Some((allowed, cookie)) = said.extract::<Option<(Option<bool>, String)>>()? {
        question.answer(Verdict { allowed, cookie });
    }
    Ok(())
}
