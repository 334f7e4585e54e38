//! Events to records, records to commands. The layout is written in `lib/records.ts`, in the same order.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use ferrio::net::exchange::{Head, Response};
use ferrio_embed::{
    AckEnd, AckId, AckRequest, Command, ConnId, Event, Flags, LinkData, LinkId, RequestId, SocketId, Target,
};
use ferrio_protocol::engine::{Frame, Revision, Transport};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};
use napi::bindgen_prelude::*;
use napi::{JsString, JsValue, sys};

use crate::errors;

/// Cells before the first record: where the records end, and whether more wait.
const PREFIX: usize = 2;
/// A text longer than this travels by itself: joining it would be one more copy.
const JOIN_UP_TO: usize = 16 * 1024;
/// Bytes longer than this are given to JavaScript as they lie, less are copied.
const COPY_UP_TO: usize = 16 * 1024;

/// Events on their way out: the present batch.
#[derive(Default)]
pub(crate) struct Outbox {
    at: usize,
    /// ASCII, so an offset in it is an offset in the string it becomes.
    text: Vec<u8>,
    strings: Vec<Text>,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
}

impl Outbox {
    /// Writes events to `records` as long as there is room, and gives back those that found none.
    pub(crate) fn fill(&mut self, records: &mut [f64], events: Vec<Event>) -> Vec<Event> {
        self.at = PREFIX;
        let mut events = events.into_iter();
        while let Some(event) = events.next() {
            if self.at + cells(&event) > records.len() {
                let mut rest = vec![event];
                rest.extend(events);
                return rest;
            }
            Writer { records, outbox: self }.event(event);
        }
        Vec::new()
    }

    /// What goes with the records: the joined text, or an array of it, the other texts and the bytes.
    pub(crate) fn finish<'env>(&mut self, env: &'env Env, records: &mut [f64], more: bool) -> Result<Unknown<'env>> {
        records[0] = self.at as f64;
        records[1] = f64::from(u8::from(more));
        let text = env.create_string_latin1(&self.text)?;
        self.text.clear();
        if self.strings.is_empty() && self.bytes.is_empty() {
            return text.into_unknown(env);
        }
        let mut parts = env.create_array(3)?;
        parts.set(0, text)?;
        if !self.strings.is_empty() {
            let mut strings = env.create_array(self.strings.len() as u32)?;
            for (index, string) in self.strings.drain(..).enumerate() {
                strings.set(index as u32, env.create_string(string)?)?;
            }
            parts.set(1, strings)?;
        }
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let large = bytes.len() > COPY_UP_TO;
            parts
                .set(2, if large { ArrayBuffer::from_data(env, bytes) } else { ArrayBuffer::copy_from(env, bytes) }?)?;
        }
        parts.into_unknown(env)
    }
}

/// Cells that an event takes.
fn cells(event: &Event) -> usize {
    match event {
        Event::Message { payload, .. } | Event::Ack { payload, .. } => 6 + 2 * payload.attachments.len(),
        // The longest of the others is a response.
        _ => 8,
    }
}

/// The kinds of events, as in `lib/records.ts`.
mod event_kind {
    pub(super) const OPEN: u8 = 1;
    pub(super) const UPGRADE: u8 = 2;
    pub(super) const CONNECT: u8 = 3;
    pub(super) const MESSAGE: u8 = 4;
    pub(super) const ACK: u8 = 5;
    pub(super) const ACK_END: u8 = 6;
    pub(super) const DISCONNECT: u8 = 7;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const DRAIN: u8 = 9;
    pub(super) const RESPONSE: u8 = 10;
    pub(super) const LINK_WRITE: u8 = 11;
    pub(super) const LINK_CLOSE: u8 = 12;
    pub(super) const CLOSED: u8 = 13;
}

struct Writer<'a> {
    records: &'a mut [f64],
    outbox: &'a mut Outbox,
}

