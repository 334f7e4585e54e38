// Attaching: which server, how often, and who else listens there.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect as connect2, createSecureServer } from "node:http2";
import { test } from "node:test";
import { io as connect } from "socket.io-client";
import { ask, openPoll, POLL } from "./http.mjs";
import { event, Server, settled, start } from "./support.mjs";

/** A client that is gone when the test ends. */
function client(t, url, options) {
  const socket = connect(url, { forceNew: true, reconnection: false, ...options });
  t.after(() => socket.disconnect());
  return socket;
}

const port = (http) => http.address().port;

test("a port as text", async (t) => {
  const io = new Server("0");
  t.after(() => io.close());
  if (!io.httpServer.listening) await once(io.httpServer, "listening");
  assert.equal((await ask({ port: port(io.httpServer) }, POLL)).status, 200);
});

test("listen() is attach(); the server may listen before or after", async (t) => {
  const http = createServer();
  await once(http.listen(0), "listening");
  const io = new Server();
  assert.equal(io.listen(http), io);
  t.after(() => io.close());
  const accepted = event(io, "connection");
  await event(client(t, `http://localhost:${port(http)}`), "connect");
  await accepted;
});

test("several http servers, one namespace", async (t) => {
  const [first, second] = [createServer(), createServer()];
  const io = new Server();
  io.attach(first);
  const engineOfFirst = io.engine;
  io.attach(second);
  assert.notEqual(io.engine, engineOfFirst);
  assert.equal(io.httpServer, second);
  for (const http of [first, second]) await once(http.listen(0), "listening");
  const clients = [];
  t.after(async () => {
    for (const each of clients) each.disconnect();
    first.closeAllConnections();
    first.close();
    await io.close();
  });
  for (const http of [first, second]) {
    const accepted = event(io, "connection");
    clients.push(client(t, `http://localhost:${port(http)}`, { transports: ["websocket"] }));
    await event(clients.at(-1), "connect");
    await accepted;
  }
  assert.deepEqual([engineOfFirst.clientsCount, io.engine.clientsCount], [1, 1]);
  const heard = Promise.all(clients.map((each) => event(each, "all")));
  io.emit("all", 1);
  assert.deepEqual(await heard, [[1], [1]]);
});

test("the path given to attach, unless the constructor has one", async (t) => {
  const [a, b] = [createServer(), createServer()];
  const io = new Server();
  io.attach(a, { path: "/own" });
  const other = new Server({ path: "/first" });
  other.attach(b, { path: "/second" });
  for (const http of [a, b]) await once(http.listen(0), "listening");
  t.after(() => Promise.all([io.close(), other.close()]));
  const status = async (http, path) =>
    (await ask({ port: port(http) }, `${path}/?EIO=4&transport=polling`).catch(() => ({}))).status;
  assert.equal(await status(a, "/own"), 200);
  assert.equal(await status(b, "/first"), 200);
  assert.equal((await ask({ port: port(a) }, "/socket.io/socket.io.js")).status, 200);
});

test("two servers share an http server, each with its path", async (t) => {
  const http = createServer((_, res) => res.end("mine"));
  const one = new Server(http, { path: "/one" });
  const two = new Server(http, { path: "/two" });
  await once(http.listen(0), "listening");
  t.after(() => {
    http.closeAllConnections();
    return Promise.all([one.close(), two.close()]);
  });
  for (const [io, path] of [
    [one, "/one"],
    [two, "/two"],
  ]) {
    for (const transport of ["polling", "websocket"]) {
      const accepted = event(io, "connection");
      const socket = client(t, `http://localhost:${port(http)}`, { path, transports: [transport] });
      await event(socket, "connect");
      await settled(socket, (await accepted)[0]);
    }
  }
  assert.equal((await ask({ port: port(http) }, "/")).text, "mine");
  assert.deepEqual([one.engine.clientsCount, two.engine.clientsCount], [2, 2]);
});

test("listeners: one for requests in place of those before; those that come later hear everything", async (t) => {
  const http = createServer(() => assert.fail("not ours"));
  const io = new Server(http);
  t.after(() => io.close());
  assert.equal(http.listenerCount("request"), 1);
  assert.equal(http.listenerCount("upgrade"), 1);
  const heard = [];
  http.on("request", (req) => heard.push(req.url));
  await once(http.listen(0), "listening");
  await ask({ port: port(http) }, POLL);
  assert.deepEqual(heard, [POLL]);
});

test("without the websocket transport, upgrades are somebody else's", async (t) => {
  const server = await start(t, { transports: ["polling"] });
  assert.equal(server.http.listenerCount("upgrade"), 0);
  assert.equal((await ask(server, POLL)).text.includes('"upgrades":[]'), true);
});

test("requests may be handed over on any path, also of another http server", async (t) => {
  const server = await start(t);
  const other = createServer((req, res) => server.io.engine.handleRequest(req, res));
  other.on("upgrade", (req, socket, head) => server.io.engine.handleUpgrade(req, socket, head));
  await once(other.listen(0), "listening");
  t.after(() => {
    other.closeAllConnections();
    other.close();
  });
  const accepted = event(server.io, "connection");
  const socket = client(t, `http://localhost:${port(other)}`, { path: "/any/where" });
  await event(socket, "connect");
  const [onServer] = await accepted;
  if (onServer.conn.transport.name !== "websocket") await event(onServer.conn, "upgrade");
  await settled(socket, onServer);
});

