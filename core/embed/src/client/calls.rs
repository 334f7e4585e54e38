//! The connections of a host's clients: by number, from the moment the host has one until its server has been told of the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ferrio::client::connection::{Connection, Happening, Listener, Order};
use ferrio_protocol::Text;
use ferrio_protocol::engine::{Frame, Transport};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::options::DialOptions;
use super::{ClientCommand, ClientEvent, FailureKind};
use crate::event::{Event, PacketKind};
use crate::ids::ClientId;
use crate::shared::Shared;

/// See the module.
#[derive(Default)]
pub(crate) struct Calls {
    connections: Mutex<HashMap<ClientId, Connection>>,
    /// Read nothing until the mailbox has room.
    stalled: Mutex<HashSet<ClientId>>,
    /// One is gone.
    gone: Notify,
}

/// What an I/O thread does for a host's client.
pub(crate) enum Call {
    Dial { client: ClientId, connection: Connection, url: Text, options: Result<Box<DialOptions>, String> },
    Order(Connection, Order),
}

impl Calls {
    pub(crate) fn get(&self, client: ClientId) -> Option<Connection> {
        self.connections.lock().get(&client).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.lock().is_empty()
    }

    /// The host's share of a command: the number gets its connection, what is to be sent counts as waiting.
    pub(crate) fn resolve(&self, client: ClientId, command: ClientCommand) -> Option<Call> {
        if let ClientCommand::Dial { url, options } = command {
            let connection = Connection::new();
            let taken = self.connections.lock().insert(client, connection.clone());
            debug_assert!(taken.is_none(), "{client:?} was used twice");
            let options = DialOptions::parse(&options).map(Box::new).map_err(|error| error.to_string());
            return Some(Call::Dial { client, connection, url, options });
        }
        let connection = self.get(client)?;
        let order = match command {
            ClientCommand::Dial { .. } => return None,
            ClientCommand::Join { nsp, auth } => Order::Join { nsp, auth },
            ClientCommand::Leave { nsp } => Order::Leave { nsp },
            ClientCommand::Emit { nsp, id, payload, volatile } => {
                let announced = connection.announce(payload.size());
                Order::Emit { nsp, id, payload, volatile, announced }
            }
            ClientCommand::Ack { nsp, id, payload } => {
                let announced = connection.announce(payload.size());
                Order::Ack { nsp, id, payload, announced }
            }
            ClientCommand::Write { data, volatile } => {
                let announced = connection.announce(data.iter().map(Frame::len).sum());
                Order::Write { data, volatile, announced }
            }
            ClientCommand::Watch(on) => Order::Watch(on),
            ClientCommand::Hold(on) => Order::Hold(on),
            ClientCommand::HangUp { discard } => {
                connection.will_leave();
                Order::HangUp { discard }
            }
        };
        Some(Call::Order(connection, order))
    }

    /// The mailbox has room again.
    pub(crate) fn resume(&self) {
        let stalled = std::mem::take(&mut *self.stalled.lock());
        for client in stalled {
            if let Some(connection) = self.get(client) {
                connection.resume();
            }
        }
    }

    /// Ends all of them; what waits is sent first.
    pub(crate) fn hang_up(&self) {
        let all: Vec<_> = self.connections.lock().values().cloned().collect();
        for connection in all {
            connection.order(Order::HangUp { discard: false });
        }
    }

    /// Waits until the servers of those that were told to hang up know it, or `limit` is over.
    pub(crate) async fn until_told(&self, limit: Duration) {
        let told = async {
            loop {
                let gone = self.gone.notified();
                if !self.connections.lock().values().any(Connection::is_leaving) {
                    return;
                }
                gone.await;
            }
        };
        let _ = tokio::time::timeout(limit, told).await;
    }

    /// Forgets them.
    pub(crate) fn clear(&self) {
        let connections = std::mem::take(&mut *self.connections.lock());
        drop(connections);
    }

    fn remove(&self, client: ClientId) {
        let connection = self.connections.lock().remove(&client);
        drop(connection);
        self.gone.notify_waiters();
    }
}

