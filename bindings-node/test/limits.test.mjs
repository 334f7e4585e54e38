// What clients may cost: options of ferrio's own.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { Adapter } from "socket.io-adapter";
import { io as connectTo } from "socket.io-client";
import WebSocket from "ws";
import { deafClient } from "./deaf.mjs";
import { event, isOriginal, Server, start } from "./support.mjs";

const PIECE = "x".repeat(100_000);
const only = { skip: isOriginal && "the original has no limits" };

/** Two clients, of which one does not read; and how its socket ends. */
async function deafAndQuick(t, options) {
  const server = await start(t, options);
  const accepted = event(server.io, "connection");
  const deaf = await deafClient(t, server.port);
  const [socket] = await accepted;
  const ended = event(socket, "disconnect");
  const quick = await server.pair();
  quick.client.on("there?", (answer) => answer());
  return { server, deaf, socket, ended, quick };
}

test("a client that does not read is disconnected, and nobody else", only, async (t) => {
  const { server, socket, ended, quick } = await deafAndQuick(t, { highMark: 200_000, hardLimit: 1_000_000 });
  const got = [];
  quick.client.on("piece", (n) => got.push(n));
  let sent = 0;
  while (socket.connected) {
    server.io.emit("piece", sent++, PIECE);
    await quick.socket.timeout(20_000).emitWithAck("there?");
    assert.ok(socket.bufferedAmount <= 1_000_000, String(socket.bufferedAmount));
  }
  const [reason, description] = await ended;
  assert.equal(reason, "slow consumer");
  assert.match(description.message, /hard limit/);
  assert.deepEqual(got, [...Array(sent).keys()]);
  assert.ok(quick.socket.connected);
});

test("or it misses what is too much", only, async (t) => {
  const { server, deaf, socket, quick } = await deafAndQuick(t, {
    highMark: 200_000,
    hardLimit: 1_000_000,
    slowConsumer: "drop",
  });
  for (let n = 0; n < 200; n++) {
    server.io.emit("piece", n, PIECE);
    await quick.socket.timeout(20_000).emitWithAck("there?");
  }
  assert.ok(socket.bufferedAmount <= 1_000_000, String(socket.bufferedAmount));
  assert.ok(socket.connected);
  const numbers = [];
  const last = deaf.until((packet) => {
    if (packet.startsWith('42["piece"')) numbers.push(Number(packet.slice(11).split(",")[0]));
    return packet === '42["last"]';
  });
  await socket.drain();
  socket.emit("last");
  await last;
  assert.ok(numbers.length > 5 && numbers.length < 200, `${numbers.length} pieces`);
  assert.deepEqual(numbers, [...Array(numbers.length).keys()]);
});

test("a client that takes nothing is disconnected in time", only, async (t) => {
  const { socket, ended, quick } = await deafAndQuick(t, { writeTimeout: 100 });
  socket.emit("much", Buffer.alloc(12_000_000));
  const [reason, description] = await ended;
  assert.equal(reason, "slow consumer");
  assert.match(description.message, /in time/);
  assert.ok(quick.socket.connected);
});

test("limits that make no sense are refused", only, () => {
  const attempt = (options) => () => new Server(0, options);
  assert.throws(attempt({ slowConsumer: "wait" }), /slowConsumer: expected "disconnect" or "drop", got "wait"/);
  assert.throws(attempt({ highMark: 2, hardLimit: 1 }), /hardLimit: must not be below highMark/);
  assert.throws(attempt({ writeTimeout: 0 }), /writeTimeout: expected a number of milliseconds/);
});

/** The limits that struck, and how often. */
function struck({ io }) {
  return Object.fromEntries(Object.entries(io.stats().limits).filter(([, count]) => count > 0));
}

