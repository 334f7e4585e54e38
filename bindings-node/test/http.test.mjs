// One http server for two: the program's own requests and ours.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import express from "express";
import { WebSocketServer } from "ws";
import { ask, POLL, raw, upgradeRequest, WEBSOCKET } from "./http.mjs";
import { event, isOriginal, Server, settled, start } from "./support.mjs";

test("an Express app beside it sees its own requests and none of ours", async (t) => {
  const app = express();
  const seen = [];
  app.use((req, _, next) => {
    seen.push(req.url);
    next();
  });
  app.get("/hello", (_, res) => res.send("hello"));
  const server = await start(t, {}, { http: createServer(app), path: "polling" });
  const { client, socket } = await server.pair();
  await settled(client, socket);
  assert.equal((await ask(server, "/hello")).text, "hello");
  assert.equal((await ask(server, "/nothing")).status, 404);
  assert.equal((await ask(server, "/socket.io")).status, 404);
  assert.deepEqual(seen, ["/hello", "/nothing", "/socket.io"]);
});

test("an Express app in place of an http server is refused", () => {
  assert.throws(() => new Server().attach(express()), {
    message:
      "You are trying to attach socket.io to an express request handler function. Please pass a http.Server instance.",
  });
});

test("a number is a port; whatever is not ours is not found", async () => {
  const io = new Server(0);
  if (!io.httpServer.listening) await once(io.httpServer, "listening");
  const server = { port: io.httpServer.address().port };
  const { status, text } = await ask(server, "/");
  assert.deepEqual({ status, text }, { status: 404, text: "" });
  assert.equal((await ask(server, POLL)).status, 200);
  await io.close();
});

test("options of attach, and those of the constructor before them", async (t) => {
  const http = createServer();
  const io = new Server({ pingInterval: 1234 });
  assert.equal(io.attach(http, { pingInterval: 1, pingTimeout: 4321 }), io);
  await once(http.listen(0), "listening");
  t.after(() => io.close());
  const { text } = await ask({ port: http.address().port }, POLL);
  const { pingInterval, pingTimeout, maxPayload, upgrades } = JSON.parse(text.slice(1));
  assert.deepEqual(
    { pingInterval, pingTimeout, maxPayload, upgrades },
    {
      pingInterval: 1234,
      pingTimeout: 4321,
      maxPayload: 1e6,
      upgrades: ["websocket"],
    },
  );
});

test("another path, and one without its slash", async (t) => {
  const own = await start(t, { path: "/own/path/" });
  assert.equal((await ask(own, "/own/path/?EIO=4&transport=polling")).status, 200);
  await own.pair();
  const bare = await start(t, { addTrailingSlash: false });
  assert.equal((await ask(bare, "/socket.io?EIO=4&transport=polling")).status, 200);
});

test("what is wrong with a request", async (t) => {
  const server = await start(t);
  const json = (code, message) => JSON.stringify({ code, message });
  for (const [path, options, status, text] of [
    ["/socket.io/?EIO=4", {}, 400, json(0, "Transport unknown")],
    ["/socket.io/?EIO=4&transport=tcp", {}, 400, json(0, "Transport unknown")],
    [`${POLL}&sid=unknown`, {}, 400, json(1, "Session ID unknown")],
    [POLL, { method: "POST", body: "40" }, 400, json(2, "Bad handshake method")],
    [POLL, { method: "OPTIONS" }, 400, json(2, "Bad handshake method")],
    [WEBSOCKET, {}, 400, json(3, "Bad request")],
    ["/socket.io/?EIO=3&transport=polling", {}, 400, json(5, "Unsupported protocol version")],
  ]) {
    const answer = await ask(server, path, options);
    assert.deepEqual({ path, status: answer.status, text: answer.text }, { path, status, text });
    assert.equal(answer.headers["content-type"], "application/json");
  }
});

