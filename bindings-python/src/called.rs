//! What happens to the connections of clients, and the calls that it leads to.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use ferrio_embed::{ClientCommand, ClientEvent, ClientId, Command};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::answers::settle;
use crate::client::ClientCore;
use crate::dispatch::{self, Args, Call, Reply, Then, What};
use crate::engine::ServerCore;
use crate::state::Awaited;
use crate::{codec, ffi, link};

/// What a client's handler answers, and to whom.
pub(crate) struct Question {
    client: Py<ClientCore>,
    /// The connection that it came by.
    id: ClientId,
    nsp: Text,
    number: u64,
}

/// The detail by which the engine tells that a server has said goodbye itself.
const GOODBYE: &str = "transport closed by the server";

pub(crate) fn happened<'py>(
    core: &Bound<'py, ServerCore>,
    id: ClientId,
    event: ClientEvent,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let client = core.get().state.borrow(py).clients.get(&id).map(|client| client.clone_ref(py));
    let Some(client) = client else { return Ok(None) };
    let client = client.bind(py);
    match event {
        ClientEvent::Message { nsp, id: number, payload } => message(core, client, id, nsp, number, &payload),
        ClientEvent::Ack { nsp, id: number, payload } => answered(client, &nsp, number, &payload),
        ClientEvent::Drain => link::caught_up(client).map(|()| None),
        ClientEvent::Opened { sid, transport, upgrades, ping_interval, ping_timeout, .. } => {
            let upgrades: Vec<_> = upgrades.into_iter().map(|transport| transport.as_str()).collect();
            let (ping_interval, ping_timeout) = (seconds(ping_interval), seconds(ping_timeout));
            let args = (&*sid, transport.as_str(), upgrades, ping_interval, ping_timeout);
            client.call_method1(intern!(py, "_on_opened"), args).map(|_| None)
        }
        ClientEvent::Upgraded => client.call_method1(intern!(py, "_on_upgrade"), (py.None(),)).map(|_| None),
        ClientEvent::UpgradeFailed { message } => {
            client.call_method1(intern!(py, "_on_upgrade"), (&*message,)).map(|_| None)
        }
        ClientEvent::Failed { kind, transport, message, status, detail } => {
            link::forget(client)?;
            let transport = transport.map(|transport| transport.as_str());
            let args = (kind.as_str(), transport, &*message, status, &*detail);
            client.call_method1(intern!(py, "_on_failed"), args).map(|_| None)
        }
        ClientEvent::Joined { nsp, data } => {
            let data = match data {
                Some(text) => codec::read(client, &text)?,
                None => py.None().into_bound(py),
            };
            rule(core, client, intern!(py, "_on_joined"), Args::from_iter([name(client, &nsp), data]), "connect")
        }
        ClientEvent::Refused { nsp, data } => {
            let args = Args::from_iter([name(client, &nsp), codec::read(client, &data)?]);
            rule(core, client, intern!(py, "_on_refused"), args, "connect_error")
        }
        ClientEvent::Left { nsp } => {
            rule(core, client, intern!(py, "_on_left"), Args::from_iter([name(client, &nsp)]), "disconnect")
        }
        ClientEvent::Closed { reason, detail, .. } => {
            let by_server = detail.as_deref() == Some(GOODBYE);
            let why = detail.unwrap_or(Cow::Borrowed(reason.as_str(ferrio_protocol::Dialect::Node)));
            let args = Args::from_iter([
                by_server.into_pyobject(py)?.to_owned().into_any(),
                PyString::new(py, &why).into_any(),
            ]);
            let call = rule(core, client, intern!(py, "_on_closed"), args, "disconnect");
            link::forget(client)?;
            call
        }
        // The move itself is told when it is done. The others come to who asks for them; nobody does here.
        ClientEvent::Upgrading | ClientEvent::Data { .. } | ClientEvent::Packet { .. } => Ok(None),
    }
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn name<'py>(client: &Bound<'py, ClientCore>, nsp: &Text) -> Bound<'py, PyAny> {
    let py = client.py();
    match client.get().link.borrow(py).as_mut() {
        Some(link) => link.name(py, nsp).into_bound(py).into_any(),
        None => PyString::new(py, nsp).into_any(),
    }
}

/// Calls a rule of the Python part of the client.
fn rule<'py>(
    core: &Bound<'py, ServerCore>,
    client: &Bound<'py, ClientCore>,
    method: &Bound<'py, PyString>,
    args: Args<'py>,
    what: &'static str,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let context = match client.get().link.borrow(py).as_ref() {
        Some(link) => link.context.clone_ref(py),
        None => return Ok(None),
    };
    let then = Then { ack: None, holds: None, what: What::Other(what) };
    let context = ffi::copy_context(py, Some(context.bind(py)))?;
    let mut all = Args::new();
    let callable = dispatch::rule(core, client.as_any(), method, &mut all)?;
    all.extend(args);
    Ok(Some(Call { callable, args: all, context, then }))
}

