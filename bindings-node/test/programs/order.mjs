// In which order things are seen: events of one packet, ticks and promises, acks, rooms, several sockets.
import { Manager } from "socket.io-client";
import { event, heard, journal, print, settled, start, until } from "./support.mjs";

const server = await start();
const { io } = server;

print("events come in the order they were sent, in both directions and over both transports");
for (const transports of [["websocket"], ["polling"]]) {
  const { client, socket } = await server.pair("/", { transports });
  const got = { client: [], server: [] };
  client.on("n", (n) => got.client.push(n));
  socket.on("n", (n) => got.server.push(n));
  for (let n = 0; n < 200; n++) {
    client.emit("n", n % 7 ? n : { n, bytes: Buffer.alloc(n) });
    socket.emit("n", n % 5 ? n : { n, bytes: Buffer.alloc(n) });
    if (n === 100) io.emit("n", "broadcast");
  }
  await settled(client, socket);
  const plain = (list) => list.map((n) => n.n ?? n).join();
  print(
    transports,
    got.client.length,
    got.server.length,
    plain(got.client) === [...Array(101).keys(), "broadcast", ...[...Array(99).keys()].map((n) => n + 101)].join(),
    plain(got.server) === [...Array(200).keys()].join(),
  );
}

print("one payload of a polling client");
const polling = await server.pair("/", { transports: ["polling"] });
const payload = journal("one payload");
polling.socket.onAny((name) => payload("any", name));
polling.socket.use(([name], next) => {
  payload("use", name);
  next();
});
for (const name of ["a", "b", "c"]) {
  polling.socket.on(name, () => {
    payload("on", name);
    process.nextTick(() => payload("tick of", name));
    queueMicrotask(() => payload("promise of", name));
  });
}
polling.socket.on("c", (done) => done());
polling.client.emit("first");
const done = new Promise((resolve) => {
  polling.client.emit("a");
  polling.client.emit("b");
  polling.client.emit("c", resolve);
});
await done;
await settled(polling.client, polling.socket);
payload.lines.splice(0, payload.lines.indexOf("any a"));

print("ticks and promises of a listener run before the next packet");
const { client, socket } = await server.pair();
const ticks = journal("ticks");
socket.on("one", async () => {
  ticks("one");
  process.nextTick(() => ticks("tick of one"));
  await null;
  ticks("after await in one");
});
socket.on("two", (done) => {
  ticks("two");
  done();
});
client.emit("one");
// Two that come in one read are another matter: the original's server hears the second before the ticks of the first.
await until(() => ticks.lines.length > 0);
await new Promise((resolve) => client.emit("two", resolve));

print("an answer keeps its place among events");
const seen = journal("client");
client.onAny((name) => name.endsWith("?") || seen(name));
socket.on("ask", (done) => {
  socket.emit("before the answer");
  done();
  socket.emit("after the answer");
  io.emit("to all, after");
});
await new Promise((resolve) =>
  client.emit("ask", () => {
    seen("the answer");
    resolve();
  }),
);
await settled(client, socket);

print("emits from ticks and promises of one listener");
socket.on("spread", () => {
  process.nextTick(() => socket.emit("from a tick"));
  Promise.resolve().then(() => socket.emit("from a promise"));
  socket.emit("from the listener");
  setImmediate(() => socket.emit("from setImmediate"));
});
client.emit("spread");
await event(client, "from setImmediate");

print("socket.emit and io.emit in turn");
for (let n = 0; n < 3; n++) {
  socket.emit(`socket ${n}`);
  io.emit(`io ${n}`);
  io.to(socket.id).emit(`room ${n}`);
}
await settled(client, socket);

print("what a connection listener emits comes after connect, and before later broadcasts");
const connecting = journal("a new client");
io.once("connection", (socket) => {
  socket.emit("welcome");
  io.emit("somebody came");
  socket.broadcast.emit("not to oneself");
});
const fresh = server.client();
fresh.on("connect", () => connecting("connect"));
fresh.onAny((name) => name.endsWith("?") || connecting(name));
await event(fresh, "somebody came");
await heard(io, fresh);

print("several namespaces of one connection");
const several = journal("several namespaces");
io.of("/a");
io.of("/b");
const manager = new Manager(server.url, { reconnection: false, transports: ["websocket"] });
const a = manager.socket("/a");
const b = manager.socket("/b");
await Promise.all([event(a, "connect"), event(b, "connect")]);
await until(() => io.of("/b").sockets.size === 1);
for (const name of ["/a", "/b"])
  [...io.of(name).sockets.values()][0].onAny((event) => event.endsWith("?") || several(name, event));
a.emit("1");
b.emit("2");
a.emit("3");
b.emit("4");
await settled(a, [...io.of("/a").sockets.values()][0]);
await settled(b, [...io.of("/b").sockets.values()][0]);
a.disconnect();
b.disconnect();
await server.close();
