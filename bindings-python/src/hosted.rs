//! How an application answers one request that our own listener brought it; and the WebSocket that the request may become.

use bytes::Bytes;
use ferrio::net::fallback::Answer;
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// How an application answers one request.
#[pyclass(frozen, module = "ferrio._ferrio")]
pub(crate) struct HostedAnswer(Mutex<Option<Answer>>);

impl HostedAnswer {
    pub(crate) fn new(answer: Answer) -> Self {
        Self(Mutex::new(Some(answer)))
    }

    fn with<T>(&self, act: impl FnOnce(&Answer) -> T) -> Option<T> {
        self.0.lock().as_ref().map(act)
    }
}

#[pymethods]
impl HostedAnswer {
    /// Asks for the next piece of the body.
    fn pull(&self) {
        self.with(Answer::pull);
    }

    /// Begins the answer. `ValueError` for a status or a header that HTTP does not allow.
    fn start(&self, status: u16, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let status = StatusCode::from_u16(status).map_err(|_| PyValueError::new_err(format!("no status: {status}")))?;
        let headers = map(headers)?;
        self.with(|answer| answer.start(status, headers));
        Ok(())
    }

    /// Adds to the body. False: wait until there is room before the next piece.
    fn write(&self, chunk: &Bound<'_, PyBytes>) -> bool {
        self.with(|answer| answer.write(Bytes::copy_from_slice(chunk.as_bytes()))).unwrap_or(true)
    }

    /// Ends the answer.
    fn end(&self) {
        if let Some(answer) = self.0.lock().take() {
            answer.end();
        }
    }

    /// Cuts the answer, or the WebSocket, off.
    fn abort(&self) {
        drop(self.0.lock().take());
    }

    /// Makes the request a WebSocket. `ValueError` for a header that HTTP does not allow.
    fn accept(&self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let headers = map(headers)?;
        self.with(|answer| answer.accept(headers));
        Ok(())
    }

    /// Sends a message. False: wait until there is room before the next one.
    fn send_text(&self, message: &Bound<'_, PyString>) -> PyResult<bool> {
        let message = Frame::Text(Text::from(message.to_str()?));
        Ok(self.with(|answer| answer.send(message)).unwrap_or(true))
    }

    /// As `send_text`.
    fn send_bytes(&self, message: &Bound<'_, PyBytes>) -> bool {
        let message = Frame::Binary(Bytes::copy_from_slice(message.as_bytes()));
        self.with(|answer| answer.send(message)).unwrap_or(true)
    }

    /// So many bytes of a message have been taken.
    fn took(&self, size: usize) {
        self.with(|answer| answer.took(size));
    }

    /// Closes the WebSocket once what was sent has left. `ValueError` for a code that no close frame may have.
    fn close(&self, code: u16, reason: String) -> PyResult<()> {
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(PyValueError::new_err(format!("no code of a close frame: {code}")));
        }
        if let Some(answer) = self.0.lock().take() {
            answer.close(code, reason);
        }
        Ok(())
    }
}

/// Headers as ASGI has them.
fn map(headers: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let mut map = HeaderMap::new();
    for header in headers.try_iter()? {
        let header = header?;
        let (name, value) = (header.get_item(0)?, header.get_item(1)?);
        let (name, value) = (name.cast::<PyBytes>()?, value.cast::<PyBytes>()?);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| PyValueError::new_err("no name of a header"))?;
        let value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| PyValueError::new_err("no value of a header"))?;
        // The connection is ours.
        if name != "transfer-encoding" && name != "connection" {
            map.append(name, value);
        }
    }
    Ok(map)
}