fn message<'py>(
    core: &Bound<'py, ServerCore>,
    client: &Bound<'py, ClientCore>,
    id: ClientId,
    nsp: Text,
    number: Option<u64>,
    payload: &Payload,
) -> PyResult<Option<Call<'py>>> {
    let py = core.py();
    let this = client.get();
    let (namespace, context) = {
        let mut link = this.link.borrow(py);
        let Some(link) = link.as_mut() else { return Ok(None) };
        (link.name(py, &nsp).into_bound(py), link.context.clone_ref(py))
    };
    let mut items = codec::arguments(client, payload)?.into_iter();
    let Some(event) = items.next() else { return Ok(None) };
    if this.verbose.load(Ordering::Relaxed) {
        client.call_method1(intern!(py, "_log_event"), (&event, &namespace))?;
    }
    let question =
        number.map(|number| Box::new(Question { client: client.clone().unbind(), id, nsp, number })).map(Reply::Server);
    let mut args = Args::new();
    let callable = if this.hears_events.load(Ordering::Relaxed) {
        // More than a handler takes part: listeners, middlewares.
        let callable = dispatch::rule(core, client.as_any(), intern!(py, "_on_event"), &mut args)?;
        args.extend([namespace.into_any(), event.clone()]);
        callable
    } else {
        let Some((callable, prefix)) = resolve(client, &event, &namespace)? else {
            // An event is acknowledged also where nobody hears it.
            return match question {
                Some(Reply::Server(question)) => answer(core, &question, py.None().bind(py)).map(|()| None),
                _ => Ok(None),
            };
        };
        if let Some(prefix) = prefix {
            args.extend(prefix.iter());
        }
        callable
    };
    args.extend(items);
    let context = ffi::copy_context(py, Some(context.bind(py)))?;
    let then = Then { ack: question, holds: None, what: What::Event(event.unbind()) };
    Ok(Some(Call { callable, args, context, then }))
}

type Resolved<'py> = Option<(Bound<'py, PyAny>, Option<Bound<'py, PyTuple>>)>;

/// The handler of an event and the arguments that come before its own.
fn resolve<'py>(
    client: &Bound<'py, ClientCore>,
    event: &Bound<'py, PyAny>,
    namespace: &Bound<'py, PyString>,
) -> PyResult<Resolved<'py>> {
    let py = client.py();
    // The usual case without a call into Python: `handlers[namespace][event]`.
    let handlers = client.get().handlers.borrow(py).clone_ref(py).into_bound(py);
    if let Some(of_namespace) = handlers.get_item(namespace)?
        && let Ok(of_namespace) = of_namespace.cast::<PyDict>()
        && let Some(handler) = of_namespace.get_item(event)?
    {
        return Ok(Some((handler, None)));
    }
    let found = client.call_method1(intern!(py, "_resolve"), (event, namespace))?;
    if found.is_none() {
        return Ok(None);
    }
    let (handler, prefix): (Bound<'py, PyAny>, Bound<'py, PyTuple>) = found.extract()?;
    Ok(Some((handler, Some(prefix))))
}

/// Sends what a handler has returned, if the connection is still the one that asked.
pub(crate) fn answer(core: &Bound<'_, ServerCore>, question: &Question, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let Question { client, id, nsp, number } = question;
    let payload = codec::answer(client.bind(core.py()), value)?;
    let bytes = payload.size();
    let command = ClientCommand::Ack { nsp: nsp.clone(), id: *number, payload };
    dispatch::send(core, Command::Client { client: *id, command }, bytes)
}

/// The answer to an event of ours.
fn answered<'py>(
    client: &Bound<'py, ClientCore>,
    nsp: &Text,
    number: u64,
    payload: &Payload,
) -> PyResult<Option<Call<'py>>> {
    let py = client.py();
    let Some((awaited, context)) = link::take_ask(client, nsp, number) else { return Ok(None) };
    let arguments = codec::arguments(client, payload)?;
    match awaited {
        Awaited::Callback { callback, .. } => {
            let context = ffi::copy_context(py, Some(context.bind(py)))?;
            let then = Then { ack: None, holds: None, what: What::Other("an acknowledgement") };
            let args = arguments.iter().collect();
            Ok(Some(Call { callable: callback.into_bound(py), args, context, then }))
        }
        Awaited::Future(future) => settle(future.bind(py), arguments.as_any()).map(|()| None),
        // Of a server.
        Awaited::All { .. } | Awaited::Barrier(_) => Ok(None),
    }
}