impl Writer<'_> {
    fn event(&mut self, event: Event) {
        use event_kind::{
            ACK, ACK_END, CLOSE, CLOSED, CONNECT, DISCONNECT, DRAIN, LINK_CLOSE, LINK_WRITE, MESSAGE, OPEN, RESPONSE,
            UPGRADE,
        };
        match event {
            Event::Open { conn, sid, request, head, revision, transport } => {
                self.kind(OPEN);
                self.id(conn.0);
                self.id_or_none(request.map(|request| request.0));
                self.id(match revision {
                    Revision::V3 => 3,
                    Revision::V4 => 4,
                });
                self.id(match transport {
                    Transport::Polling => 0,
                    Transport::WebSocket => 1,
                });
                self.json(|json| {
                    json.push(b'[');
                    quote(json, &sid);
                    json.push(b',');
                    match head {
                        Some(head) => write_head(json, &head),
                        None => json.extend_from_slice(b"null"),
                    }
                    json.push(b']');
                });
            }
            Event::Upgrade { conn } => {
                self.kind(UPGRADE);
                self.id(conn.0);
            }
            Event::Connect { socket, conn, nsp, sid, auth } => {
                self.kind(CONNECT);
                self.id(socket.0);
                self.id(conn.0);
                self.json(|json| {
                    json.push(b'[');
                    quote(json, &nsp);
                    json.push(b',');
                    quote(json, &sid);
                    json.push(b',');
                    json.extend_from_slice(auth.as_deref().unwrap_or("null").as_bytes());
                    json.push(b']');
                });
            }
            Event::Message { socket, id, payload } => {
                self.kind(MESSAGE);
                self.id(socket.0);
                self.id_or_none(id);
                self.payload(payload);
            }
            Event::Ack { ack, socket, payload } => {
                self.kind(ACK);
                self.id(ack.0);
                self.id(socket.0);
                self.payload(payload);
            }
            Event::AckEnd { ack, end, expected, received } => {
                self.kind(ACK_END);
                self.id(ack.0);
                self.id(match end {
                    AckEnd::Complete => 0,
                    AckEnd::TimedOut => 1,
                    AckEnd::Disconnected => 2,
                });
                self.id(expected as u64);
                self.id(received as u64);
            }
            Event::Disconnect { socket, reason, detail } => {
                self.kind(DISCONNECT);
                self.id(socket.0);
                self.reason(reason, detail);
            }
            Event::Close { conn, reason, detail } => {
                self.kind(CLOSE);
                self.id(conn.0);
                self.reason(reason, detail);
            }
            Event::Drain { conn } => {
                self.kind(DRAIN);
                self.id(conn.0);
            }
            Event::Response { request, response } => {
                self.kind(RESPONSE);
                self.id(request.0);
                self.response(response);
            }
            Event::LinkWrite { link, data } => {
                self.kind(LINK_WRITE);
                self.id(link.0);
                let start = self.outbox.bytes.len();
                for data in data {
                    self.outbox.bytes.extend_from_slice(match &data {
                        LinkData::Bytes(bytes) | LinkData::Frame(Frame::Binary(bytes)) => bytes,
                        LinkData::Frame(Frame::Text(text)) => text.as_bytes(),
                    });
                }
                self.id(start as u64);
                self.id((self.outbox.bytes.len() - start) as u64);
            }
            Event::LinkClose { link } => {
                self.kind(LINK_CLOSE);
                self.id(link.0);
            }
            Event::Closed => self.kind(CLOSED),
        }
    }

    fn response(&mut self, Response { status, headers, body, opened }: Response) {
        self.id(u64::from(status));
        self.json(|json| {
            json.push(b'[');
            match opened {
                Some(sid) => quote(json, &sid),
                None => json.extend_from_slice(b"null"),
            }
            for (name, value) in &headers {
                json.push(b',');
                quote(json, name);
                json.push(b',');
                quote(json, value);
            }
            json.push(b']');
        });
        // Node sends a head and a short text in one piece.
        if body.is_ascii() && body.len() <= JOIN_UP_TO {
            self.id(0);
            self.joined(&body);
        } else {
            self.id(1);
            self.bytes(&body);
        }
    }

    fn payload(&mut self, Payload { text, attachments }: Payload) {
        self.text(text);
        self.id(attachments.len() as u64);
        for attachment in attachments {
            self.bytes(&attachment);
        }
    }

    fn reason(&mut self, reason: Reason, detail: Option<Cow<'static, str>>) {
        self.id(reason_number(reason));
        match detail {
            Some(Cow::Borrowed(detail)) => self.text(Text::from_static(detail)),
            Some(Cow::Owned(detail)) => self.text(Text::from(detail)),
            None => self.joined(b""),
        }
    }

    fn kind(&mut self, kind: u8) {
        self.cell(f64::from(kind));
    }

    /// A number below 2^53.
    fn id(&mut self, id: u64) {
        self.cell(id as f64);
    }

    fn id_or_none(&mut self, id: Option<u64>) {
        self.cell(id.map_or(-1.0, |id| id as f64));
    }

    /// A text that `write` makes.
    fn json(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut json = std::mem::take(&mut self.outbox.scratch);
        json.clear();
        write(&mut json);
        if json.is_ascii() && json.len() <= JOIN_UP_TO {
            self.joined(&json);
        } else {
            // Made of texts and punctuation, so it is one.
            self.apart(Text::from(String::from_utf8_lossy(&json).into_owned()));
        }
        self.outbox.scratch = json;
    }

    fn text(&mut self, text: Text) {
        if text.is_ascii() && text.len() <= JOIN_UP_TO {
            self.joined(text.as_bytes());
        } else {
            self.apart(text);
        }
    }

    fn joined(&mut self, ascii: &[u8]) {
        self.id(self.outbox.text.len() as u64);
        self.id(ascii.len() as u64);
        self.outbox.text.extend_from_slice(ascii);
    }

    fn apart(&mut self, text: Text) {
        self.id(self.outbox.strings.len() as u64);
        self.cell(-1.0);
        self.outbox.strings.push(text);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.id(self.outbox.bytes.len() as u64);
        self.id(bytes.len() as u64);
        self.outbox.bytes.extend_from_slice(bytes);
    }

    fn cell(&mut self, value: f64) {
        self.records[self.outbox.at] = value;
        self.outbox.at += 1;
    }
}

