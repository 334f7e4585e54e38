//! The class `Engine`: a host's calls, each handed on.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ferrio_embed::{ClientId, ConnId, Drain, Engine, Event, SocketId, Tls};
use napi::bindgen_prelude::*;
use napi::{CleanupEnvHook, JsString};
use napi_derive::napi;

use crate::convert::{self, Outbox};
use crate::errors;
use crate::wake::JsWake;

/// Events that one `drain` moves. Its records always fit into the array that `lib/engine.ts` brings.
const MAX_EVENTS: usize = 256;
/// Bytes of payload that one `drain` moves, about: a longer joined string costs more than it saves.
const MAX_BYTES: usize = 64 * 1024;

/// None once it was disposed of, or its environment has ended.
type Shared = Rc<RefCell<Option<Engine>>>;

/// An engine of this environment.
#[napi(js_name = "Engine")]
pub struct JsEngine {
    engine: Shared,
    /// Ends the engine with its environment: a worker that is terminated runs no JavaScript to do it.
    hook: RefCell<Option<CleanupEnvHook<Shared>>>,
    /// Events that were taken from the engine, to be converted.
    events: RefCell<Vec<Event>>,
    outbox: RefCell<Outbox>,
}

#[napi]
impl JsEngine {
    /// Starts an engine. `options` is JSON, `wake` is called when there is something to drain.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: String, wake: Function<'_, (), ()>) -> Result<Self> {
        let wake = JsWake::new(&wake)?;
        let engine = Engine::start(&options, Arc::new(wake)).map_err(errors::start)?;
        let engine = Rc::new(RefCell::new(Some(engine)));
        let hook = env.add_env_cleanup_hook(Rc::clone(&engine), |engine| end(&engine))?;
        Ok(Self { engine, hook: RefCell::new(Some(hook)), events: RefCell::default(), outbox: RefCell::default() })
    }

    /// Listens on a port of the engine's own. `certificate` and `key` are PEM files. Returns the address.
    #[napi(catch_unwind)]
    pub fn listen(&self, address: String, certificate: Option<String>, key: Option<String>) -> Result<String> {
        let tls = certificate.zip(key).map(|(certificate, key)| Tls { certificate, key });
        let bound = self.with(|engine| engine.listen(&address, tls.as_ref(), None, None))?;
        bound.map(|address| address.to_string()).map_err(|error| errors::listen(&address, &error))
    }

    /// Carries out commands.
    #[napi(catch_unwind)]
    pub fn submit(
        &self,
        env: Env,
        text: JsString<'_>,
        records: &[f64],
        used: u32,
        attachments: Option<Array<'_>>,
    ) -> Result<()> {
        let records = records.get(..used as usize).ok_or_else(|| errors::layout("records"))?;
        let text = convert::read_text(&env, &text)?;
        let commands = convert::commands(text, records, attachments.as_ref())?;
        self.with(|engine| engine.submit(commands))
    }

    /// Takes a batch of events.
    #[napi(catch_unwind)]
    pub fn drain<'env>(&self, env: &'env Env, mut records: Float64ArraySlice<'env>) -> Result<Unknown<'env>> {
        // SAFETY: nobody else sees the array during this call: it belongs to `lib/engine.ts` alone, which is waiting.
        let records = unsafe { records.as_mut() };
        let mut events = self.events.borrow_mut();
        let mut outbox = self.outbox.borrow_mut();
        let mut more = !events.is_empty();
        if !more {
            more = self.with(|engine| engine.drain(&mut events, MAX_EVENTS, MAX_BYTES))?;
        }
        let rest = outbox.fill(records, mem::take(&mut *events));
        more |= !rest.is_empty();
        *events = rest;
        outbox.finish(env, records, more)
    }

    /// Changes options, as JSON, for what comes after the commands that crossed before.
    #[napi(catch_unwind)]
    pub fn configure(&self, options: String) -> Result<()> {
        self.with(|engine| engine.configure(&options))?.map_err(errors::start)
    }

    /// The rooms of a socket, as the engine names them.
    #[napi(catch_unwind)]
    pub fn rooms(&self, socket: f64) -> Result<Vec<String>> {
        self.with(|engine| engine.rooms(SocketId(socket as u64)).iter().map(|room| room.as_str().to_owned()).collect())
    }

    /// The sockets in any of the rooms (or in the namespace, if there is none) and in none of the excepted.
    #[napi(catch_unwind)]
    pub fn members(&self, nsp: String, rooms: Vec<String>, except: Vec<String>) -> Result<Vec<f64>> {
        let target = convert::rooms_target(nsp, rooms, except);
        self.with(|engine| engine.members(&target).into_iter().map(|socket| socket.0 as f64).collect())
    }

    /// The offset of the next event in a namespace; undefined if nobody would get one.
    #[napi(catch_unwind)]
    pub fn stamp(&self, nsp: String) -> Result<Option<String>> {
        self.with(|engine| engine.stamp(&nsp))
    }

    /// The rooms of a namespace that have a member.
    #[napi(catch_unwind)]
    pub fn room_names(&self, nsp: String) -> Result<Vec<String>> {
        self.with(|engine| engine.room_names(&nsp).iter().map(|room| room.as_str().to_owned()).collect())
    }

    /// What the server has counted, as JSON.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> Result<String> {
        self.with(|engine| engine.stats())
    }

    /// Bytes waiting to be sent to a connection.
    #[napi(catch_unwind)]
    pub fn buffered(&self, conn: f64) -> Result<f64> {
        self.with(|engine| engine.conn_buffered(ConnId(conn as u64)) as f64)
    }

    /// Whether what is sent to a connection now leaves now.
    #[napi(catch_unwind)]
    pub fn writable(&self, conn: f64) -> Result<bool> {
        self.with(|engine| engine.writable(ConnId(conn as u64)))
    }

    /// Bytes waiting to be sent on a client's connection.
    #[napi(catch_unwind)]
    pub fn client_buffered(&self, client: f64) -> Result<f64> {
        self.with(|engine| engine.client_buffered(ClientId(client as u64)) as f64)
    }

    /// Whether what a client sends now leaves now.
    #[napi(catch_unwind)]
    pub fn client_writable(&self, client: f64) -> Result<bool> {
        self.with(|engine| engine.client_writable(ClientId(client as u64)))
    }

    /// The transport that a client uses now; null if it is not open.
    #[napi(catch_unwind)]
    pub fn client_transport(&self, client: f64) -> Result<Option<&'static str>> {
        self.with(|engine| engine.client_transport(ClientId(client as u64)))
    }

    /// Begins to close. The `Closed` event is the last.
    #[napi(catch_unwind)]
    pub fn close(&self) -> Result<()> {
        self.with(Engine::close)
    }

    /// As `close`, but clients are sent away over time (all times in ms): `close` then ends it at once.
    #[napi(catch_unwind)]
    pub fn drain_clients(&self, grace: f64, spread: f64, reason: String) -> Result<()> {
        let time = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| errors::time(ms));
        let how = Drain { grace: time(grace)?, spread: time(spread)?, reason };
        self.with(|engine| engine.drain_clients(how))
    }

    /// Whether one more namespace may be made that a client has named, where there are so many.
    #[napi(catch_unwind)]
    pub fn has_room_for_child(&self, children: u32) -> Result<bool> {
        self.with(|engine| engine.has_room_for_child(children as usize))
    }

    /// Whether newcomers are let in.
    #[napi(catch_unwind)]
    pub fn is_ready(&self) -> Result<bool> {
        self.with(Engine::is_ready)
    }

    /// Ends the threads.
    #[napi(catch_unwind)]
    pub fn dispose(&self, env: Env) -> Result<()> {
        if let Some(hook) = self.hook.borrow_mut().take() {
            env.remove_env_cleanup_hook(hook)?;
        }
        end(&self.engine);
        Ok(())
    }

    fn with<T>(&self, call: impl FnOnce(&Engine) -> T) -> Result<T> {
        self.engine.borrow().as_ref().map(call).ok_or_else(errors::disposed)
    }
}

fn end(engine: &Shared) {
    if let Some(engine) = engine.borrow_mut().take() {
        engine.close();
    }
}
