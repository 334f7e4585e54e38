// Listeners for everything: incoming and outgoing, in front, removed, and the lists themselves.
import { answer, event, heard, journal, print, settled, start } from "./support.mjs";

const server = await start();
const { io } = server;
const { client, socket } = await server.pair();
const shown = (args) => args.map((arg) => (typeof arg === "function" ? `ack/${arg.length}` : arg));

print("incoming");
const log = journal("incoming");
const first = (...args) => log("first:", shown(args));
const second = (...args) => log("second:", shown(args));
print("returns the socket:", socket.onAny(first) === socket, socket.prependAny(second) === socket);
socket.onAny(function () {
  log("this is the socket:", this === socket);
});
socket.on("a", (...args) => log("on a:", shown(args)));
client.emit("a", 1, { b: [2] });
await event(socket, "a");
client.emit("unknown", Buffer.from("x"));
await event(socket, "unknown");
await answer((done) => {
  socket.once("asked", (done) => done());
  client.emit("asked", done);
});
print(
  "list:",
  socket.listenersAny().length,
  socket.listenersAny()[0] === second,
  [socket.listenersAny(), socket.listenersAny()].every((list, _, [first]) => list === first),
);
print("off one:", socket.offAny(first) === socket, socket.listenersAny().length);
print("off unknown:", socket.offAny(() => {}) === socket, socket.listenersAny().length);
print("off all:", socket.offAny() === socket, socket.listenersAny());
client.emit("a", "heard by its listener only");
await settled(client, socket);
print(
  "none were ever added:",
  (await server.pair()).socket.listenersAny(),
  (await server.pair()).socket.listenersAnyOutgoing(),
);

print("a listener that removes itself");
const self = journal("removes itself");
const once = (name) => {
  self(name);
  socket.offAny(once);
};
socket.onAny(once);
socket.onAny((name) => self("the next one still hears", name));
client.emit("x");
client.emit("y");
await settled(client, socket);
socket.offAny();

print("outgoing");
const out = journal("outgoing");
const outgoing = (...args) => out("first:", shown(args));
print(
  "returns the socket:",
  socket.onAnyOutgoing(outgoing) === socket,
  socket.prependAnyOutgoing((name) => out("in front:", name)) === socket,
);
socket.emit("to one", 1, Buffer.from("y"));
client.once("asked", (done) => done(1));
await answer((done) => socket.emit("asked", done));
io.emit("to all", 2);
socket.broadcast.emit("to others, not to me");
socket.join("room");
io.to("room").emit("to the room", { deep: { x: [1] } });
io.except("room").emit("to all but the room");
io.volatile.emit("volatile");
socket.volatile.compress(false).emit("with flags");
socket.send("message");
socket.once("ask me", (done) => done("the answer is no event"));
await answer((done) => client.emit("ask me", done));
print("list:", socket.listenersAnyOutgoing().length, socket.listenersAnyOutgoing()[1] === outgoing);
socket.offAnyOutgoing(outgoing);
io.emit("after off");
print("off all:", socket.offAnyOutgoing() === socket, socket.listenersAnyOutgoing());
io.emit("nobody listens");
await heard(io, client);
await server.close();