test("engine.attach: one more http server for the same sessions", async (t) => {
  const server = await start(t);
  const other = createServer();
  server.io.engine.attach(other, { path: "/more" });
  await once(other.listen(0), "listening");
  t.after(() => {
    other.closeAllConnections();
    other.close();
  });
  const accepted = event(server.io, "connection");
  const socket = client(t, `http://localhost:${port(other)}`, { path: "/more", transports: ["websocket"] });
  await event(socket, "connect");
  await settled(socket, (await accepted)[0]);
  assert.equal(server.io.engine.clientsCount, 1);
});

test("an http server that closes ends its sessions, and may listen again", async (t) => {
  const http = createServer();
  const io = new Server(http);
  for (let round = 0; round < 2; round++) {
    await once(http.listen(0), "listening");
    const accepted = event(io, "connection");
    const socket = client(t, `http://localhost:${port(http)}`, { transports: ["websocket"] });
    await event(socket, "connect");
    const [onServer] = await accepted;
    await settled(socket, onServer);
    const gone = Promise.all([event(socket, "disconnect"), event(onServer, "disconnect")]);
    if (round === 0) {
      socket.disconnect();
      http.close();
    } else {
      await io.close();
    }
    await gone;
  }
  // Also after io.close().
  await once(http.listen(0), "listening");
  const accepted = event(io, "connection");
  const socket = client(t, `http://localhost:${port(http)}`);
  await event(socket, "connect");
  await settled(socket, (await accepted)[0]);
  socket.disconnect();
  await io.close();
});

test("a closed server can be attached anew", async (t) => {
  const io = new Server(createServer().listen(0));
  if (!io.httpServer.listening) await once(io.httpServer, "listening");
  await io.close();
  const http = createServer();
  io.attach(http);
  await once(http.listen(0), "listening");
  const accepted = event(io, "connection");
  const socket = client(t, `http://localhost:${port(http)}`);
  await event(socket, "connect");
  await settled(socket, (await accepted)[0]);
  socket.disconnect();
  await io.close();
});

test("http2 with allowHTTP1: polling over HTTP/2, WebSockets over HTTP/1.1", async (t) => {
  const pem = (name) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url));
  const http = createSecureServer({ allowHTTP1: true, key: pem("key"), cert: pem("cert") });
  const io = new Server(http, { cors: { origin: "*" } });
  await once(http.listen(0), "listening");
  const session = connect2(`https://localhost:${port(http)}`, { rejectUnauthorized: false });
  t.after(() => {
    session.destroy();
    return io.close();
  });
  const ask2 = async (path, method = "GET", body = "") => {
    const stream = session.request({ ":path": path, ":method": method });
    if (body) stream.end(body);
    const [headers] = await event(stream, "response");
    let text = "";
    for await (const chunk of stream) text += chunk;
    return { status: headers[":status"], headers, text };
  };
  const accepted = event(io, "connection");
  const { text, headers } = await ask2(POLL);
  assert.equal(headers["access-control-allow-origin"], "*");
  const path = `${POLL}&sid=${JSON.parse(text.slice(1)).sid}`;
  assert.equal((await ask2(path, "POST", "40")).text, "ok");
  assert.match((await ask2(path)).text, /^40{"sid":/);
  const [socket] = await accepted;
  socket.emit("hello", "x".repeat(3000));
  assert.match((await ask2(path)).text, /^42\["hello","x+"\]$/);
  assert.equal((await ask2("/socket.io/?transport=tcp")).status, 400);
  assert.match((await ask2("/socket.io/socket.io.min.js")).text, /Socket\.IO/);

  const overWebSocket = event(io, "connection");
  const tls = client(t, `https://localhost:${port(http)}`, { transports: ["websocket"], rejectUnauthorized: false });
  await event(tls, "connect");
  await settled(tls, (await overWebSocket)[0]);
  tls.disconnect();
});

test("the bundles: CORS, conditional requests, the encoding that the client likes best", async (t) => {
  const server = await start(t, { cors: { origin: "http://a" } });
  const file = "/socket.io/socket.io.esm.min.js";
  const get = (headers) => ask(server, file, { headers });
  const { headers } = await get({ origin: "http://a" });
  assert.equal(headers["access-control-allow-origin"], "http://a");
  assert.equal(headers["cache-control"], "public, max-age=0");
  for (const [accepted, encoding] of [
    ["gzip, deflate, br", "gzip"],
    ["br, gzip", "br"],
    ["*", "br"],
    ["deflate;q=1, gzip;q=0.5", "deflate"],
    ["identity", undefined],
    ["zstd", undefined],
  ]) {
    const answer = await get({ "accept-encoding": accepted });
    assert.deepEqual([answer.status, answer.headers["content-encoding"]], [200, encoding], accepted);
  }
  for (const known of [headers.etag, `W/${headers.etag}`]) {
    assert.equal((await get({ "if-none-match": known })).status, 304);
  }
  assert.equal((await get({ "if-none-match": '"other"' })).status, 200);
  assert.equal((await ask(server, "/socket.io/socket.io.msgpack.js")).status, 400); // there is no such bundle
  assert.equal((await ask(server, file, { method: "HEAD" })).text, "");
});

test("cors may be decided for each request", async (t) => {
  const server = await start(t, {
    cors: (req, done) => done(null, { origin: req.headers["x-good"] ? "http://a" : false }),
  });
  const origin = "http://a";
  const good = await ask(server, POLL, { headers: { origin, "x-good": "1" } });
  assert.equal(good.headers["access-control-allow-origin"], "http://a");
  const bad = await ask(server, POLL, { headers: { origin } });
  assert.deepEqual([bad.status, bad.headers["access-control-allow-origin"]], [200, undefined]);
  const { path } = await openPoll(server);
  assert.equal((await ask(server, path, { method: "OPTIONS", headers: { origin, "x-good": "1" } })).status, 204);
});
