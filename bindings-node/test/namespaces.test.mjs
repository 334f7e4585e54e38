// Namespaces, their middlewares, and how connections to them end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { event, PATHS, Server, settled, start } from "./support.mjs";

for (const path of PATHS) {
  test(`${path}: namespaces of one connection are apart`, async (t) => {
    const server = await start(t, {}, { path });
    const seen = [];
    server.io.of("/chat").on("connection", (socket) => socket.on("m", (text) => seen.push(["chat", text])));
    server.io.of("news").on("connection", (socket) => socket.on("m", (text) => seen.push(["news", text])));
    const manager = server.manager();
    const chat = manager.socket("/chat");
    const news = manager.socket("/news");
    await Promise.all([event(chat, "connect"), event(news, "connect")]);
    const [onServer] = server.io.of("/chat").sockets.values();
    assert.equal(onServer.conn, server.io.of("/news").sockets.values().next().value.conn);
    assert.notEqual(onServer.id, onServer.conn.id);
    chat.emit("m", 1);
    news.emit("m", 2);
    await settled(chat, onServer);
    await settled(news, server.io.of("/news").sockets.get(news.id));
    assert.deepEqual(seen.sort(), [
      ["chat", 1],
      ["news", 2],
    ]);
    server.io.of("/chat").emit("only chat");
    news.on("only chat", () => assert.fail("the wrong namespace"));
    await event(chat, "only chat");
  });

  test(`${path}: why it ended`, async (t) => {
    const server = await start(t, {}, { path });
    const ends = [];
    server.io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));

    const left = await server.pair();
    const leaves = event(left.socket, "disconnect");
    left.client.disconnect();
    await leaves;

    const sent = await server.pair();
    const told = event(sent.client, "disconnect");
    assert.equal(sent.socket.disconnect(), sent.socket);
    assert.equal(sent.socket.connected, false);
    assert.equal(sent.socket.disconnected, true);
    assert.deepEqual((await told)[0], "io server disconnect");

    const dropped = await server.pair();
    const drops = event(dropped.socket, "disconnect");
    dropped.client.io.engine.close();
    await drops;

    assert.deepEqual(ends, ["client namespace disconnect", "server namespace disconnect", "transport close"]);
  });
}

test("disconnect(true) tells every namespace of the connection, then closes it", async (t) => {
  const server = await start(t);
  const ends = [];
  for (const name of ["/", "/b"]) {
    server.io.of(name).on("connection", (socket) => socket.on("disconnect", (reason) => ends.push([name, reason])));
  }
  const manager = server.manager();
  const [a, b] = [manager.socket("/"), manager.socket("/b")];
  await Promise.all([event(a, "connect"), event(b, "connect")]);
  const told = Promise.all([event(a, "disconnect"), event(b, "disconnect")]);
  const [socket] = server.io.sockets.sockets.values();
  const closed = event(socket.conn, "close");
  socket.disconnect(true);
  assert.deepEqual(ends, [
    ["/", "server namespace disconnect"],
    ["/b", "server namespace disconnect"],
  ]);
  assert.deepEqual(
    (await told).map(([reason]) => reason),
    ["io server disconnect", "io server disconnect"],
  );
  await closed;
  assert.equal(socket.conn.readyState, "closed");
});

test("a client may leave a namespace and come back", async (t) => {
  const server = await start(t);
  const manager = server.manager();
  const [main, other] = [manager.socket("/"), manager.socket("/other")];
  server.io.of("/other");
  await Promise.all([event(main, "connect"), event(other, "connect")]);
  const first = other.id;
  const over = event(server.io.of("/other").sockets.get(first), "disconnect");
  other.disconnect();
  await over;
  other.connect();
  await event(other, "connect");
  assert.notEqual(other.id, first);
  assert.equal(server.io.of("/other").sockets.size, 1);
});

test("an unknown namespace is refused, the connection stays", async (t) => {
  const server = await start(t);
  const manager = server.manager();
  const main = manager.socket("/");
  await event(main, "connect");
  const unknown = manager.socket("/unknown");
  const [error] = await event(unknown, "connect_error");
  assert.equal(error.message, "Invalid namespace");
  assert.ok(main.connected);
});