/// The number of a reason, as in `REASONS` of `lib/records.ts`.
fn reason_number(reason: Reason) -> u64 {
    match reason {
        Reason::ClientNamespaceDisconnect => 0,
        Reason::ForcedClose => 1,
        Reason::ForcedServerClose => 2,
        Reason::ParseError => 3,
        Reason::PingTimeout => 4,
        Reason::ServerNamespaceDisconnect => 5,
        Reason::ServerShuttingDown => 6,
        Reason::TransportClose => 7,
        Reason::TransportError => 8,
    }
}

/// Appends a JSON string. (Writing to a `Vec` does not fail, nor does serializing a `str`.)
fn quote(json: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(json, text);
}

fn write_head(json: &mut Vec<u8>, head: &Head) {
    json.push(b'[');
    quote(json, &head.method);
    json.push(b',');
    quote(json, &head.target);
    json.push(b',');
    quote(json, &head.remote);
    let _ = write!(json, ",{}", head.secure);
    for (name, value) in &head.headers {
        json.push(b',');
        quote(json, name);
        json.push(b',');
        quote(json, value);
    }
    json.push(b']');
}

// ---- records to commands ----

/// Header names by the number they cross with, as in `HEADERS` of `lib/records.ts`.
const HEADERS: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// A JavaScript string as shared text, in one pass. A lone surrogate becomes U+FFFD.
pub(crate) fn read_text(env: &Env, string: &JsString<'_>) -> Result<Text> {
    let mut units = 0;
    // A UTF-16 unit takes three bytes at most; the call adds a NUL.
    let mut bytes: Vec<u8>;
    let mut written = 0;
    // SAFETY: `string` is a string of the running call's environment. The first call only asks for the length; the second
    // writes at most `capacity` bytes and says how many, all initialised, before the length is set.
    unsafe {
        check_status!(sys::napi_get_value_string_utf16(env.raw(), string.raw(), std::ptr::null_mut(), 0, &mut units))?;
        bytes = Vec::with_capacity(units * 3 + 1);
        check_status!(sys::napi_get_value_string_utf8(
            env.raw(),
            string.raw(),
            bytes.as_mut_ptr().cast(),
            bytes.capacity(),
            &mut written
        ))?;
        bytes.set_len(written);
    }
    Text::from_utf8(bytes.into()).map_err(|_| errors::layout("text"))
}

