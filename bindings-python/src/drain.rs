//! In: one crossing for everything that has happened, then handler after handler.

use ferrio_embed::Wake;
use pyo3::intern;
use pyo3::prelude::*;

use crate::engine::ServerCore;
use crate::state::Host;
use crate::task::{self, Start};
use crate::worker::{BUDGET_EVENTS, Worker};

/// Payload bytes in one drain, at most.
pub(crate) const BUDGET_BYTES: usize = 4 << 20;

/// Sees to it that somebody drains: the loop in its next turn, or a thread.
pub(crate) fn schedule(slf: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = slf.py();
    let (call_soon, drain) = {
        let mut state = slf.get().state.borrow(py);
        let Host::Loop(_) = state.running()?.host else {
            state.running()?.bell.wake();
            return Ok(());
        };
        if std::mem::replace(&mut state.drain_scheduled, true) {
            return Ok(());
        }
        let event_loop = state.running()?.event_loop()?;
        (event_loop.call_soon.clone_ref(py), event_loop.drain.clone_ref(py))
    };
    call_soon.call1(py, (drain,)).map(drop)
}

/// A callback of the loop: takes what the engine has to say and runs the handlers.
pub(crate) fn drain(slf: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = slf.py();
    let core = slf.get();
    {
        let mut state = core.state.borrow(py);
        state.drain_scheduled = false;
        state.new_turn();
        let Ok(running) = state.running() else { return Ok(()) };
        running.bell.silence();
        // A handler runs the loop (nest_asyncio does that): its drain goes on when the handler has ended.
        if std::mem::replace(&mut state.draining, true) {
            return Ok(());
        }
        state.budget = 0;
    }
    let outcome = run(slf);
    let more = {
        let mut state = core.state.borrow(py);
        state.draining = false;
        state.flush();
        // Only a drain that found nothing leaves the mailbox armed.
        state.running.is_some() && !matches!(outcome, Ok(false))
    };
    if more {
        schedule(slf)?;
    }
    outcome.map(drop)
}

/// Drains until nothing is left or the budget is spent. Says whether something may be left.
fn run(slf: &Bound<'_, ServerCore>) -> PyResult<bool> {
    let py = slf.py();
    let core = slf.get();
    let how = how(slf)?;
    loop {
        let idle = {
            let mut state = core.state.borrow(py);
            if state.running.is_none() {
                return Ok(false);
            }
            if state.ring.is_empty() && state.unparked.is_empty() {
                let mut batch = Vec::from(std::mem::take(&mut state.ring));
                state.running()?.engine.drain(&mut batch, BUDGET_EVENTS, BUDGET_BYTES);
                state.ring = batch.into();
                if state.ring.is_empty() {
                    return Ok(false);
                }
            }
            if state.budget >= BUDGET_EVENTS {
                return Ok(true);
            }
            state.idle.take()
        };
        if how == Start::None {
            task::start_each(slf)?;
            continue;
        }
        let awake = match idle {
            Some(idle) => Worker::wake(idle.bind(py))?,
            None => false,
        };
        if !awake {
            task::start(slf, how)?;
        }
    }
}

/// How handlers run in this drain.
fn how(slf: &Bound<'_, ServerCore>) -> PyResult<Start> {
    let py = slf.py();
    let (event_loop, eager, start) = {
        let state = slf.get().state.borrow(py);
        let host = state.running()?.event_loop()?;
        (host.event_loop.clone_ref(py).into_bound(py), state.eager, host.start)
    };
    // A factory's Tasks may be something else than asyncio's; debug mode wants to see every Task.
    let plain = !eager
        || start == Start::None
        || !event_loop.call_method0(intern!(py, "get_task_factory"))?.is_none()
        || event_loop.call_method0(intern!(py, "get_debug"))?.is_truthy()?;
    Ok(if plain { Start::None } else { start })
}
