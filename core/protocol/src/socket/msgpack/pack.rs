//! JSON text and attachments to MessagePack.
//!
//! The head of an array or map says how many items it has, which JSON tells only at the end. So each begins with a byte, which
//! is enough for fifteen; longer ones are noted and get their heads when everything is written.

use bytes::Bytes;
use rmp::encode;

use crate::socket::json::walk::{self, Visitor};
use crate::socket::json::{JsonRules, unescape};

pub(super) fn map(packed: &mut Vec<u8>, entries: u32) {
    let _ = encode::write_map_len(packed, entries);
}

pub(super) fn text(packed: &mut Vec<u8>, text: &str) {
    let _ = encode::write_str(packed, text);
}

pub(super) fn number(packed: &mut Vec<u8>, number: u64) {
    let _ = encode::write_uint(packed, number);
}

/// Appends a JSON text; what its placeholders stand for takes their place. The text is the host's or was checked: of one that
/// is none, what comes before the flaw is packed, and nothing behind it.
pub(super) fn value(packed: Vec<u8>, text: &str, attachments: &[Bytes]) -> Vec<u8> {
    let lenient = JsonRules { max_depth: usize::MAX, nan_literals: true };
    let mut packer = Packer { text, attachments, packed, open: Vec::new(), long: Vec::new() };
    let _ = walk::walk(text.as_bytes(), lenient, &mut packer);
    packer.finish()
}

struct Packer<'a> {
    text: &'a str,
    attachments: &'a [Bytes],
    packed: Vec<u8>,
    open: Vec<Open>,
    /// Those that need a longer head than the byte they have.
    long: Vec<Head>,
}

/// A container whose end has not come yet.
struct Open {
    head: Head,
    /// Which value comes next.
    key: Key,
    /// What its keys have said: `{"_placeholder":true,"num":…}`, in either order.
    placeholder: bool,
    num: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Placeholder,
    Num,
    Other,
}

struct Head {
    /// Where its byte stands.
    at: usize,
    map: bool,
    /// Items, or entries.
    count: u32,
}

impl Packer<'_> {
    /// A value begins in the innermost container.
    fn count(&mut self) {
        if let Some(open) = self.open.last_mut()
            && !open.head.map
        {
            open.head.count += 1;
        }
    }

    /// Gives the long containers their heads.
    fn finish(mut self) -> Vec<u8> {
        if self.long.is_empty() {
            return self.packed;
        }
        self.long.sort_unstable_by_key(|head| head.at);
        let mut whole = Vec::with_capacity(self.packed.len() + 4 * self.long.len());
        let mut done = 0;
        for Head { at, map, count } in self.long {
            whole.extend_from_slice(&self.packed[done..at]);
            let _ =
                if map { encode::write_map_len(&mut whole, count) } else { encode::write_array_len(&mut whole, count) };
            done = at + 1;
        }
        whole.extend_from_slice(&self.packed[done..]);
        whole
    }
}

impl Visitor for Packer<'_> {
    fn open(&mut self, start: usize) {
        self.count();
        let map = self.text.as_bytes()[start] == b'{';
        let head = Head { at: self.packed.len(), map, count: 0 };
        self.open.push(Open { head, key: Key::Other, placeholder: false, num: None });
        self.packed.push(0);
    }

    fn key(&mut self, raw: &[u8]) {
        if let Some(open) = self.open.last_mut() {
            open.head.count += 1;
            open.key = match raw {
                br#""_placeholder""# => Key::Placeholder,
                br#""num""# => Key::Num,
                _ => Key::Other,
            };
        }
        text(&mut self.packed, &unescape(raw));
    }

    fn scalar(&mut self, start: usize, end: usize) {
        self.count();
        let raw = &self.text[start..end];
        if let Some(open) = self.open.last_mut() {
            match open.key {
                Key::Placeholder => open.placeholder = raw == "true",
                Key::Num => open.num = raw.parse().ok(),
                Key::Other => {}
            }
        }
        match raw.as_bytes()[0] {
            b'"' => text(&mut self.packed, &unescape(raw.as_bytes())),
            b't' => drop(encode::write_bool(&mut self.packed, true)),
            b'f' => drop(encode::write_bool(&mut self.packed, false)),
            b'n' => drop(encode::write_nil(&mut self.packed)),
            _ => pack_number(&mut self.packed, raw),
        }
    }

    fn close(&mut self, _: usize) {
        let Some(Open { head, placeholder, num, .. }) = self.open.pop() else { return };
        let attachment = num.filter(|_| placeholder && head.count == 2).and_then(|num| self.attachments.get(num));
        if let Some(attachment) = attachment {
            self.packed.truncate(head.at);
            let _ = encode::write_bin(&mut self.packed, attachment);
        } else if head.count < 16 {
            self.packed[head.at] = if head.map { 0x80 } else { 0x90 } | head.count as u8;
        } else {
            self.long.push(head);
        }
    }
}

fn pack_number(packed: &mut Vec<u8>, raw: &str) {
    if let Ok(number) = raw.parse::<u64>() {
        let _ = encode::write_uint(packed, number);
    } else if let Ok(number) = raw.parse::<i64>() {
        let _ = encode::write_sint(packed, number);
    } else {
        // Also `NaN` and `Infinity`; a number beyond any range is infinite, as `JSON.parse` has it.
        let _ = encode::write_f64(packed, raw.parse().unwrap_or(f64::NAN));
    }
}