/// Everything the records ask for, in order.
pub(crate) fn commands(text: Text, records: &[f64], attachments: Option<&Array<'_>>) -> Result<Vec<Command>> {
    let mut reader = Reader { ascii: text.is_ascii(), rest: text, records: records.iter(), attachments, taken: 0 };
    let mut commands = Vec::new();
    while !reader.records.as_slice().is_empty() {
        commands.push(reader.command()?);
    }
    Ok(commands)
}

/// The target of a question about rooms.
pub(crate) fn rooms_target(nsp: String, rooms: Vec<String>, except: Vec<String>) -> Target {
    let texts = |names: Vec<String>| names.into_iter().map(Text::from).collect();
    Target::Rooms { nsp: nsp.into(), rooms: texts(rooms), except: texts(except) }
}

/// The kinds of commands, as in `lib/records.ts`.
mod command_kind {
    pub(super) const ACCEPT: u64 = 1;
    pub(super) const REJECT: u64 = 2;
    pub(super) const EMIT: u64 = 3;
    pub(super) const BROADCAST: u64 = 4;
    pub(super) const ACK: u64 = 5;
    pub(super) const JOIN: u64 = 6;
    pub(super) const LEAVE: u64 = 7;
    pub(super) const DISCONNECT: u64 = 8;
    pub(super) const RELEASE: u64 = 9;
    pub(super) const CLOSE: u64 = 10;
    pub(super) const REQUEST: u64 = 11;
    pub(super) const BODY: u64 = 12;
    pub(super) const ABORT: u64 = 13;
    pub(super) const TAKE_OVER: u64 = 14;
    pub(super) const OPEN_LINK: u64 = 15;
    pub(super) const FEED: u64 = 16;
    pub(super) const LINK_CLOSED: u64 = 17;
    pub(super) const LINK_SENT: u64 = 18;
}

/// Walks a batch of commands.
struct Reader<'a> {
    records: std::slice::Iter<'a, f64>,
    /// Texts not taken yet.
    rest: Text,
    /// All of them are ASCII, so a length in UTF-16 units is one in bytes.
    ascii: bool,
    attachments: Option<&'a Array<'a>>,
    taken: u32,
}

