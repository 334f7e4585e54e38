//! The life of a server: its start on the running loop or with threads, its stop, and the end of its threads.

use std::sync::Arc;
use std::time::Duration;

use ferrio_embed::Engine;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::crew::Crew;
use crate::engine::ServerCore;
use crate::state::{Awaited, EventLoop, Host, Kind, Running, State, forks};
use crate::wake::Bell;
use crate::{answers, drain, errors, ffi, seat, task};

/// Starts the engine, unless it runs. `options` gives the engine's options.
pub(crate) fn start(slf: &Bound<'_, ServerCore>, options: &Bound<'_, PyAny>) -> PyResult<()> {
    let kind = slf.get().state.borrow(slf.py()).kind;
    match kind {
        Kind::Loop => start_on_loop(slf, options),
        Kind::Threads | Kind::Greenlets => start_crew(slf, options, kind),
    }
}

/// On the running loop.
fn start_on_loop(slf: &Bound<'_, ServerCore>, options: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = slf.py();
    let asyncio = py.import(intern!(py, "asyncio"))?;
    let event_loop = asyncio.call_method0(intern!(py, "get_running_loop"))?;
    let bound = match &slf.get().state.borrow(py).running {
        Some(running) if running.generation != forks() => return Err(errors::forked()),
        Some(running) => Some(running.event_loop()?.event_loop.clone_ref(py)),
        None => None,
    };
    if let Some(bound) = bound {
        if bound.is(&event_loop) {
            return Ok(());
        }
        if !bound.call_method0(py, "is_closed")?.is_truthy(py)? {
            return Err(errors::other_loop());
        }
        // Its loop is gone, and with it everybody who waited: begin anew on this one.
        stop(slf)?;
    }
    let options: String = options.call0()?.extract()?;
    let host = EventLoop {
        call_soon: event_loop.getattr("call_soon")?.unbind(),
        current_task: asyncio.getattr("current_task")?.unbind(),
        start: task::how_to_start(py, &event_loop, &asyncio.getattr("Task")?),
        task: asyncio.getattr("Task")?.unbind(),
        drain: slf.getattr("_drain")?.unbind(),
        flush: slf.getattr("_flush")?.unbind(),
        thread: std::thread::current().id(),
        event_loop: event_loop.clone().unbind(),
    };
    let create_future = event_loop.getattr("create_future")?.unbind();
    let context = ffi::copy_context(py, None)?.unbind();
    let bell = begin(slf, &options, Host::Loop(Box::new(host)), create_future, context)?;
    if let Err(error) = watch(slf, &event_loop, &bell) {
        stop(slf)?;
        return Err(error);
    }
    // What the engine said before anybody listened.
    drain::schedule(slf)
}

/// With threads or greenlets: `_promise` makes what a thread waits with, `_enlist` starts one that runs handlers.
fn start_crew(slf: &Bound<'_, ServerCore>, options: &Bound<'_, PyAny>, kind: Kind) -> PyResult<()> {
    let py = slf.py();
    let core = slf.get();
    let is_running = || match &core.state.borrow(py).running {
        Some(running) if running.generation != forks() => Err(errors::forked()),
        running => Ok(running.is_some()),
    };
    if is_running()? {
        return Ok(());
    }
    let options: String = options.call0()?.extract()?;
    let create_future = slf.getattr("_promise")?.unbind();
    let context = py.import("contextvars")?.call_method0("Context")?.unbind();
    let host = if kind == Kind::Threads { Host::Threads(Arc::new(Crew::new())) } else { Host::Greenlets };
    // Another thread may have done it while Python code ran; none does from here to the end of `begin`.
    if is_running()? {
        return Ok(());
    }
    let bell = begin(slf, &options, host, create_future, context)?;
    if kind == Kind::Threads {
        bell.use_thread();
        seat::ask_for_successor(slf)
    } else {
        slf.call_method0(intern!(py, "_enlist")).map(drop)
    }
}

fn begin(
    slf: &Bound<'_, ServerCore>,
    options: &str,
    host: Host,
    create_future: Py<PyAny>,
    context: Py<PyAny>,
) -> PyResult<Arc<Bell>> {
    let bell = Bell::new().map_err(|error| errors::io(&error))?;
    let engine = without_signals(|| Engine::start(options, Arc::clone(&bell) as _)).map_err(errors::start)?;
    let running = Running { engine, bell: Arc::clone(&bell), create_future, context, host, generation: forks() };
    slf.get().state.borrow(slf.py()).running = Some(running);
    Ok(bell)
}