/** Opens a session by hand; the status, the headers and the body of the answer. */
async function handshake(port, headers = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`, { headers });
  return { status: answer.status, headers: answer.headers, body: await answer.text() };
}

/** Asks for a WebSocket; the head and the body of the answer, which is not to be a 101. */
async function refusedUpgrade(t, port) {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  let answer = "";
  for await (const chunk of socket) answer += chunk;
  return answer;
}

test("no more connections than there may be", only, async (t) => {
  const server = await start(t, { maxConnections: 2 });
  const refused = [];
  server.io.engine.on("connection_error", ({ code, context }) => refused.push([code, context]));
  const first = await server.pair();
  await server.pair();
  const { status, headers, body } = await handshake(server.port);
  assert.deepEqual([status, headers.get("retry-after")], [503, "5"]);
  assert.deepEqual(JSON.parse(body), { code: 4, message: "Too many connections" });
  const upgrade = await refusedUpgrade(t, server.port);
  assert.match(upgrade, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.match(upgrade, /\r\nretry-after: 5\r\n/);
  const context = { name: "TOO_MANY_CONNECTIONS", message: "Too many connections", retryAfter: 5 };
  // The engine answers an upgrade itself: its client may read that before this thread hears of it.
  while (refused.length < 2) await new Promise(setImmediate);
  assert.deepEqual(refused, [
    [4, context],
    [4, context],
  ]);
  assert.deepEqual(struck(server), { maxConnections: 2 });
  assert.equal(server.io.stats().refused[4], 2);
  // A place that is given back is taken.
  const left = event(first.socket, "disconnect");
  const closed = event(first.socket.conn, "close");
  first.client.disconnect();
  await Promise.all([left, closed]);
  await server.pair();
});

test("no more connections without a namespace than there may be", only, async (t) => {
  const server = await start(t, { maxHandshakes: 1 });
  const waiting = [];
  server.io.use((_socket, next) => waiting.push(next));
  const accepted = event(server.io, "connection");
  const client = server.client();
  while (waiting.length === 0) await new Promise(setImmediate);
  assert.equal((await handshake(server.port)).status, 503);
  waiting[0]();
  await Promise.all([accepted, event(client, "connect")]);
  assert.equal((await handshake(server.port)).status, 200);
  assert.equal((await handshake(server.port)).status, 503);
  assert.deepEqual(struck(server), { maxHandshakes: 2 });
});

test("no more sessions of an address than it may open", only, async (t) => {
  const server = await start(t, { sessionsPerAddress: { perSecond: 0.001, burst: 2 }, trustedProxies: 1 });
  const from = (address) => handshake(server.port, { "X-Forwarded-For": `6.6.6.6, ${address}` });
  assert.equal((await from("1.1.1.1")).status, 200);
  assert.equal((await from("1.1.1.1")).status, 200);
  const { status, headers, body } = await from("1.1.1.1");
  assert.equal(status, 429);
  assert.ok(Number(headers.get("retry-after")) > 1);
  assert.deepEqual(JSON.parse(body), { code: 4, message: "Too many sessions from this address" });
  assert.equal((await from("1.1.1.2")).status, 200);
  assert.deepEqual(struck(server), { sessionsPerAddress: 1 });
});

test("no more events of a client than it may send", only, async (t) => {
  const server = await start(t, { eventsPerClient: { perSecond: 0.001, burst: 4 } });
  const { client, socket } = await server.pair(); // the first
  const other = await server.pair();
  const got = [];
  socket.on("event", (n) => got.push(n));
  const ended = event(socket, "disconnect");
  const left = event(client, "disconnect");
  for (let n = 0; n < 10; n++) client.emit("event", n);
  const [reason, description] = await ended;
  assert.equal(reason, "rate limited");
  assert.match(description.message, /more events/);
  assert.equal((await left)[0], "transport close"); // it would come back
  assert.deepEqual(got, [0, 1, 2]);
  assert.ok(other.socket.connected);
  assert.deepEqual(struck(server), { eventsPerClient: 1 });
});

/** A WebSocket by hand that has joined the main namespace, and the code that it is closed with. */
async function webSocket(t, port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  t.after(() => socket.terminate());
  const closed = event(socket, "close");
  await event(socket, "message");
  socket.send("40");
  await event(socket, "message");
  return { socket, closed };
}

for (const nativeListener of [false, true]) {
  const where = nativeListener ? "a port of the engine's own" : "the program's port";
  test(`frames of a WebSocket are counted against their options on ${where}`, only, async (t) => {
    const io = new Server(0, { nativeListener, limits: { fragments: 3, controlFrames: 2 } });
    t.after(() => io.close());
    if (!nativeListener) await event(io.httpServer, "listening");
    const { port } = (nativeListener ? io.engine : io.httpServer).address();
    const got = [];
    io.on("connection", (socket) => socket.onAny((name) => got.push(name)));
    const [cut, pinging] = [await webSocket(t, port), await webSocket(t, port)];
    const message = (...pieces) => {
      for (const piece of pieces) cut.socket.send(piece, { fin: piece.endsWith("]") });
    };
    message("42[", '"three"', "]");
    message("42[", '"fo', 'ur"', "]");
    assert.equal((await cut.closed)[0], 1008);
    for (let n = 0; n < 3; n++) pinging.socket.ping();
    assert.equal((await pinging.closed)[0], 1008);
    assert.deepEqual(got, ["three"]);
    assert.deepEqual(struck({ io }), { fragments: 1, controlFrames: 1 });
  });
}

test("headers are counted on a port of the engine's own", only, async (t) => {
  const io = new Server(0, { nativeListener: true, maxHeaders: 5 });
  t.after(() => io.close());
  const status = async (headers) => {
    const socket = connect(io.engine.address().port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write(`GET /socket.io/?EIO=9 HTTP/1.1\r\n${"x: y\r\n".repeat(headers)}\r\n`);
    return String((await event(socket, "data"))[0]).slice(9, 12);
  };
  assert.equal(await status(5), "400");
  assert.equal(await status(6), "431");
  while (struck({ io }).maxHeaderBytes === undefined) await new Promise(setImmediate);
  assert.deepEqual(struck({ io }), { maxHeaderBytes: 1 });
});

for (const scripted of [false, true]) {
  const options = scripted && !isOriginal ? { adapter: Adapter } : {};
  test(`no more dynamic namespaces than there may be${scripted ? ", with an adapter" : ""}`, only, async (t) => {
    const server = await start(t, { maxChildNamespaces: 2, ...options });
    const { io, url } = server;
    io.of(/^\/child-\d+$/);
    io.of((name, _auth, next) => setImmediate(next, null, name === "/other"));
    io.of("/static");
    const join = async (nsp) => {
      const client = connectTo(url + nsp, { forceNew: true, transports: ["websocket"] });
      t.after(() => client.disconnect());
      const refused = event(client, "connect_error").then(([error]) => error.message);
      return Promise.race([refused, event(client, "connect").then(() => "joined")]);
    };
    assert.equal(await join("/child-1"), "joined");
    assert.equal(await join("/other"), "joined");
    assert.equal(await join("/child-2"), "Too many namespaces");
    assert.equal(await join("/nobodys"), "Invalid namespace");
    assert.equal(await join("/static"), "joined");
    assert.equal(await join("/child-1"), "joined");
    // The program may always, and what it has named counts.
    io.of("/child-3");
    assert.equal(await join("/child-3"), "joined");
    assert.equal(await join("/child-4"), "Too many namespaces");
    assert.equal(io.stats().limits.maxChildNamespaces, 2);
    assert.deepEqual([...io._nsps.keys()].sort(), ["/", "/child-1", "/child-3", "/other", "/static"]);
  });
}

test("a dynamic namespace that was forgotten makes room", only, async (t) => {
  const { io, url } = await start(t, { maxChildNamespaces: 1, cleanupEmptyChildNamespaces: true });
  io.of(/^\/child-\d+$/);
  for (const nsp of ["/child-1", "/child-2", "/child-3"]) {
    const accepted = event(io, "new_namespace");
    const client = connectTo(url + nsp, { forceNew: true, transports: ["websocket"] });
    await event(client, "connect");
    await accepted;
    const [socket] = io.of(nsp).sockets.values();
    const gone = event(socket, "disconnect");
    client.disconnect();
    await gone;
  }
});
