// Sockets, namespaces and servers as Node's event emitters.
import { EventEmitter, on, once } from "node:events";
import { attempt, event, journal, print, settled, start } from "./support.mjs";

const server = await start();
const { io } = server;
const listener = () => {};

print("io.on returns the namespace:", io.on("x", listener) === io.sockets, io.off("x", listener) === io.sockets);
for (const name of ["addListener", "prependListener", "once", "prependOnceListener"]) {
  print(name, io[name]("y", listener) === io.sockets);
}
print(
  "removeListener",
  io.removeListener("y", listener) === io.sockets,
  "removeAllListeners",
  io.removeAllListeners("y") === io.sockets,
);
io.on("connection", listener);
io.of("/").prependListener("connection", () => {});
print(
  "counts",
  io.listenerCount("connection"),
  io.sockets.listenerCount("connection"),
  io.eventNames(),
  io.listeners("connection").length,
  io.rawListeners("connection").includes(listener),
);
print(
  "max listeners",
  io.setMaxListeners(20) === io.sockets,
  io.getMaxListeners(),
  io.sockets.getMaxListeners(),
  io.of("/x").getMaxListeners(),
);
io.removeAllListeners();
print("none", io.eventNames(), io.sockets.eventNames());

const { client, socket } = await server.pair();
const log = journal("socket");
print(
  "of a new socket",
  socket.eventNames().filter((name) => name !== "error"),
);
print(
  "chains",
  socket.on("a", listener) === socket,
  socket.once("a", listener) === socket,
  socket.off("a", listener) === socket,
  socket.removeAllListeners("a") === socket,
);
socket.on("e", () => log("on e"));
socket.prependListener("e", () => log("prepended"));
socket.once("e", () => log("once"));
socket.prependOnceListener("e", () => log("prepended once"));
print(
  "counts",
  socket.listenerCount("e"),
  socket.listeners("e").length,
  socket.rawListeners("e").length,
  typeof socket.rawListeners("e")[0].listener,
);
client.emit("e");
client.emit("e");
await settled(client, socket);
print("left", socket.listenerCount("e"));
print(
  "emit is the library's, so Node's own events cannot be heard:",
  socket.on("newListener", () => {}) === socket,
  attempt(() => socket.on("f", () => {})),
);
EventEmitter.prototype.removeListener.call(socket, "newListener", socket.listeners("newListener")[0]);

print("events.once");
const asked = once(socket, "one");
client.emit("one", 1, "two", [3]);
print(await asked);
const accepted = once(io.sockets, "connection");
const second = server.client();
await event(second, "connect");
print((await accepted)[0].id === second.id);
const ended = once(io.sockets.sockets.get(second.id), "disconnect");
second.disconnect();
print(await ended);
print("rejected by error:", await once(rejecting(), "never").catch((error) => error.message));

function rejecting() {
  setImmediate(() => EventEmitter.prototype.emit.call(socket, "error", new Error("mine")));
  return socket;
}

print("events.on");
const stream = on(socket, "many");
for (let i = 0; i < 3; i++) client.emit("many", i);
const values = [];
for await (const [value] of stream) if (values.push(value) === 3) break;
print(values);

print("listeners are called with the emitter as this, in the order they were added; an added one not yet");
socket.on("this", function (value) {
  log("this", this === socket, value);
  socket.on("this", () => log("added meanwhile"));
});
client.emit("this", 1);
await settled(client, socket);
client.emit("this", 2);
await settled(client, socket);

print("names that objects have");
for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", ""]) {
  socket.on(name, (value) => log(`named ${JSON.stringify(name)}`, value));
  client.emit(name, 1);
}
await settled(client, socket);

print("local emission does not exist: emit sends");
let local = 0;
socket.on("ping me", () => local++);
const arrived = event(client, "ping me");
socket.emit("ping me");
await arrived;
print(local);
print(
  "symbols",
  attempt(() => socket.on(Symbol.for("s"), listener) === socket),
  socket.listenerCount(Symbol.for("s")),
);
print(
  "io.emit returns",
  io.emit("x"),
  "io.send",
  io.send("x") === io,
  "io.write",
  io.write("y") === io,
  "nsp.send",
  io.sockets.send("x") === io.sockets,
  "socket.send",
  socket.send(1) === socket,
  socket.write(1) === socket,
);
await server.close();
