// Connection state recovery, as the client sees it.
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ connectionStateRecovery: {} });
const { io } = server;
io.on("connection", (socket) => {
  socket.join("room");
  socket.data.count = (socket.data.count ?? 0) + 1;
});
const log = journal("client");
const client = server.client("/", { reconnection: true, reconnectionDelay: 30, reconnectionDelayMax: 30 });
client.on("connect", () => log("connect", client.recovered, client.receiveBuffer.length));
client.onAny((name, ...args) =>
  log(
    name,
    args.map((arg) => (typeof arg === "string" ? "a text" : arg)),
    client.connected,
  ),
);
await event(client, "connect");
print("no offset yet", client._lastOffset === undefined, typeof client._pid);
await until(() => io.sockets.sockets.size === 1);
io.emit("first", 1);
await event(client, "first");
print(typeof client._lastOffset);
const { id, _pid } = client;

print("what it missed comes before connect");
const gone = event(client, "disconnect");
const left = event(io.sockets.sockets.get(id), "disconnect");
client.io.engine.close();
await gone;
await left;
io.to("room").emit("missed", 2);
io.emit("missed", 3, Buffer.from("bytes"));
io.volatile.emit("lost", 4);
client.emit("mine", 5);
const [peer] = await Promise.all([event(io, "connection").then(([peer]) => peer), event(client, "connect")]);
print(
  client.recovered,
  client.id === id,
  client._pid === _pid,
  peer.recovered,
  peer.data.count,
  [...peer.rooms].includes("room"),
);
io.emit("after", 6);
await event(client, "after");

print("who left starts anew");
client.disconnect();
client.connect();
await event(client, "connect");
print(client.recovered, client.id === id, client._pid === _pid);

print("any text at the end of an event is taken for an offset");
await until(() => io.sockets.sockets.has(client.id));
const before = client._lastOffset;
io.sockets.sockets.get(client.id).emit("text", "not an offset", () => {});
await event(client, "text");
print(client._lastOffset === before);
await server.close();
process.exit(0);
