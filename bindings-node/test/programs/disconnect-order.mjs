// What holds while a socket disconnects: rooms, state, who still hears it; and what one can do afterwards.
import { attempt, event, heard, journal, print, settled, start, turn, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
const witness = await server.pair();
const seen = journal("another client sees");
witness.client.onAny((name, ...args) => name.endsWith("?") || seen(name, args));
await settled(witness.client, witness.socket);
witness.socket.join("room");

const { client, socket } = await server.pair();
socket.join("room");
const state = () => [
  socket.connected,
  socket.disconnected,
  socket.rooms.size,
  socket.rooms.has("room"),
  io.sockets.sockets.has(socket.id),
];
socket.on("disconnecting", (reason) => {
  log("disconnecting", reason, state());
  for (const room of socket.rooms) if (room !== socket.id) socket.to(room).emit("user left", "by rooms");
  io.to("room").emit("in disconnecting");
  process.nextTick(() => log("tick of disconnecting", state()));
  Promise.resolve().then(() => log("promise of disconnecting", state()));
});
socket.on("disconnect", (reason, description) => {
  log("disconnect", reason, description, state());
  io.to("room").emit("in disconnect");
  process.nextTick(() => log("tick of disconnect", state()));
});
socket.conn.on("close", (reason) => log("conn close", reason, state()));
client.disconnect();
await event(socket, "disconnect");
await turn();
await heard(io, witness.client);

print("afterwards");
print(
  "emit",
  socket.emit("gone"),
  "send",
  socket.send("gone") === socket,
  "join",
  socket.join("late"),
  socket.rooms.size,
);
print(
  "to",
  socket.to("room").emit("from a socket that left"),
  "disconnect",
  socket.disconnect() === socket,
  socket.disconnect(true) === socket,
);
print(
  "data and id stay",
  socket.data,
  socket.id.length,
  socket.handshake.auth,
  socket.nsp.name,
  socket.listenerCount("disconnect"),
);
await heard(io, witness.client);

print("disconnect within a handler");
const second = await server.pair();
const two = journal("within a handler");
second.socket.on("bye", (done) => {
  two("bye", second.socket.connected);
  done("ack");
  second.socket.emit("last words");
  second.socket.disconnect();
  two("after disconnect()", second.socket.connected, second.socket.rooms.size);
  second.socket.emit("too late");
});
second.socket.on("disconnect", (reason) => two("disconnect", reason));
second.socket.on("after", () => two("after: this must not happen"));
second.client.onAny((name) => two("client hears", name));
second.client.on("disconnect", (reason) => two("client:", reason));
second.client.emit("bye", (word) => two("client's ack:", word));
second.client.emit("after");
await event(second.client, "disconnect");
await turn();

print("disconnect in connection");
const three = journal("in connection");
io.once("connection", (socket) => {
  socket.on("disconnect", (reason) => three("disconnect", reason));
  socket.emit("before");
  socket.disconnect();
  socket.emit("after");
  three("size", io.sockets.sockets.has(socket.id), socket.connected);
});
const third = server.client();
third.on("connect", () => three("client: connect"));
third.onAny((name) => three("client:", name));
third.on("disconnect", (reason) => three("client: disconnect", reason));
await event(third, "disconnect");
await turn();

print("twice");
const fourth = await server.pair();
let times = 0;
fourth.socket.on("disconnect", () => times++);
fourth.socket.disconnect();
fourth.socket.disconnect(true);
fourth.client.disconnect();
await until(() => fourth.client.disconnected);
await turn();
print(times);

print("removed listeners");
const fifth = await server.pair();
fifth.socket.on("disconnect", () => print("this must not happen"));
fifth.socket.removeAllListeners();
fifth.client.disconnect();
await until(() => !io.sockets.sockets.has(fifth.socket.id));
print(attempt(() => fifth.socket.connected));
await server.close();