test("a middleware refuses with a message and data", async (t) => {
  const server = await start(t);
  server.io.of("/a").use((socket, next) => {
    socket.join("cleaned");
    if (socket.handshake.auth.token === "good") return next();
    next(Object.assign(new Error("refused"), { data: { code: 401 } }));
  });
  server.io.of("/a").use((_, next) => setImmediate(next));
  server.io.of("/a").on("connection", (socket) => socket.emit("welcome", socket.handshake.auth));
  const bad = server.client("/a", { auth: { token: "bad" } });
  const [error] = await event(bad, "connect_error");
  assert.equal(error.message, "refused");
  assert.deepEqual(error.data, { code: 401 });
  assert.equal((await server.io.of("/a").in("cleaned").fetchSockets()).length, 0);
  const good = server.client("/a", { auth: { token: "good" } });
  assert.deepEqual(await event(good, "welcome"), [{ token: "good" }]);
});

test("a client that leaves while a middleware thinks is never heard of", async (t) => {
  const server = await start(t);
  server.io.on("connection", () => assert.fail("it has left"));
  const held = new Promise((resolve) => server.io.use((socket, next) => resolve({ socket, next })));
  const client = server.client();
  const { socket, next } = await held;
  const closed = event(socket.conn, "close");
  client.disconnect();
  await closed;
  next();
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.equal(socket.connected, false);
  assert.equal(server.io.sockets.sockets.size, 0);
});

test("disconnect() in a middleware does nothing", async (t) => {
  const server = await start(t);
  server.io.use((socket, next) => {
    socket.disconnect();
    next();
  });
  await server.pair();
});

test("the handshake", async (t) => {
  const server = await start(t);
  const { socket } = await server.pair("/", {
    query: { x: "1 ü" },
    auth: { token: "t" },
    extraHeaders: { "x-test": "yes" },
  });
  const { handshake } = socket;
  assert.deepEqual(Object.keys(handshake), [
    "headers",
    "time",
    "address",
    "xdomain",
    "secure",
    "issued",
    "url",
    "query",
    "auth",
  ]);
  assert.equal(handshake.headers["x-test"], "yes");
  assert.equal(handshake.address, "127.0.0.1");
  assert.equal(handshake.xdomain, false);
  assert.equal(handshake.secure, false);
  assert.equal(handshake.time, String(new Date(handshake.issued)));
  assert.equal(handshake.query.x, "1 ü");
  assert.equal(handshake.query.EIO, "4");
  assert.deepEqual(handshake.auth, { token: "t" });
  assert.ok(handshake.url.startsWith("/socket.io/?"));
  assert.equal(socket.request.url, handshake.url);
  assert.equal(socket.client.conn, socket.conn);
  assert.equal(socket.client.id, socket.conn.id);
  assert.match(socket.id, /^[A-Za-z0-9_-]{20}$/);
});

test("no auth is an empty object, data too, and both stay", async (t) => {
  const { socket } = await (await start(t)).pair();
  assert.deepEqual(socket.handshake.auth, {});
  assert.deepEqual(socket.data, {});
  socket.data.x = 1;
  assert.deepEqual(socket.data, { x: 1 });
  socket.data = { y: 2 };
  assert.deepEqual(socket.data, { y: 2 });
});

test("namespaces by pattern copy the parent's middlewares and listeners", async (t) => {
  const server = await start(t);
  const { io } = server;
  const log = [];
  const parent = io.of(/^\/dyn-\d+$/);
  assert.match(parent.name, /^\/_\d+$/);
  parent.use((socket, next) => {
    log.push(`use ${socket.nsp.name}`);
    next();
  });
  parent.on("connection", (socket) => log.push(`connection ${socket.nsp.name}`));
  io.on("new_namespace", (namespace) => log.push(`new ${namespace.name}`));
  const { client } = { client: server.client("/dyn-1") };
  await event(client, "connect");
  assert.deepEqual(log, ["new /dyn-1", "use /dyn-1", "connection /dyn-1"]);
  const got = event(client, "to all");
  parent.emit("to all", 1);
  assert.deepEqual(await got, [1]);
  const refused = server.client("/dyn-x");
  assert.equal((await event(refused, "connect_error"))[0].message, "Invalid namespace");
  assert.throws(() => parent.fetchSockets(), { message: "fetchSockets() is not supported on parent namespaces" });
  assert.throws(() => io.of(/x/g), { message: "stateful regular expressions are not supported" });
});