/// Lets the loop hear the bell: through its descriptor, or through a thread where the loop can watch none.
fn watch(slf: &Bound<'_, ServerCore>, event_loop: &Bound<'_, PyAny>, bell: &Bell) -> PyResult<()> {
    let callback = slf.getattr("_drain")?;
    if let Some(descriptor) = bell.descriptor() {
        match event_loop.call_method1("add_reader", (descriptor, &callback)) {
            Err(error) if error.is_instance_of::<PyNotImplementedError>(slf.py()) => {}
            other => return other.map(drop),
        }
    }
    bell.use_thread();
    slf.call_method1("_listen_in_thread", (event_loop, callback)).map(drop)
}

/// Threads started within are not chosen for signals: those are Python's, in the main thread.
fn without_signals<T>(run: impl FnOnce() -> T) -> T {
    #[cfg(unix)]
    {
        // SAFETY: both sets are ours and initialised before they are read; the mask of this thread is put back.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let result = run();
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            result
        }
    }
    #[cfg(not(unix))]
    run()
}

/// Forgets every connection, cancels what is awaited and ends the engine's threads.
pub(crate) fn stop(slf: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = slf.py();
    let mut old = {
        let mut state = slf.get().state.borrow(py);
        let fresh = State {
            eager: state.eager,
            async_handlers: state.async_handlers,
            kind: state.kind,
            // Numbers are not given twice: somebody may still hold one.
            last_number: state.last_number,
            // Handlers that wait are Tasks of the loop and end on their own.
            waiting: std::mem::take(&mut state.waiting),
            ..State::default()
        };
        std::mem::replace(&mut *state, fresh)
    };
    let running = old.running.take();
    let idle = old.idle.take();
    if let Some(running) = &running
        && let Host::Loop(host) = &running.host
        && let Some(descriptor) = running.bell.descriptor()
    {
        let event_loop = host.event_loop.bind(py);
        let closed = event_loop.call_method0("is_closed")?.is_truthy()?;
        if !closed && running.generation == forks() {
            event_loop.call_method1("remove_reader", (descriptor,))?;
        }
        if let Some(idle) = idle
            && !closed
        {
            idle.bind(py).call_method0("cancel")?;
        }
    }
    let mut feeders = std::mem::take(&mut old.feeders);
    let futures: Vec<_> = old
        .requests
        .drain()
        .map(|(_, future)| future)
        .chain(old.acks.drain().filter_map(|(_, awaited)| match awaited {
            Awaited::Future(future) | Awaited::All { future, .. } | Awaited::Barrier(future) => Some(future),
            Awaited::Callback { .. } => None,
        }))
        .chain(old.closed.take())
        .chain(old.connections.drain().into_iter().flat_map(|mut connection| {
            feeders.append(&mut connection.feeders);
            connection.waiters
        }))
        .collect();
    let polls = std::mem::take(&mut old.polls);
    end(py, running);
    drop(old);
    // On a loop that was closed there is nobody left to tell.
    for future in futures {
        let _ = future.call_method0(py, "cancel");
    }
    // These read what the host's server brings; the Task that does so is that server's.
    for feeder in feeders {
        let _ = answers::settle(feeder.bind(py), py.None().bind(py));
    }
    for connection in polls.into_values() {
        let _ = connection.call_method0(py, "forsake");
    }
    Ok(())
}

/// Ends the engine's threads, which may take a moment. In a child of the process that started them they are not there.
pub(crate) fn end(py: Python<'_>, running: Option<Running>) {
    let Some(running) = running else { return };
    if running.generation != forks() {
        std::mem::forget(running.engine);
        return;
    }
    let Running { engine, bell, host, .. } = running;
    bell.retire();
    let crew = match host {
        Host::Threads(crew) => Some(crew),
        Host::Loop(_) | Host::Greenlets => None,
    };
    py.detach(move || {
        if let Some(crew) = crew {
            crew.close();
            crew.leave(CREW_LIMIT);
        }
        drop(engine);
    });
}

/// Seconds for threads that wait to hear of the end.
const CREW_LIMIT: Duration = Duration::from_secs(2);