impl Reader<'_> {
    fn command(&mut self) -> Result<Command> {
        use command_kind::{
            ABORT, ACCEPT, ACK, BODY, BROADCAST, CLOSE, DISCONNECT, EMIT, FEED, JOIN, LEAVE, LINK_CLOSED, LINK_SENT,
            OPEN_LINK, REJECT, RELEASE, REQUEST, TAKE_OVER,
        };
        Ok(match self.id()? {
            ACCEPT => Command::Accept { socket: self.socket()? },
            REJECT => Command::Reject { socket: self.socket()?, data: self.text()? },
            EMIT => {
                let (flags, ack, payload) = self.emit()?;
                Command::Emit { target: Target::Socket(self.socket()?), payload, flags, ack }
            }
            BROADCAST => {
                let (flags, ack, payload) = self.emit()?;
                let target = Target::Rooms { nsp: self.text()?, rooms: self.texts()?, except: self.texts()? };
                Command::Emit { target, payload, flags, ack }
            }
            ACK => Command::Ack { socket: self.socket()?, id: self.id()?, payload: self.payload()? },
            JOIN => Command::Join { socket: self.socket()?, rooms: self.kept_texts()? },
            LEAVE => Command::Leave { socket: self.socket()?, room: self.text()? },
            DISCONNECT => Command::Disconnect { socket: self.socket()?, close: self.flag()? },
            RELEASE => Command::Release { socket: self.socket()? },
            CLOSE => Command::Close { conn: ConnId(self.id()?), discard: self.flag()? },
            REQUEST => Command::Request { request: self.request()?, end: self.flag()?, head: self.head()? },
            BODY => Command::Body { request: self.request()?, end: self.flag()?, chunk: self.attachment()? },
            ABORT => Command::Abort { request: self.request()? },
            TAKE_OVER => Command::TakeOver {
                link: self.link()?,
                stream: duplicate(self.number()?)?,
                head: self.head()?,
                headers: self.pairs()?,
                read: self.attachment()?,
            },
            OPEN_LINK => {
                Command::OpenLink { link: self.link()?, head: self.head()?, raw: true, headers: self.pairs()? }
            }
            FEED => Command::Feed { link: self.link()?, data: LinkData::Bytes(self.attachment()?) },
            LINK_CLOSED => Command::LinkClosed { link: self.link()?, error: self.flag()? },
            LINK_SENT => Command::LinkSent { link: self.link()?, bytes: self.id()? as usize },
            _ => return Err(errors::layout("command")),
        })
    }

    fn emit(&mut self) -> Result<(Flags, Option<AckRequest>, Payload)> {
        let bits = self.id()?;
        let flags = Flags { volatile: bits & 1 != 0, compress: bits & 2 != 0 };
        let (ack, timeout) = (self.number()?, self.number()?);
        let ack = (ack >= 0.0).then(|| AckRequest {
            ack: AckId(ack as u64),
            timeout: (timeout >= 0.0).then(|| Duration::from_millis(timeout as u64)),
        });
        Ok((flags, ack, self.payload()?))
    }

    fn payload(&mut self) -> Result<Payload> {
        let text = self.text()?;
        let attachments = (0..self.id()?).map(|_| self.attachment()).collect::<Result<_>>()?;
        Ok(Payload { text, attachments })
    }

    fn head(&mut self) -> Result<Head> {
        let mut head = Head {
            method: self.string()?,
            target: self.string()?,
            remote: self.string()?,
            secure: self.flag()?,
            headers: Vec::new(),
        };
        for _ in 0..self.id()? {
            let name = HEADERS.get(self.id()? as usize).ok_or_else(|| errors::layout("header"))?;
            head.headers.push((Cow::Borrowed(name), self.string()?));
        }
        Ok(head)
    }

    fn pairs(&mut self) -> Result<Vec<(String, String)>> {
        (0..self.id()?).map(|_| Ok((self.string()?, self.string()?))).collect()
    }

    fn texts(&mut self) -> Result<Vec<Text>> {
        (0..self.id()?).map(|_| self.text()).collect()
    }

    /// Texts that live long: copies, so that they do not keep the whole batch.
    fn kept_texts(&mut self) -> Result<Vec<Text>> {
        (0..self.id()?).map(|_| Ok(Text::from(self.text()?.as_str()))).collect()
    }

    fn string(&mut self) -> Result<String> {
        Ok(self.text()?.as_str().to_owned())
    }

    /// The next text; shares the memory of the batch.
    fn text(&mut self) -> Result<Text> {
        let units = self.id()? as usize;
        let rest = self.rest.as_str();
        let end = if self.ascii { Some(units) } else { end_of_units(rest, units) };
        let text = end.and_then(|end| rest.get(..end)).ok_or_else(|| errors::layout("length"))?;
        let text = self.rest.slice_of(text);
        self.rest = self.rest.slice_from(text.len());
        Ok(text)
    }

    /// The next bytes: a copy, since the host may reuse its buffer.
    fn attachment(&mut self) -> Result<Bytes> {
        let index = self.taken;
        self.taken += 1;
        let bytes = match self.attachments {
            Some(attachments) => attachments.get::<&[u8]>(index)?,
            None => None,
        };
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| errors::layout("attachment"))
    }

    fn socket(&mut self) -> Result<SocketId> {
        self.id().map(SocketId)
    }

    fn request(&mut self) -> Result<RequestId> {
        self.id().map(RequestId)
    }

    fn link(&mut self) -> Result<LinkId> {
        self.id().map(LinkId)
    }

    fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0.0)
    }

    fn id(&mut self) -> Result<u64> {
        self.number().map(|number| number as u64)
    }

    fn number(&mut self) -> Result<f64> {
        self.records.next().copied().ok_or_else(|| errors::layout("record"))
    }
}

/// Where the first `units` UTF-16 units of `text` end. None if that is not between two characters.
fn end_of_units(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

/// A connection of our own on the host's descriptor; the host keeps, and closes, its own.
#[cfg(unix)]
fn duplicate(descriptor: f64) -> Result<std::net::TcpStream> {
    use std::os::fd::BorrowedFd;

    if !(0.0..=f64::from(i32::MAX)).contains(&descriptor) {
        return Err(errors::layout("descriptor"));
    }
    // SAFETY: `lib/exchange.ts` reads the descriptor from a live `net.Socket` and submits before it returns to the loop, so
    // it is open during this call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor as i32) };
    Ok(borrowed.try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn duplicate(_descriptor: f64) -> Result<std::net::TcpStream> {
    Err(errors::layout("descriptor"))
}