/// Carries out a call, on an I/O thread.
pub(crate) fn carry_out(shared: &Arc<Shared>, call: Call) {
    match call {
        Call::Order(connection, order) => connection.order(order),
        Call::Dial { client, connection, url, options } => {
            let failure = match options {
                Ok(_) if shared.refuses() => Err((FailureKind::Aborted, "the engine is closed".to_owned())),
                Ok(options) => Ok(options),
                Err(error) => Err((FailureKind::Options, error)),
            };
            match failure {
                Ok(options) => {
                    let ear = Arc::new(Ear { shared: Arc::clone(shared), client });
                    let DialOptions { options, layer } = *options;
                    connection.dial(&url, options, layer, ear, &Handle::current());
                }
                Err((kind, message)) => {
                    let message = Text::from(message);
                    let event =
                        ClientEvent::Failed { kind, transport: None, detail: message.clone(), message, status: None };
                    shared.post(Event::Client { client, event });
                    shared.calls.remove(client);
                    shared.settle();
                }
            }
        }
    }
}

/// Tells the host what happens to one connection.
struct Ear {
    shared: Arc<Shared>,
    client: ClientId,
}

impl Listener for Ear {
    fn hear(&self, happening: Happening) {
        self.shared.post(Event::Client { client: self.client, event: event(happening) });
    }

    fn is_full(&self) -> bool {
        let Self { shared, client } = self;
        if !shared.mailbox.is_full() {
            return false;
        }
        shared.calls.stalled.lock().insert(*client);
        // It may have been emptied just before: then nobody resumes us.
        shared.mailbox.is_full()
    }

    fn gone(&self) {
        self.shared.calls.remove(self.client);
        self.shared.settle();
    }
}

fn event(happening: Happening) -> ClientEvent {
    match happening {
        Happening::Opened { handshake, transport } => ClientEvent::Opened {
            sid: handshake.sid,
            transport,
            upgrades: handshake.upgrades,
            ping_interval: milliseconds(handshake.ping_interval),
            ping_timeout: milliseconds(handshake.ping_timeout),
            max_payload: Some(handshake.max_payload).filter(|most| *most < u64::MAX),
        },
        Happening::Upgrading => ClientEvent::Upgrading,
        Happening::Upgraded => ClientEvent::Upgraded,
        Happening::UpgradeFailed(why) => ClientEvent::UpgradeFailed { message: Text::from(&*why) },
        Happening::Joined { nsp, data } => ClientEvent::Joined { nsp, data },
        Happening::Refused { nsp, data } => ClientEvent::Refused { nsp, data },
        Happening::Left { nsp } => ClientEvent::Left { nsp },
        Happening::Message { nsp, id, payload } => ClientEvent::Message { nsp, id, payload },
        Happening::Ack { nsp, id, payload } => ClientEvent::Ack { nsp, id, payload },
        Happening::Data(data) => ClientEvent::Data { data },
        Happening::Packet { sent, packet } => {
            let (kind, data) = PacketKind::split(packet);
            ClientEvent::Packet { sent, kind, data }
        }
        Happening::Drain => ClientEvent::Drain,
        Happening::Failed { transport, failure } => ClientEvent::failed(transport, &failure),
        Happening::Closed { reason, detail, status } => ClientEvent::Closed { reason, detail, status },
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl crate::Engine {
    /// Bytes that wait to be sent on a client's connection, what was submitted and not carried out yet included. If there are
    /// any, [`ClientEvent::Drain`] follows when there are none.
    pub fn client_buffered(&self, client: ClientId) -> usize {
        self.call(client).map_or(0, |connection| connection.buffered())
    }

    /// Whether what a client sends now leaves now. If not, [`ClientEvent::Drain`] follows when it does (or the connection's
    /// end, or its beginning).
    pub fn client_writable(&self, client: ClientId) -> bool {
        self.call(client).is_some_and(|connection| connection.is_writable())
    }

    /// The transport that a client uses now, `"polling"` or `"websocket"`; `None` before it is open and after its end.
    pub fn client_transport(&self, client: ClientId) -> Option<&'static str> {
        self.call(client)?.transport().map(Transport::as_str)
    }
}
