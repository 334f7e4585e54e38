//! Records to commands.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use ferrio::net::exchange::Head;
use ferrio_embed::{
    AckId, AckRequest, ClientCommand, ClientId, Command, ConnId, Flags, LinkData, LinkId, RequestId, SocketId, Target,
};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::socket::Payload;
use napi::bindgen_prelude::*;
use napi::{JsString, JsValue, sys};

use crate::errors;

/// Header names by the number they cross with, as in `HEADERS` of `lib/records.ts`.
const HEADERS: [&str; 15] = [
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
    "x-forwarded-for",
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
    pub(super) const WRITE: u64 = 19;
    pub(super) const WATCH: u64 = 20;
    pub(super) const DIAL: u64 = 21;
    pub(super) const CLIENT_JOIN: u64 = 22;
    pub(super) const CLIENT_LEAVE: u64 = 23;
    pub(super) const CLIENT_EMIT: u64 = 24;
    pub(super) const CLIENT_ACK: u64 = 25;
    pub(super) const CLIENT_WRITE: u64 = 26;
    pub(super) const CLIENT_WATCH: u64 = 27;
    pub(super) const CLIENT_HOLD: u64 = 28;
    pub(super) const HANG_UP: u64 = 29;
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
            OPEN_LINK, REJECT, RELEASE, REQUEST, TAKE_OVER, WATCH, WRITE,
        };
        let kind = self.id()?;
        if (command_kind::DIAL..=command_kind::HANG_UP).contains(&kind) {
            return Ok(Command::Client { client: ClientId(self.id()?), command: self.client(kind)? });
        }
        Ok(match kind {
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
            WRITE => {
                let (flags, receipt) = (self.flags()?, self.number()?);
                Command::Write {
                    receipt: (receipt >= 0.0).then_some(receipt as u32),
                    conns: (0..self.id()?).map(|_| self.id().map(ConnId)).collect::<Result<_>>()?,
                    data: (0..self.id()?).map(|_| self.frame()).collect::<Result<_>>()?,
                    flags,
                }
            }
            WATCH => Command::Watch { conn: ConnId(self.id()?), on: self.flag()? },
            _ => return Err(errors::layout("command")),
        })
    }

    fn client(&mut self, kind: u64) -> Result<ClientCommand> {
        use command_kind::{
            CLIENT_ACK, CLIENT_EMIT, CLIENT_HOLD, CLIENT_JOIN, CLIENT_LEAVE, CLIENT_WATCH, CLIENT_WRITE, DIAL, HANG_UP,
        };
        Ok(match kind {
            DIAL => ClientCommand::Dial { url: self.text()?, options: self.text()? },
            CLIENT_JOIN => ClientCommand::Join { nsp: self.kept_text()?, auth: self.text_or_none()? },
            CLIENT_LEAVE => ClientCommand::Leave { nsp: self.kept_text()? },
            CLIENT_EMIT => ClientCommand::Emit {
                id: self.id_or_none()?,
                volatile: self.flag()?,
                nsp: self.text()?,
                payload: self.payload()?,
            },
            CLIENT_ACK => ClientCommand::Ack { id: self.id()?, nsp: self.text()?, payload: self.payload()? },
            CLIENT_WRITE => ClientCommand::Write {
                volatile: self.flag()?,
                data: (0..self.id()?).map(|_| self.frame()).collect::<Result<_>>()?,
            },
            CLIENT_WATCH => ClientCommand::Watch(self.flag()?),
            CLIENT_HOLD => ClientCommand::Hold(self.flag()?),
            HANG_UP => ClientCommand::HangUp { discard: self.flag()? },
            _ => return Err(errors::layout("command")),
        })
    }

    fn emit(&mut self) -> Result<(Flags, Option<AckRequest>, Payload)> {
        let flags = self.flags()?;
        let (ack, timeout) = (self.number()?, self.number()?);
        let ack = (ack >= 0.0).then(|| AckRequest {
            ack: AckId(ack as u64),
            timeout: (timeout >= 0.0).then(|| Duration::from_millis(timeout as u64)),
        });
        Ok((flags, ack, self.payload()?))
    }

    fn flags(&mut self) -> Result<Flags> {
        let bits = self.id()?;
        Ok(Flags { volatile: bits & 1 != 0, compress: bits & 2 != 0, stamped: bits & 4 != 0 })
    }

    fn id_or_none(&mut self) -> Result<Option<u64>> {
        let number = self.number()?;
        Ok((number >= 0.0).then_some(number as u64))
    }

    /// A text, or -1 for none.
    fn text_or_none(&mut self) -> Result<Option<Text>> {
        match self.records.as_slice().first() {
            Some(length) if *length >= 0.0 => self.text().map(Some),
            _ => self.number().map(|_| None),
        }
    }

    /// A text, or -1 for an attachment.
    fn frame(&mut self) -> Result<Frame> {
        match self.records.as_slice().first() {
            Some(length) if *length >= 0.0 => self.text().map(Frame::Text),
            Some(_) => {
                self.number()?;
                self.attachment().map(Frame::Binary)
            }
            None => Err(errors::layout("record")),
        }
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
            sid: Some(self.kept_text()?).filter(|sid| !sid.is_empty()),
            secure: self.flag()?,
            headers: Vec::new(),
            allowed: None,
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
        (0..self.id()?).map(|_| self.kept_text()).collect()
    }

    fn kept_text(&mut self) -> Result<Text> {
        Ok(Text::from(self.text()?.as_str()))
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
