//! What a host has to say about requests to a port of ours, before the server answers them: which origins may come, by a rule
//! that only the host can work out, and what it adds to a cookie.

use tokio::sync::oneshot;

use super::exchange::{Head, Response};

/// Who is asked. Called on the listener's threads: it must not block.
pub trait Gate: Send + Sync + 'static {
    /// Whether it has anything to say about such a request. Most pass without a question.
    fn concerns(&self, head: &Head) -> bool;
    /// A request that it has something to say about. Dropping the question answers the request with 500.
    fn ask(&self, question: Question);
}

/// A request that waits for its host.
#[derive(Debug)]
pub struct Question {
    /// Its head.
    pub head: Head,
    answer: oneshot::Sender<Verdict>,
}

impl Question {
    /// Lets the server have the request.
    pub fn answer(self, verdict: Verdict) {
        // The peer may have left meanwhile.
        let _ = self.answer.send(verdict);
    }
}

/// What the host says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the origin may come. The configuration's word if not given.
    pub allowed: Option<bool>,
    /// What stands behind the cookie of a session that this request opens (`; Expires=…`).
    pub cookie: String,
}

impl Verdict {
    /// Adds to an answer what the host wants in it.
    pub(super) fn dress(&self, mut response: Response) -> Response {
        if response.opened.is_some()
            && let Some((_, value)) = response.headers.iter_mut().find(|(name, _)| name == "set-cookie")
        {
            value.push_str(&self.cookie);
        }
        response
    }
}

/// Asks. `None` if the host has no answer.
pub(super) async fn ask(gate: &dyn Gate, head: &Head) -> Option<Verdict> {
    if !gate.concerns(head) {
        return Some(Verdict::default());
    }
    let (answer, answered) = oneshot::channel();
    gate.ask(Question { head: head.clone(), answer });
    answered.await.ok()
}

#[cfg(test)]
mod tests;
