// A port of the engine's own. The original has none: what is played here is the same, but for the option.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { io as connect } from "socket.io-client";
import { ask, POLL } from "./http.mjs";
import { event, isOriginal, Server, settled } from "./support.mjs";

const ours = { skip: isOriginal && "socket.io has no such option" };

function listen(t, options = {}, nativeListener = true) {
  const io = new Server(0, { ...options, nativeListener });
  t.after(() => io.close());
  return { io, port: io.engine.address().port };
}

async function join(t, { io, port }, options, scheme = "http") {
  const accepted = event(io, "connection");
  const client = connect(`${scheme}://localhost:${port}`, { forceNew: true, reconnection: false, ...options });
  t.after(() => client.disconnect());
  await event(client, "connect");
  const [socket] = await accepted;
  await settled(client, socket);
  return { client, socket };
}

test("clients on every transport, and what they came with", ours, async (t) => {
  const server = listen(t, { path: "/own" });
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    const { socket } = await join(t, server, {
      path: "/own",
      transports,
      auth: { key: 1 },
      query: { q: "ä" },
      extraHeaders: { "x-own": "1", cookie: "a=b" },
    });
    const { headers, auth, query, secure, xdomain, url, address } = socket.handshake;
    assert.equal(headers["x-own"], "1");
    assert.equal(headers.cookie, "a=b");
    assert.deepEqual([auth, query.q, secure, xdomain], [{ key: 1 }, "ä", false, false]);
    assert.match(url, /^\/own\/\?/);
    assert.match(address, /^(::1|127\.0\.0\.1|::ffff:127\.0\.0\.1)$/);
    assert.equal(socket.conn.remoteAddress, address);
    assert.equal(socket.request.method, "GET");
    assert.equal(socket.request.connection.remoteAddress, address);
    if (transports.length === 2 && socket.conn.transport.name === "polling") await event(socket.conn, "upgrade");
  }
  assert.equal(server.io.engine.clientsCount, 3);
  assert.equal(server.io.httpServer, undefined);
  assert.equal((await ask(server, "/other")).status, 404);
});

test("CORS and the cookie, from the engine", ours, async (t) => {
  const server = listen(t, {
    cors: { origin: ["http://a"], credentials: true },
    cookie: { name: "id", sameSite: "strict" },
  });
  const { headers, text } = await ask(server, POLL, { headers: { origin: "http://a" } });
  assert.equal(headers["access-control-allow-origin"], "http://a");
  assert.equal(headers["access-control-allow-credentials"], "true");
  assert.deepEqual(headers["set-cookie"], [`id=${JSON.parse(text.slice(1)).sid}; Path=/; HttpOnly; SameSite=Strict`]);
  const plain = listen(t);
  const without = await ask(plain, POLL, { headers: { origin: "http://a" } });
  assert.equal(without.headers["access-control-allow-origin"], undefined);
});

const pem = (name) => fileURLToPath(new URL(`tls/${name}.pem`, import.meta.url));
const overTls = { host: "localhost", certificate: pem("cert"), key: pem("key") };

test("TLS", ours, async (t) => {
  const server = listen(t, {}, overTls);
  const { socket } = await join(t, server, { transports: ["websocket"], rejectUnauthorized: false }, "https");
  assert.equal(socket.handshake.secure, true);
});

test("a client that takes nothing over TLS is disconnected in time, and nobody else", ours, async (t) => {
  const server = listen(t, { writeTimeout: 100 }, overTls);
  const options = { transports: ["websocket"], rejectUnauthorized: false };
  const { client, socket } = await join(t, server, options, "https");
  const other = await join(t, server, options, "https");
  client.io.engine.transport.ws._socket.pause();
  const ended = event(socket, "disconnect");
  socket.emit("much", Buffer.alloc(12_000_000));
  const [reason, description] = await ended;
  assert.equal(reason, "slow consumer");
  assert.match(description.message, /in time/);
  assert.equal(server.io.stats().limits.writeTimeout, 1);
  assert.ok(other.socket.connected);
});

test("what needs Node's http server says so", ours, async (t) => {
  for (const options of [
    { allowRequest: (_, done) => done(null, true) },
    { serveClient: true },
    { destroyUpgrade: false },
    { cors: (_, done) => done(null, {}) },
    { cors: { origin: /a/ } },
    { cors: { methods: ["GET"] } },
  ]) {
    assert.throws(() => new Server(0, { ...options, nativeListener: true }), /needs Node's http server/);
  }
  assert.throws(() => new Server(createServer(), { nativeListener: true }), /needs a port/);
  const { io } = listen(t);
  assert.throws(() => io.engine.use(() => {}), /engine\.use\(\) needs/);
  for (const name of ["headers", "initial_headers", "connection_error"]) {
    assert.throws(() => io.engine.on(name, () => {}), /needs Node's http server/);
    assert.throws(() => io.engine.once(name, () => {}), /needs Node's http server/);
  }
  assert.throws(() => {
    io.engine.generateId = () => "x";
  }, /engine\.generateId needs/);
  assert.match(io.engine.generateId({}), /^[\w-]{20}$/);
});

test("a port that is taken is an error at once; a closed one is free again", ours, async (t) => {
  const { io, port } = listen(t);
  assert.throws(() => new Server(port, { nativeListener: true }), new RegExp(`cannot listen on .*:${port}: `));
  const { client } = await join(t, { io, port }, { transports: ["websocket"] });
  const gone = event(client, "disconnect");
  let called = false;
  await io.close(() => {
    called = true;
  });
  assert.equal(called, true);
  await gone;
  const again = new Server(port, { nativeListener: true });
  await join(t, { io: again, port }, {});
  await again.close();
});

test("it keeps the process alive until it is closed", ours, () => {
  const program = `
    const { Server } = require(".");
    const io = new Server(0, { nativeListener: true });
    setTimeout(() => { console.log("alive"); io.close(() => console.log("closed")); }, 50).unref();
  `;
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ["-e", program], { cwd, encoding: "utf8", timeout: 10_000 });
  assert.deepEqual([status, stdout], [0, "alive\nclosed\n"]);
});
