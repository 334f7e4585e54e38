//! Events to records.

use std::borrow::Cow;
use std::io::Write as _;

use ferrio::net::exchange::{Head, Response};
use ferrio_embed::{AckEnd, ClientEvent, ClientId, Event, LinkData};
use ferrio_protocol::engine::{Frame, Revision, Transport};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};
use napi::bindgen_prelude::*;

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
        Event::Client { event: ClientEvent::Message { payload, .. } | ClientEvent::Ack { payload, .. }, .. } => {
            8 + 2 * payload.attachments.len()
        }
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
    pub(super) const DATA: u8 = 14;
    pub(super) const WRITTEN: u8 = 15;
    pub(super) const PACKET: u8 = 16;
    pub(super) const REFUSED: u8 = 17;
    pub(super) const SESSION_EXPIRED: u8 = 18;
    pub(super) const CLIENT_OPENED: u8 = 19;
    pub(super) const CLIENT_UPGRADE: u8 = 20;
    pub(super) const CLIENT_JOINED: u8 = 21;
    pub(super) const CLIENT_REFUSED: u8 = 22;
    pub(super) const CLIENT_LEFT: u8 = 23;
    pub(super) const CLIENT_MESSAGE: u8 = 24;
    pub(super) const CLIENT_ACK: u8 = 25;
    pub(super) const CLIENT_DATA: u8 = 26;
    pub(super) const CLIENT_PACKET: u8 = 27;
    pub(super) const CLIENT_DRAIN: u8 = 28;
    pub(super) const CLIENT_FAILED: u8 = 29;
    pub(super) const CLIENT_CLOSED: u8 = 30;
}

struct Writer<'a> {
    records: &'a mut [f64],
    outbox: &'a mut Outbox,
}

