// Every way in which a connection ends: the reason, its details, and whether the client comes back.
import { createServer } from "node:http";
import { io as connect } from "socket.io-client";
import { WebSocketServer } from "ws";
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ pingInterval: 60_000 });
const { io } = server;

function details(value) {
  if (value instanceof Error) return [value.constructor.name, value.message, value.type];
  return value === undefined ? undefined : [value.description, typeof value.context];
}

/** A client that comes back; what its end looks like is printed. */
async function end(title, transport, how, comesBack) {
  const client = server.client("/", { transports: [transport], reconnection: true, reconnectionDelay: 5 });
  await event(client, "connect");
  await until(() => io.sockets.sockets.has(client.id));
  const peer = io.sockets.sockets.get(client.id);
  const log = journal(`${title}, ${transport}`);
  client.io.on("error", (error) => log("manager: error", ...details(error)));
  client.io.on("close", (reason, more) => log("manager: close", reason, details(more) ?? ""));
  client.on("connect_error", (error) => log("connect_error", ...details(error)));
  client.io.engine.on("close", (reason) => log("engine: close", reason));
  const ended = event(client, "disconnect");
  how(client, peer);
  const [reason, more] = await ended;
  log("disconnect", reason, details(more) ?? "", client.active, client.connected, typeof client.id);
  if (comesBack) {
    await event(client, "connect");
    log("back", client.recovered);
  }
  client.disconnect();
  print(title, transport, reason);
}

for (const transport of ["websocket", "polling"]) {
  await end("client disconnects", transport, (client) => client.disconnect(), false);
  await end("server disconnects", transport, (_, peer) => peer.disconnect(), false);
  await end("server disconnects and closes", transport, (_, peer) => peer.disconnect(true), false);
  await end("server closes the connection", transport, (_, peer) => peer.conn.close(), true);
  await end("the engine is closed", transport, (client) => client.io.engine.close(), true);
}
await end("the connection breaks", "websocket", (_, peer) => peer.conn.transport.socket._socket.destroy(), true);
await server.close();

print("a server that speaks for itself");
const http = createServer().listen(0, "127.0.0.1");
await event(http, "listening");
const raw = new WebSocketServer({ server: http });
/** Connects to it; `then` gets the server's side once the client has joined. */
async function odd(title, then, handshake = {}) {
  const log = journal(title);
  const opened = event(raw, "connection");
  const client = connect(`http://127.0.0.1:${http.address().port}`, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
  });
  client.on("connect_error", (error) => log("connect_error", error.message, error.data ?? "", client.active));
  client.on("connect", () => log("connect", client.id ?? "", client.recovered ?? ""));
  client.on("disconnect", (reason, more) => log("disconnect", reason, details(more)?.[0] ?? "", client.active));
  client.io.on("close", (reason) => log("manager: close", reason));
  client.onAny((...args) => log("event", args));
  const [socket] = await opened;
  const frames = journal(`${title}: frames of the client`);
  socket.on("message", (data) => frames(data.toString()));
  const hello = {
    sid: "engine",
    upgrades: [],
    pingInterval: 25_000,
    pingTimeout: 20_000,
    maxPayload: 1e6,
    ...handshake,
  };
  socket.send(`0${JSON.stringify(hello)}`);
  const over = Promise.race([event(client.io, "close"), event(client, "connect_error"), event(client, "disconnect")]);
  // The client may close it before it says so.
  const closed = event(socket, "close");
  await event(socket, "message");
  then(socket, client);
  await over;
  client.disconnect();
  await closed;
  print(title);
}
/** Lets the client in and, when it knows, sends more. */
const joined =
  (...frames) =>
  async (socket, client) => {
    const known = event(client, "connect");
    socket.send('40{"sid":"here"}');
    await known;
    for (const frame of frames) socket.send(frame);
  };
await odd("no ping", joined(), { pingInterval: 300, pingTimeout: 200 });
await odd("a packet that is none", joined("4x"));
await odd("JSON that is none", joined('42["a"'));
await odd("an event that is no array", joined('42{"a":1}'));
await odd("an event without a name", joined("42[]"));
await odd("a number as a name", joined("42[5]", "41"));
await odd("bytes too many", joined(Buffer.from([1])));
await odd("text instead of bytes", joined('451-["a",{"_placeholder":true,"num":0}]', '42["b"]'));
await odd("a reserved event", joined('42["connect"]', "41"));
await odd("a disconnect", joined("41"));
await odd("an end", async (socket, client) => {
  await joined()(socket, client);
  socket.close();
});
await odd("no sid: a server of version 2", (socket) => socket.send("40"));
await odd("refused with a text", (socket) => socket.send('44"Unable to connect"'));
await odd("refused with an object", (socket) => socket.send('44{"message":"no","data":{"code":1}}'));
await odd("events before CONNECT", (socket) => {
  socket.send('42["early",1]');
  socket.send('40{"sid":"here"}');
  socket.send('42["late",2]');
  socket.send("41");
});
await odd("an answer that nobody asked for", joined("437[1]", "41"));
await odd("another namespace", joined('42/other,["x"]', '40/other,{"sid":"z"}', "41"));
await odd("an event with an id", joined('4212["ask"]', "41"));
raw.close();
http.close();