test("a body over the limit is 413 and costs nobody the session", async (t) => {
  const server = await start(t, { maxHttpBufferSize: 100 });
  const { sid } = JSON.parse((await ask(server, POLL)).text.slice(1));
  const path = `${POLL}&sid=${sid}`;
  const { status, text } = await ask(server, path, { method: "POST", body: `4${"x".repeat(200)}` });
  assert.deepEqual({ status, text }, { status: 413, text: "" });
  assert.equal((await ask(server, path, { method: "POST", body: "40" })).text, "ok");
  assert.match((await ask(server, path)).text, /^40{"sid":/);
});

test("long polls are compressed when the client can read it", async (t) => {
  const server = await start(t, {}, { path: "polling" });
  server.io.on("connection", (socket) => socket.emit("long", "x".repeat(5000)));
  const { sid } = JSON.parse((await ask(server, POLL)).text.slice(1));
  const path = `${POLL}&sid=${sid}`;
  await ask(server, path, { method: "POST", body: "40" });
  const all = [];
  while (!all.some(({ headers }) => headers["content-encoding"])) {
    all.push(await ask(server, path, { headers: { "accept-encoding": "gzip" } }));
  }
  const { headers, bytes } = all.at(-1);
  assert.equal(headers["content-encoding"], "gzip");
  const { gunzipSync } = await import("node:zlib");
  assert.ok(gunzipSync(bytes).toString().includes("x".repeat(5000)));
});

test("CORS as the cors package has it, also for errors; not without the option", async (t) => {
  const without = await start(t);
  assert.equal(
    (await ask(without, POLL, { headers: { origin: "http://a" } })).headers["access-control-allow-origin"],
    undefined,
  );
  const server = await start(t, { cors: { origin: ["http://a"], credentials: true } });
  const good = await ask(server, POLL, { headers: { origin: "http://a" } });
  assert.equal(good.status, 200);
  assert.equal(good.headers["access-control-allow-origin"], "http://a");
  assert.equal(good.headers["access-control-allow-credentials"], "true");
  assert.match(good.headers.vary, /Origin/);
  const error = await ask(server, `${POLL}&sid=x`, { headers: { origin: "http://a" } });
  assert.equal(error.headers["access-control-allow-origin"], "http://a");
  const foreign = await ask(server, POLL, { headers: { origin: "http://b" } });
  assert.equal(foreign.status, 200);
  assert.equal(foreign.headers["access-control-allow-origin"], undefined);
  const preflight = await ask(server, POLL, {
    method: "OPTIONS",
    headers: { origin: "http://a", "access-control-request-headers": "x-own" },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers["access-control-allow-headers"], "x-own");
  assert.equal(preflight.headers["access-control-allow-methods"], "GET,HEAD,PUT,PATCH,POST,DELETE");
});

test("a cookie for the polling handshake, and only for it", async (t) => {
  const standard = await start(t, { cookie: true });
  const answer = await ask(standard, POLL);
  const { sid } = JSON.parse(answer.text.slice(1));
  assert.deepEqual(answer.headers["set-cookie"], [`io=${sid}; Path=/; HttpOnly; SameSite=Lax`]);
  await ask(standard, `${POLL}&sid=${sid}`, { method: "POST", body: "40" });
  assert.equal((await ask(standard, `${POLL}&sid=${sid}`)).headers["set-cookie"], undefined);
  const own = await start(t, { cookie: { name: "sid", path: "/x", httpOnly: false, sameSite: "strict", maxAge: 60 } });
  const text = await ask(own, POLL);
  assert.deepEqual(text.headers["set-cookie"], [
    `sid=${JSON.parse(text.text.slice(1)).sid}; Max-Age=60; Path=/x; SameSite=Strict`,
  ]);
});

test("allowRequest is asked for handshakes only, and its message is the answer", async (t) => {
  const asked = [];
  const server = await start(
    t,
    {
      allowRequest(req, done) {
        asked.push([req._query.transport, req._query.sid]);
        setImmediate(() => done(req.headers["x-key"] === "bad" ? "no key" : null, req.headers["x-key"] !== "bad"));
      },
    },
    { path: "upgrade" },
  );
  await server.pair();
  assert.deepEqual(asked, [["polling", undefined]]);
  const refused = await ask(server, POLL, { headers: { "x-key": "bad" } });
  assert.equal(refused.status, 403);
  assert.deepEqual(JSON.parse(refused.text), { code: 4, message: "no key" });
  const client = server.client("/", { transports: ["websocket"], extraHeaders: { "x-key": "bad" } });
  const [error] = await event(client, "connect_error");
  assert.match(error.description.message, /400/);
  await server.pair("/", { transports: ["websocket"] });
});

test("what a client sends while allowRequest thinks is not lost", async (t) => {
  let open;
  const server = await start(t, { allowRequest: (_, done) => (open = () => done(null, true)) });
  const auth = new Promise((resolve) => server.io.on("connection", (socket) => resolve(socket.handshake.auth)));
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  const bytes = Buffer.from('40{"early":true}');
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
  // With the head, cut within a frame; more while the decision is pending; the rest after it.
  socket.write(Buffer.concat([Buffer.from(upgradeRequest(WEBSOCKET)), frame.subarray(0, 3)]));
  while (!open) await new Promise(setImmediate);
  await new Promise((resolve) => socket.write(frame.subarray(3, 9), resolve));
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate); // it may arrive now, or later: both must do
  open();
  socket.write(frame.subarray(9));
  assert.deepEqual(await auth, { early: true });
});

test("engine middlewares see requests and upgrades, and may refuse", async (t) => {
  const server = await start(t);
  const seen = [];
  server.io.engine.use((req, res, next) => {
    seen.push(req._query.transport);
    res.setHeader("x-own", "yes");
    next(req.headers["x-refuse"] ? new Error("refused") : undefined);
  });
  assert.equal((await ask(server, POLL)).headers["x-own"], "yes");
  const refused = await ask(server, POLL, { headers: { "x-refuse": "1" } });
  assert.deepEqual([refused.status, JSON.parse(refused.text)], [400, { code: 3, message: "Bad request" }]);
  const { WebSocket } = await import("ws");
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${WEBSOCKET}`);
  const [response] = await event(ws, "upgrade");
  assert.equal(response.headers["x-own"], "yes");
  ws.terminate();
  assert.deepEqual(seen, ["polling", "polling", "websocket"]);
});

test("initial_headers once a session, headers every time; both may be changed", async (t) => {
  const server = await start(t);
  const { engine } = server.io;
  engine.on("initial_headers", (headers, req) => (headers["x-first"] = req.method));
  engine.on("headers", (headers, req) => (headers["x-every"] = req._query.transport));
  const first = await ask(server, POLL);
  assert.deepEqual([first.headers["x-first"], first.headers["x-every"]], ["GET", "polling"]);
  const { sid } = JSON.parse(first.text.slice(1));
  const second = await ask(server, `${POLL}&sid=${sid}`, { method: "POST", body: "40" });
  assert.deepEqual([second.headers["x-first"], second.headers["x-every"]], [undefined, "polling"]);
  const { WebSocket } = await import("ws");
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${WEBSOCKET}`);
  const [{ headers }] = await event(ws, "upgrade");
  assert.deepEqual([headers["x-first"], headers["x-every"]], ["GET", "websocket"]);
  ws.terminate();
});

