//! One namespace of a client: what waits to be sent, and who waits for an answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;

use crate::ack::{AckError, OnAck};

/// How a namespace behaves.
#[derive(Clone, Debug, Default)]
pub struct MemberOptions {
    /// Times that an event is sent again when no answer comes (or the connection breaks): it then arrives once at least, in
    /// order, one event at a time. `None`: each event is sent once.
    pub retries: Option<u32>,
    /// Time for an answer where an emit names none. With `retries`: for each try.
    pub ack_timeout: Option<Duration>,
}

/// An event to be sent.
pub struct Emit {
    /// Name and arguments.
    pub payload: Payload,
    /// Who wants the answer.
    pub on_ack: Option<OnAck>,
    /// How long to wait for it.
    pub timeout: Option<Duration>,
    /// Not worth waiting: dropped if it cannot leave at once.
    pub volatile: bool,
}

/// Bytes that wait, counted while this lives.
#[derive(Debug)]
pub(super) struct Waiting {
    total: Arc<AtomicUsize>,
    bytes: usize,
}

impl Waiting {
    /// `None` beyond the limit.
    pub(super) fn new(total: &Arc<AtomicUsize>, bytes: usize, limit: usize) -> Option<Self> {
        let fits = |waiting: usize| waiting.checked_add(bytes).filter(|sum| *sum <= limit);
        total.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        Some(Self { total: Arc::clone(total), bytes })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Where a namespace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not joined, not to be joined.
    Inactive,
    /// To be joined when there is a connection.
    Wanted,
    /// The program is asked for its auth.
    Authorizing,
    /// CONNECT is out.
    Asked,
    Joined,
}

/// One namespace.
pub(super) struct Member {
    pub(super) nsp: Text,
    pub(super) options: MemberOptions,
    pub(super) standing: Standing,
    /// Counts connections, so that late answers of an earlier one are told apart.
    pub(super) epoch: u64,
    pub(super) pid: Option<Text>,
    pub(super) offset: Option<Text>,
    /// Events that came before we were let in.
    pub(super) received: Vec<(Option<u64>, Payload)>,
    pub(super) received_bytes: usize,
    /// Events that wait for us to be let in.
    pub(super) unsent: VecDeque<Unsent>,
    /// Events that are sent until they are answered, one at a time.
    pub(super) queue: VecDeque<Retried>,
    waiters: HashMap<u64, Waiter>,
    next_id: u64,
    next_retried: u64,
}

pub(super) struct Unsent {
    pub(super) id: Option<u64>,
    pub(super) payload: Payload,
    _waiting: Waiting,
}

impl Unsent {
    pub(super) fn new(id: Option<u64>, payload: Payload, waiting: Waiting) -> Self {
        Self { id, payload, _waiting: waiting }
    }
}

/// An event that is sent until it is answered.
pub(super) struct Retried {
    number: u64,
    payload: Payload,
    on_ack: Option<OnAck>,
    timeout: Option<Duration>,
    tries: u32,
    in_flight: bool,
    _waiting: Waiting,
}

pub(super) struct Waiter {
    pub(super) who: Who,
    pub(super) timer: Option<TimerKey>,
}

/// An entry of the manager's timers.
pub(super) type TimerKey = (Instant, u64);

pub(super) enum Who {
    Caller(OnAck),
    /// An event of the queue.
    Retried(u64),
}

/// What is to be sent of the queue.
pub(super) struct Try {
    pub(super) number: u64,
    pub(super) payload: Payload,
    pub(super) timeout: Option<Duration>,
}

impl Member {
    pub(super) fn new(nsp: Text, options: MemberOptions) -> Self {
        Self {
            nsp,
            options,
            standing: Standing::Inactive,
            epoch: 0,
            pid: None,
            offset: None,
            received: Vec::new(),
            received_bytes: 0,
            unsent: VecDeque::new(),
            queue: VecDeque::new(),
            waiters: HashMap::new(),
            next_id: 0,
            next_retried: 0,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.standing != Standing::Inactive
    }

    // Answers.

    /// A new id for an answer that is awaited.
    pub(super) fn await_ack(&mut self, who: Who, timer: Option<TimerKey>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiters.insert(id, Waiter { who, timer });
        id
    }

    /// The id that the next call of [`Self::await_ack`] gives.
    pub(super) fn next_ack(&self) -> u64 {
        self.next_id
    }

    pub(super) fn take_waiter(&mut self, id: u64) -> Option<Waiter> {
        self.waiters.remove(&id)
    }

    /// It timed out: if it has not even been sent, it never will be.
    pub(super) fn forget_unsent(&mut self, id: u64) {
        self.unsent.retain(|unsent| unsent.id != Some(id));
    }

    /// Everybody whose answer cannot come any more: their events were sent.
    pub(super) fn lost_waiters(&mut self) -> Vec<(u64, Waiter)> {
        let unsent = &self.unsent;
        let mut lost: Vec<_> =
            self.waiters.extract_if(|id, _| unsent.iter().all(|unsent| unsent.id != Some(*id))).collect();
        lost.sort_unstable_by_key(|(id, _)| *id);
        lost
    }

    // The queue.

    pub(super) fn push_retried(&mut self, emit: Emit, waiting: Waiting) {
        let timeout = emit.timeout.or(self.options.ack_timeout);
        let number = self.next_retried;
        self.next_retried += 1;
        let Emit { payload, on_ack, .. } = emit;
        self.queue.push_back(Retried {
            number,
            payload,
            on_ack,
            timeout,
            tries: 0,
            in_flight: false,
            _waiting: waiting,
        });
    }

    /// The first event of the queue, if it is to be sent (again). `force`: even if an answer is still awaited.
    pub(super) fn next_try(&mut self, force: bool) -> Option<Try> {
        let first = self.queue.front_mut().filter(|first| force || !first.in_flight)?;
        first.in_flight = true;
        first.tries += 1;
        Some(Try { number: first.number, payload: first.payload.clone(), timeout: first.timeout })
    }

    /// A try came to this. Gives what is to be told to whom.
    pub(super) fn tried(
        &mut self,
        number: u64,
        result: Result<Payload, AckError>,
    ) -> Option<(OnAck, Result<Payload, AckError>)> {
        let retries = self.options.retries.unwrap_or_default();
        let first = self.queue.front_mut().filter(|first| first.number == number)?;
        if result.is_err() && first.tries <= retries {
            first.in_flight = false;
            return None;
        }
        let done = self.queue.pop_front()?;
        done.on_ack.map(|on_ack| (on_ack, result))
    }

    /// Everybody who would wait forever: the client is gone.
    pub(super) fn abandon(&mut self) -> Vec<OnAck> {
        self.unsent.clear();
        let waiting = self.waiters.drain().filter_map(|(_, waiter)| match waiter.who {
            Who::Caller(on_ack) => Some(on_ack),
            Who::Retried(_) => None,
        });
        waiting.chain(self.queue.drain(..).filter_map(|retried| retried.on_ack)).collect()
    }

    // Recovery.

    /// Remembers how far we are, if the server keeps what we miss: the last argument of an event then says it.
    pub(super) fn note_offset(&mut self, payload: &Payload) {
        if self.pid.is_some()
            && let Some(offset) = last_text(&payload.text)
        {
            self.offset = Some(offset);
        }
    }

    /// The object of a CONNECT.
    pub(super) fn connect_data(&self, auth: Option<Text>) -> Option<Text> {
        let Some(pid) = &self.pid else { return auth };
        let mut object = serde_json::Map::new();
        object.insert("pid".into(), pid.as_str().into());
        if let Some(offset) = &self.offset {
            object.insert("offset".into(), offset.as_str().into());
        }
        if let Some(serde_json::Value::Object(auth)) = auth.and_then(|auth| serde_json::from_str(&auth).ok()) {
            object.extend(auth);
        }
        Some(serde_json::Value::Object(object).to_string().into())
    }
}

/// The last item of a JSON array of two at least, if it is a text.
fn last_text(array: &Text) -> Option<Text> {
    let inner = array.trim_end().strip_suffix(']')?.trim_end();
    let quoted = inner.strip_suffix('"')?;
    let mut end = quoted.len();
    // Its other quote is the last one before it that is not escaped.
    let start = loop {
        let at = quoted[..end].rfind('"')?;
        let escapes = quoted[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if escapes % 2 == 0 {
            break at;
        }
        end = at;
    };
    if !inner[..start].trim_end().ends_with(',') {
        return None;
    }
    let literal = &inner[start..];
    match &literal[1..literal.len() - 1] {
        plain if !plain.contains('\\') => Some(array.slice_of(plain)),
        _ => serde_json::from_str::<String>(literal).ok().map(Text::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_of_an_array() {
        let last = |text: &str| last_text(&Text::from(text)).map(|text| text.to_string());
        assert_eq!(last(r#"["a","b"]"#).as_deref(), Some("b"));
        assert_eq!(last(r#" [ "a" , 1 , "b,\"\\" ] "#).as_deref(), Some(r#"b,"\"#));
        assert_eq!(last(r#"["a","\u0041"]"#).as_deref(), Some("A"));
        assert_eq!(last(r#"["a",""]"#).as_deref(), Some(""));
        for none in [r#"["a"]"#, r#"["a",1]"#, r#"["a",["b"]]"#, r#"["a",{"b":"c"}]"#, "[]", "", r#"["a\"]"#] {
            assert_eq!(last(none), None, "{none}");
        }
    }

    #[test]
    fn what_waits_is_counted_and_bounded() {
        let total = Arc::new(AtomicUsize::new(0));
        let first = Waiting::new(&total, 6, 10).expect("it fits");
        assert!(Waiting::new(&total, 5, 10).is_none());
        drop(first);
        assert!(Waiting::new(&total, usize::MAX, 10).is_none());
        assert!(Waiting::new(&total, 10, 10).is_some());
        assert_eq!(total.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_connect_carries_state_and_auth() {
        let mut member = Member::new(Text::from("/"), MemberOptions::default());
        assert_eq!(member.connect_data(Some(r#"{"a":1}"#.into())).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(member.connect_data(None), None);
        member.pid = Some("p".into());
        assert_eq!(member.connect_data(None).as_deref(), Some(r#"{"pid":"p"}"#));
        member.note_offset(&Text::from(r#"["e","o"]"#).into());
        let data: serde_json::Value =
            serde_json::from_str(&member.connect_data(Some(r#"{"a":1}"#.into())).unwrap()).unwrap();
        assert_eq!(data, serde_json::json!({"pid": "p", "offset": "o", "a": 1}));
    }
}
