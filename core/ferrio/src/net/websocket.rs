//! The frames of a WebSocket, read from slices; and the handshake before them.
//!
//! tungstenite's [`WebSocketContext`] does the reading. It never sees the socket: whoever has received bytes feeds them, and
//! gets whole messages; answers (pong, close) come out as bytes, to be queued like everything else. Two things it does not
//! bound are bounded here, by a scanner that follows the frame headers beside it: the fragments of a message and the rate
//! of control frames. And what is plain does not need it at all (`plain`).
//!
//! A context and its buffer live only from the first byte of a message to the last one: an idle connection has none, and
//! one that received a megabyte does not keep it.

mod handshake;
mod plain;
mod scanner;

use std::io::{self, Read, Write};
use std::time::Instant;

use bytes::Bytes;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::{Limit, Limits, Text};
use tungstenite::Message;
pub use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

pub(super) use handshake::BAD_VERSION;
pub use handshake::{accept, is_upgrade};
use scanner::Scanner;

/// Reads the frames of one peer.
pub struct Codec {
    role: Role,
    scanner: Scanner,
    /// Only while a frame or message is incomplete.
    context: Option<Box<WebSocketContext>>,
    max: usize,
    over: bool,
}

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message.
    Frame(Frame),
    /// A ping, and the frame that answers it. At most one for the bytes of one [`feed`](Codec::feed): only the last of
    /// several pings is answered (RFC 6455, 5.5.3).
    Pong(Bytes),
    /// A close. Nothing after it counts.
    Close {
        /// The frame that answers it, with the same code.
        reply: Bytes,
        /// The peer's code and reason, if it gave any.
        said: Option<CloseFrame>,
    },
}

/// What a peer did wrong. Nothing after it counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A message over the limit.
    #[error("Max payload size exceeded")]
    TooBig,
    /// Text that is not UTF-8.
    #[error("Invalid WebSocket frame: invalid UTF-8 sequence")]
    Utf8,
    /// More fragments or control frames than this limit.
    #[error("Too many WebSocket frames")]
    Flood(Limit),
    /// RFC 6455 was broken.
    #[error("Invalid WebSocket frame: {0}")]
    Protocol(String),
}

impl Fault {
    /// The close code for it.
    pub fn code(&self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Utf8 => 1007,
            Self::Flood(_) => 1008,
            Self::TooBig => 1009,
        }
    }

    /// The frame that tells the peer (unmasked).
    pub fn close_frame(&self) -> Bytes {
        close_frame(Some(self.code()))
    }
}

impl Codec {
    /// Reads a client.
    pub fn new(limits: &Limits) -> Self {
        let (scanner, max) = (Scanner::new(limits), limits.max_payload);
        Self { role: Role::Server, scanner, context: None, max, over: false }
    }

    /// Reads a server. The answers that it gives out have yet to be masked.
    pub fn client(limits: &Limits) -> Self {
        Self { role: Role::Client, ..Self::new(limits) }
    }