test("other WebSocket libraries may share the server; an upgrade nobody answers is ended", async (t) => {
  const server = await start(t, { destroyUpgradeTimeout: 50 });
  const other = new WebSocketServer({ noServer: true });
  server.http.on("upgrade", (req, socket, head) => {
    if (req.url === "/other") other.handleUpgrade(req, socket, head, (ws) => ws.send("other"));
  });
  const { WebSocket } = await import("ws");
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/other`);
  assert.equal(String((await event(ws, "message"))[0]), "other");
  assert.equal(await raw(server, upgradeRequest("/nobody")), "");
  assert.equal(ws.readyState, WebSocket.OPEN);
  ws.terminate();
  await server.pair();
});

test("upgrades that cannot be are refused in plain HTTP", async (t) => {
  const server = await start(t);
  assert.match(
    await raw(server, upgradeRequest("/socket.io/?EIO=4&transport=tcp")),
    /^HTTP\/1\.1 400 [\s\S]*Transport unknown$/,
  );
  assert.match(
    await raw(server, upgradeRequest(`${WEBSOCKET}&sid=unknown`)),
    /^HTTP\/1\.1 400 [\s\S]*Session ID unknown$/,
  );
});

test("io.engine counts and names its connections", async (t) => {
  const server = await start(t);
  const { engine } = server.io;
  const opened = event(engine, "connection");
  const { client, socket } = await server.pair();
  const [conn] = await opened;
  assert.equal(conn, socket.conn);
  assert.equal(engine.clientsCount, 1);
  assert.equal(engine.clients[conn.id], conn);
  assert.equal(conn.protocol, 4);
  assert.equal(conn.remoteAddress, "127.0.0.1");
  assert.equal(conn.transport.name, "websocket");
  assert.equal(conn.readyState, "open");
  const closed = event(conn, "close");
  const over = event(client, "disconnect");
  conn.close();
  await Promise.all([closed, over]);
  assert.equal(engine.clientsCount, 0);
  assert.equal(conn.readyState, "closed");
});

test("a connection says when it has moved to a WebSocket", async (t) => {
  const server = await start(t, {}, { path: "upgrade" });
  const moved = new Promise((resolve) => {
    server.io.engine.on("connection", (conn) => {
      assert.equal(conn.transport.name, "polling");
      conn.on("upgrade", (transport) => resolve([conn, transport.name]));
    });
  });
  const { client, socket } = await server.pair();
  const [conn, name] = await moved;
  assert.equal(name, "websocket");
  assert.equal(conn.transport.name, "websocket");
  assert.equal(conn, socket.conn);
  assert.equal(new URL(conn.request.url, "http://x").searchParams.get("transport"), "polling");
  await settled(client, socket);
});

test("the client's bundles", async (t) => {
  const server = await start(t);
  for (const name of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]) {
    const { status, headers, text } = await ask(server, `/socket.io/${name}`);
    assert.equal(status, 200, name);
    assert.equal(headers["content-type"], "application/javascript; charset=utf-8");
    assert.ok(text.includes("Socket.IO"));
    const again = await ask(server, `/socket.io/${name}`, { headers: { "if-none-match": headers.etag } });
    assert.deepEqual([again.status, again.text], [304, ""]);
    const packed = await ask(server, `/socket.io/${name}`, { headers: { "accept-encoding": "gzip;q=0.5, br" } });
    assert.equal(packed.headers["content-encoding"], "br");
  }
  assert.equal(
    (await ask(server, "/socket.io/socket.io.js.map")).headers["content-type"],
    "application/json; charset=utf-8",
  );
  const none = await start(t, { serveClient: false });
  assert.equal((await ask(none, "/socket.io/socket.io.js")).status, 400);
});

test("TLS: both transports", async (t) => {
  const pem = (name) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url));
  const http = createTlsServer({ key: pem("key"), cert: pem("cert") });
  const io = new Server(http);
  await once(http.listen(0, "127.0.0.1"), "listening");
  const { io: connectClient } = await import("socket.io-client");
  const clients = [];
  t.after(async () => {
    for (const client of clients) client.disconnect();
    http.closeAllConnections();
    await io.close();
  });
  for (const transport of ["polling", "websocket"]) {
    const accepted = event(io, "connection");
    const client = connectClient(`https://127.0.0.1:${http.address().port}`, {
      transports: [transport],
      rejectUnauthorized: false,
      forceNew: true,
      reconnection: false,
    });
    clients.push(client);
    await event(client, "connect");
    const [socket] = await accepted;
    assert.equal(socket.handshake.secure, true);
    const got = event(client, "bytes");
    socket.emit("bytes", Buffer.alloc(200_000, 5));
    assert.deepEqual(Buffer.from((await got)[0]), Buffer.alloc(200_000, 5));
    await settled(client, socket);
  }
});

test("a client of Socket.IO 2 only with allowEIO3", async (t) => {
  const poll3 = "/socket.io/?EIO=3&transport=polling";
  const server = await start(t, { allowEIO3: true });
  const { status, text } = await ask(server, poll3);
  assert.equal(status, 200);
  assert.match(text, /^\d+:0{"sid":/);
});

test("the http server counts connections that were taken over, and waits for them", {
  skip: isOriginal && "as its own",
}, async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  const count = () => new Promise((resolve) => server.http.getConnections((_, n) => resolve(n)));
  assert.equal(await count(), 1);
  const closed = event(server.http, "close");
  server.http.close();
  await settled(client, socket);
  client.disconnect();
  await closed;
});