impl Writer<'_> {
    fn event(&mut self, event: Event) {
        use event_kind::{
            ACK, ACK_END, CLOSE, CLOSED, CONNECT, DATA, DISCONNECT, DRAIN, LINK_CLOSE, LINK_WRITE, MESSAGE, OPEN,
            PACKET, REFUSED, RESPONSE, SESSION_EXPIRED, UPGRADE, WRITTEN,
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
                self.id(transport_number(transport));
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
            Event::Connect { socket, conn, nsp, sid, auth, pid, recovered } => {
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
                    if let Some(pid) = pid {
                        json.push(b',');
                        quote(json, &pid);
                        json.extend_from_slice(if recovered { b",true" } else { b",false" });
                    }
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
            Event::SessionExpired { nsp, pid, sid, rooms } => {
                self.kind(SESSION_EXPIRED);
                self.json(|json| {
                    json.push(b'[');
                    quote(json, &nsp);
                    for text in [&pid, &sid].into_iter().chain(&rooms) {
                        json.push(b',');
                        quote(json, text);
                    }
                    json.push(b']');
                });
            }
            Event::Closed => self.kind(CLOSED),
            Event::Data { conn, data } => {
                self.kind(DATA);
                self.id(conn.0);
                self.frame(data);
            }
            Event::Packet { conn, sent, kind, data } => {
                self.kind(PACKET);
                self.id(conn.0);
                self.id(sent.into());
                self.id(kind as u64);
                self.frame_or_none(data);
            }
            Event::Client { client, event } => self.client(client, event),
            // On a port of the engine's own: nobody has a request for it.
            Event::Refused { request: None, .. } => {}
            Event::Refused { request: Some(request), code, message, context } => {
                self.kind(REFUSED);
                self.id(request.0);
                self.id(code.into());
                self.json(|json| {
                    json.push(b'[');
                    quote(json, &message);
                    json.push(b',');
                    json.extend_from_slice(context.as_bytes());
                    json.push(b']');
                });
            }
            Event::Written { receipt } => {
                self.kind(WRITTEN);
                self.id(receipt.into());
            }
        }
    }

    fn client(&mut self, client: ClientId, event: ClientEvent) {
        use event_kind::{
            CLIENT_ACK, CLIENT_CLOSED, CLIENT_DATA, CLIENT_DRAIN, CLIENT_FAILED, CLIENT_JOINED, CLIENT_LEFT,
            CLIENT_MESSAGE, CLIENT_OPENED, CLIENT_PACKET, CLIENT_REFUSED, CLIENT_UPGRADE,
        };
        let mut begin = |kind| {
            self.kind(kind);
            self.id(client.0);
        };
        match event {
            ClientEvent::Opened { sid, transport, upgrades, ping_interval, ping_timeout, max_payload } => {
                begin(CLIENT_OPENED);
                self.id(transport_number(transport));
                self.id(ping_interval);
                self.id(ping_timeout);
                self.id_or_none(max_payload);
                self.json(|json| {
                    json.push(b'[');
                    quote(json, &sid);
                    for upgrade in upgrades {
                        json.push(b',');
                        quote(json, upgrade.as_str());
                    }
                    json.push(b']');
                });
            }
            ClientEvent::Upgrading => {
                begin(CLIENT_UPGRADE);
                self.id(0);
                self.joined(b"");
            }
            ClientEvent::Upgraded => {
                begin(CLIENT_UPGRADE);
                self.id(1);
                self.joined(b"");
            }
            ClientEvent::UpgradeFailed { message } => {
                begin(CLIENT_UPGRADE);
                self.id(2);
                self.text(message);
            }
            ClientEvent::Joined { nsp, data } => {
                begin(CLIENT_JOINED);
                self.answer(&nsp, data.as_deref().unwrap_or("null"));
            }
            ClientEvent::Refused { nsp, data } => {
                begin(CLIENT_REFUSED);
                self.answer(&nsp, &data);
            }
            ClientEvent::Left { nsp } => {
                begin(CLIENT_LEFT);
                self.text(nsp);
            }
            ClientEvent::Message { nsp, id, payload } => {
                begin(CLIENT_MESSAGE);
                self.id_or_none(id);
                self.text(nsp);
                self.payload(payload);
            }
            ClientEvent::Ack { nsp, id, payload } => {
                begin(CLIENT_ACK);
                self.id(id);
                self.text(nsp);
                self.payload(payload);
            }
            ClientEvent::Data { data } => {
                begin(CLIENT_DATA);
                self.frame(data);
            }
            ClientEvent::Packet { sent, kind, data } => {
                begin(CLIENT_PACKET);
                self.id(sent.into());
                self.id(kind as u64);
                self.frame_or_none(data);
            }
            ClientEvent::Drain => begin(CLIENT_DRAIN),
            ClientEvent::Failed { kind, transport, message, status, detail } => {
                begin(CLIENT_FAILED);
                self.id(kind as u64);
                self.id_or_none(transport.map(transport_number));
                self.id_or_none(status.map(u64::from));
                self.json(|json| {
                    json.push(b'[');
                    quote(json, &message);
                    json.push(b',');
                    quote(json, &detail);
                    json.push(b']');
                });
            }
            ClientEvent::Closed { reason, detail, status } => {
                begin(CLIENT_CLOSED);
                self.id_or_none(status.map(u64::from));
                self.reason(reason, detail);
            }
        }
    }

    /// A namespace, and JSON text.
    fn answer(&mut self, nsp: &str, data: &str) {
        self.json(|json| {
            json.push(b'[');
            quote(json, nsp);
            json.push(b',');
            json.extend_from_slice(data.as_bytes());
            json.push(b']');
        });
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

    fn frame(&mut self, data: Frame) {
        match data {
            Frame::Text(text) => {
                self.id(0);
                self.text(text);
            }
            Frame::Binary(bytes) => {
                self.id(1);
                self.bytes(&bytes);
            }
        }
    }

    fn frame_or_none(&mut self, data: Option<Frame>) {
        match data {
            Some(data) => self.frame(data),
            None => {
                self.cell(-1.0);
                self.joined(b"");
            }
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

fn transport_number(transport: Transport) -> u64 {
    match transport {
        Transport::Polling => 0,
        Transport::WebSocket => 1,
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
        Reason::SlowConsumer => 9,
        Reason::RateLimited => 10,
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