    /// Takes bytes as they come from the socket, cut anywhere, and gives out what they complete.
    ///
    /// # Errors
    /// The peer broke a rule. What came before has been given out.
    pub fn feed(&mut self, bytes: &[u8], on: &mut dyn FnMut(Incoming)) -> Result<(), Fault> {
        if self.over {
            return Ok(());
        }
        let bytes = match self.take_plain(bytes, on) {
            Ok(rest) => rest,
            Err(fault) => {
                self.over = true;
                return Err(fault);
            }
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let (sound, verdict) = self.scanner.scan(bytes, Instant::now);
        let verdict = match self.read(&bytes[..sound], on) {
            Ok(()) if !self.over => verdict,
            // A close frame came before what the scanner has found.
            read => read,
        };
        self.over |= verdict.is_err();
        if self.over || self.scanner.is_between_messages() {
            self.context = None;
        }
        verdict
    }

    /// Whether a close frame or a fault has ended the reading.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Gives out the plain messages at the start of `bytes`, and what is behind them.
    fn take_plain<'b>(&self, bytes: &'b [u8], on: &mut dyn FnMut(Incoming)) -> Result<&'b [u8], Fault> {
        if !self.scanner.is_between_messages() {
            return Ok(bytes);
        }
        let (messages, used) = plain::take(bytes, self.max, self.role == Role::Server);
        for message in messages {
            on(Incoming::Frame(if message.is_text {
                Frame::Text(Text::from_utf8(message.bytes).map_err(|_| Fault::Utf8)?)
            } else {
                Frame::Binary(message.bytes)
            }));
        }
        Ok(&bytes[used..])
    }

    fn read(&mut self, bytes: &[u8], on: &mut dyn FnMut(Incoming)) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (whole, role) = (self.scanner.is_between_messages(), self.role);
        let context = self.context.get_or_insert_with(|| {
            let turn = if whole { bytes.len() } else { PARTIAL_BUFFER / 2 };
            Box::new(context(role, turn, self.max))
        });
        let mut slice = Slice(bytes);
        let mut pinged = None;
        let result = loop {
            match context.read(&mut slice) {
                Ok(Message::Text(text)) => {
                    // Checked once already; the second look costs a few nanoseconds for a small message.
                    match Text::from_utf8(text.into()) {
                        Ok(text) => on(Incoming::Frame(Frame::Text(text))),
                        Err(_) => break Err(Fault::Utf8),
                    }
                }
                Ok(Message::Binary(bytes)) => on(Incoming::Frame(Frame::Binary(bytes))),
                Ok(Message::Ping(data)) => pinged = Some(data),
                Ok(Message::Close(frame)) => {
                    self.over = true;
                    let reply = close_frame(frame.as_ref().map(|frame| frame.code.into()));
                    on(Incoming::Close { reply, said: frame });
                    return Ok(());
                }
                Ok(Message::Pong(_) | Message::Frame(_)) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(tungstenite::Error::Capacity(_)) => break Err(Fault::TooBig),
                Err(tungstenite::Error::Utf8(_)) => break Err(Fault::Utf8),
                Err(tungstenite::Error::Protocol(error)) => break Err(Fault::Protocol(error.to_string())),
                Err(error) => break Err(Fault::Protocol(error.to_string())),
            }
        };
        if let Some(data) = pinged {
            on(Incoming::Pong(control_frame(0x8a, &data)));
        }
        result
    }
}

/// A close frame. Without a code the client sees 1005, as from the originals when the server closes.
pub fn close_frame(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => control_frame(0x88, &code.to_be_bytes()),
        None => Bytes::from_static(&[0x88, 0]),
    }
}

/// A close frame with a few words; what is too long for it is cut off.
pub fn close_frame_saying(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    control_frame(0x88, &payload)
}

/// A close frame carries no more beside its code.
const MAX_REASON: usize = 123;

/// The scanner lets no payload of more than 125 bytes through.
fn control_frame(first: u8, payload: &[u8]) -> Bytes {
    let length = payload.len().min(125);
    let mut frame = Vec::with_capacity(2 + length);
    frame.extend([first, length as u8]);
    frame.extend_from_slice(&payload[..length]);
    frame.into()
}

/// A context for `turn` bytes that are at hand.
///
/// tungstenite zeroes its buffer before each read, and reserves the length of a frame again when it has the frame already:
/// twice the turn spares it any growing. Messages are slices of this buffer, so one that is kept holds no more than what
/// came with it.
fn context(role: Role, turn: usize, max: usize) -> WebSocketContext {
    let buffer = (2 * turn + 16).clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
    let config = WebSocketConfig::default()
        .read_buffer_size(buffer)
        .write_buffer_size(0)
        .max_message_size(Some(max))
        .max_frame_size(Some(max))
        .accept_unmasked_frames(false);
    WebSocketContext::new(role, Some(config))
}

const SMALLEST_BUFFER: usize = 256;
/// For a message whose rest is still to come.
const PARTIAL_BUFFER: usize = 4 << 10;
/// Larger turns are read in steps.
const LARGEST_BUFFER: usize = 16 << 10;

/// What is left of the bytes that were fed. The pongs and close frames tungstenite writes go nowhere: ours are better
/// timed, see [`Incoming`].
struct Slice<'a>(&'a [u8]);

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            result => result,
        }
    }
}

impl Write for Slice<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
