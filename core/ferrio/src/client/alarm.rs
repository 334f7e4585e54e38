//! The one timer of a client's task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A timer that is set anew only for an earlier time: one that has moved on is noticed when the old one strikes.
#[derive(Default)]
pub(super) struct Alarm(Option<(Instant, Pin<Box<Sleep>>)>);

impl Alarm {
    /// Ready at `deadline`, or sooner.
    pub(super) fn poll(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.0 = None;
            return Poll::Pending;
        };
        if self.0.as_ref().is_none_or(|(at, _)| *at > deadline) {
            self.0 = Some((deadline, Box::pin(tokio::time::sleep_until(deadline.into()))));
        }
        let struck = self.0.as_mut().is_none_or(|(_, sleep)| sleep.as_mut().poll(context).is_ready());
        if struck {
            self.0 = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
