// Middlewares of namespaces: their order, what a socket can do in them, refusals with and without data.
import { event, journal, print, settled, start, turn, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");

print(
  "use returns io:",
  io.use((_, next) => next()) === io,
  "the namespace:",
  io.of("/x").use((_, next) => next()) === io.of("/x"),
);

io.use((socket, next) => {
  log(
    "first:",
    socket.connected,
    socket.disconnected,
    socket.rooms.size,
    io.sockets.sockets.size,
    io.engine.clientsCount,
  );
  log("arguments", typeof next, next.length);
  log("join in a middleware", socket.join("early"), socket.rooms.size);
  log("disconnect in a middleware", socket.disconnect() === socket, socket.connected);
  socket.data.name = socket.handshake.auth.name;
  socket.emit("from the middleware", 1);
  next();
  log("after next");
});
io.use(async (socket, next) => {
  await turn();
  log("second, async:", socket.data.name);
  next();
});
io.use((socket, next) => {
  log("third:", socket.id.length);
  process.nextTick(() => log("tick after third"));
  Promise.resolve().then(() => log("promise after third"));
  next();
});
io.on("connect", (socket) =>
  log(
    "connect:",
    socket.connected,
    [...socket.rooms].map((room) => (room === socket.id ? "own" : room)),
  ),
);
io.on("connection", (socket) => {
  log("connection:", socket.data, io.sockets.sockets.get(socket.id) === socket);
  socket.emit("from connection", 2);
});

const client = server.client("/", { auth: { name: "anna" } });
const seen = journal("the client sees");
client.onAny((...args) => seen(args));
client.on("connect", () => seen("connect"));
const [, socket] = await Promise.all([event(client, "connect"), event(io, "connection").then(([socket]) => socket)]);
await settled(client, socket);

const refusals = journal("refusals");
/** What a client is told when the namespace's only middleware does this. */
async function refused(title, middleware, options) {
  const name = `/${title.replaceAll(" ", "-")}`;
  io.of(name).use(middleware);
  io.of(name).on("connection", () => refusals("this must not happen"));
  const client = server.client(name, options);
  const [error] = await event(client, "connect_error");
  refusals(`${title}:`, error.constructor.name, error.message, "data:", error.data, Object.keys(error));
  refusals("client:", client.connected, client.active, client.id, "transport open:", client.io.engine.readyState);
  client.disconnect();
}
await refused("an error", (_, next) => next(new Error("not allowed")));
await refused("with data", (_, next) => {
  const error = new Error("not allowed");
  error.data = { code: 7, more: ["a", { b: null }] };
  next(error);
});
await refused("data is falsy", (_, next) => next(Object.assign(new Error("zero"), { data: 0 })));
await refused("a subclass", (_, next) => next(new (class Refusal extends TypeError {})("type")));
await refused("an object", (_, next) => next({ message: "plain", data: "text", other: 1 }));
await refused("after a while", (_, next) => setTimeout(next, 10, new Error("late")));
await refused(
  "by auth",
  (socket, next) => next(socket.handshake.auth.token === "abc" ? undefined : new Error("unauthorized")),
  {
    auth: { token: "x" },
  },
);
await refused("an empty message", (_, next) => next(new Error("")));

print("the second is not asked once the first refused");
let asked = 0;
io.of("/two").use((_, next) => next(new Error("first")));
io.of("/two").use((_, next) => {
  asked++;
  next();
});
await event(server.client("/two"), "connect_error");
print(asked);

print("a middleware added while another runs is not of this round");
let late = 0;
io.of("/snapshot").use((_, next) => {
  io.of("/snapshot").use((_, next) => {
    late++;
    next();
  });
  next();
});
await server.pair("/snapshot");
print(late);
await server.pair("/snapshot");
print(late);

print("a refused socket left nothing behind");
io.of("/left").use((socket, next) => {
  socket.join("room");
  next(new Error("no"));
});
await event(server.client("/left"), "connect_error");
print(
  io.of("/left").sockets.size,
  (await io.of("/left").in("room").fetchSockets()).length,
  io.of("/left").adapter.rooms.size,
);

print("a client that leaves while the middleware thinks");
let go;
const states = journal("who left in the middleware");
io.of("/slow").on("connection", () => states("connected, this must not happen"));
io.of("/slow").use((socket, next) => {
  socket.on("disconnect", (reason) => states("disconnect:", reason));
  go = { socket, next };
});
const slow = server.client("/slow");
await until(() => go);
slow.io.engine.close();
await event(go.socket.conn, "close");
go.next();
await turn();
states("after next:", go.socket.connected, io.of("/slow").sockets.size);

print("of several namespaces each has its own");
const order = journal("namespaces");
for (const name of ["/n1", "/n2"]) {
  io.of(name).use((socket, next) => {
    order(name, socket.nsp.name, socket.handshake.auth);
    next();
  });
  await server.pair(name, { auth: { to: name } });
}
await server.close();