test("namespaces by function: asked with the name and auth, in the order of their making", async (t) => {
  const server = await start(t);
  const asked = [];
  server.io.of((name, auth, next) => {
    asked.push(["first", name, auth]);
    setImmediate(() => next(null, false));
  });
  server.io.of((name, auth, next) => {
    asked.push(["second", name, auth]);
    next(null, auth.ok === true);
  });
  await event(server.client("/fn", { auth: { ok: true } }), "connect");
  assert.deepEqual(asked, [
    ["first", "/fn", { ok: true }],
    ["second", "/fn", { ok: true }],
  ]);
});

test("empty children are dropped if so wanted", async (t) => {
  const server = await start(t, { cleanupEmptyChildNamespaces: true });
  server.io.of(/^\/dyn/);
  const { client, socket } = await server.pair("/");
  const child = server.client("/dyn");
  await event(child, "connect");
  const [onServer] = server.io._nsps.get("/dyn").sockets.values();
  const over = event(onServer, "disconnect");
  child.disconnect();
  await over;
  await new Promise(setImmediate);
  assert.ok(!server.io._nsps.has("/dyn"));
  assert.ok(server.io._nsps.has("/"));
  await settled(client, socket);
});

test("of() gives the same namespace for the same name; its listener hears connect", async (t) => {
  const server = await start(t);
  const heard = new Promise((resolve) => {
    assert.equal(server.io.of("/same", resolve), server.io.of("same"));
  });
  const client = server.client("/same");
  await event(client, "connect");
  assert.equal((await heard).id, client.id);
  assert.equal(server.io.sockets, server.io.of("/"));
});

test("the server forwards to its main namespace", () => {
  const io = new Server();
  assert.equal(
    io.on("x", () => {}),
    io.sockets,
  );
  assert.equal(
    io.use((_, next) => next()),
    io,
  );
  assert.equal(io.send("x"), io);
  assert.equal(io.write("x"), io);
  assert.equal(io.emit("x"), true);
  assert.equal(io.listenerCount("x"), 1);
  assert.equal(io.path(), "/socket.io");
  assert.equal(io.path("/other/"), io);
  assert.equal(io.path(), "/other");
  assert.equal(io.connectTimeout(), 45_000);
  assert.equal(io.serveClient(), true);
});

test("a connection that joins no namespace is closed after connectTimeout", async (t) => {
  const server = await start(t, { connectTimeout: 50 });
  const opened = event(server.io.engine ?? server.io, "connection");
  const { WebSocket } = await import("ws");
  const ws = new WebSocket(`${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  await opened;
  await event(ws, "close");
});

test("close() ends sockets, connections and the http server", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  const polling = await server.pair("/", { transports: ["polling"] });
  const ends = [];
  for (const pair of [{ socket }, polling]) pair.socket.on("disconnect", (reason) => ends.push(reason));
  const left = Promise.all([event(client, "disconnect"), event(polling.client, "disconnect")]);
  let called = 0;
  await server.io.close((error) => {
    assert.equal(error, undefined);
    called++;
  });
  assert.equal(called, 1);
  assert.deepEqual(ends, ["server shutting down", "server shutting down"]);
  // Whether the poll under way is answered or cut is a race, in the original too.
  const [[reason]] = await left;
  assert.equal(reason, "transport close");
  assert.equal(server.http.listening, false);
  await server.io.close((error) => assert.equal(error.code, "ERR_SERVER_NOT_RUNNING"));
});

test("close() of a server that was never attached rejects", async () => {
  await assert.rejects(new Server().close(), TypeError);
});
