// Connecting and disconnecting within listeners, and in unusual moments.
import { event, journal, pause, print, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("client");
const follow = (name, socket) => {
  for (const event of ["connect", "disconnect", "connect_error"]) {
    socket.on(event, (value) => log(name, event, value?.message ?? value ?? "", socket.connected, socket.active));
  }
  return socket;
};

print("disconnect in connect");
const first = follow("first", server.client("/", { autoConnect: false }));
first.on("connect", () => first.disconnect());
first.connect();
await event(first, "disconnect");
print(first.connected, first.io._readyState);
await until(() => io.sockets.sockets.size === 0);

print("connect in disconnect");
const second = follow("second", server.client("/"));
await event(second, "connect");
second.once("disconnect", () => second.connect());
second.disconnect();
await event(second, "connect");
print(second.connected);

print("disconnect and connect in one breath");
await until(() => io.sockets.sockets.has(second.id));
const { id } = second;
second.disconnect().connect();
second.emit("buffered");
await event(second, "connect");
print(second.connected, second.id !== id);

print("emit in disconnect");
await until(() => io.sockets.sockets.has(second.id));
second.once("disconnect", () => second.emit("late", 1));
second.disconnect();
print(second.sendBuffer.length);
const [peer] = await Promise.all([
  event(io, "connection").then(([peer]) => peer),
  second.connect() && event(second, "connect"),
]);
print(peer.id === second.id, second.sendBuffer.length);

print("a namespace that is left before it is joined, on a connection that stays");
io.of("/slow").use((_, next) => setTimeout(next, 20));
const slow = follow("slow", second.io.socket("/slow"));
slow.disconnect();
print(slow.active, second.connected, second.io._readyState);
await pause(60);
print(slow.connected, second.connected);

print("the server disconnects in its connection listener");
io.of("/out").on("connection", (socket) => {
  socket.emit("bye");
  socket.disconnect();
});
const out = follow("out", second.io.socket("/out"));
out.on("bye", () => log("bye"));
await event(out, "disconnect");
print(out.active, second.connected);

print("listeners that come and go");
const calls = [];
const once = () => calls.push("once");
second.once("event", once);
second.once("event", once);
second.on("event", function self() {
  calls.push("self");
  second.off("event", self);
});
peer.emit("event");
peer.emit("event");
peer.emit("last");
await event(second, "last");
print(calls);
second.disconnect();
await server.close();
process.exit(0);
