// What crosses for connections without Socket.IO. The public faces of it are built on this; it has no original.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";
import { WebSocket } from "ws";
import { event, isOriginal } from "./support.mjs";

const require = createRequire(import.meta.url);

/** An engine on a port, and its raw connections. */
async function serve(t, options = {}, owner = {}) {
  const { Engine } = require("../dist/engine.js");
  const { IoEngine } = require("../dist/io-engine.js");
  const settings = JSON.stringify({ dialect: "node", path: "/engine.io", layer: "engineio", ...options });
  const engine = new Engine(settings, { opened: (...opened) => io._opened(engine, ...opened), ...owner });
  const io = new IoEngine({ current: () => engine, start() {}, raw: () => true }, {});
  const http = createServer((req, res) => io.handleRequest(req, res));
  http.on("upgrade", (req, socket, head) => io.handleUpgrade(req, socket, head));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => {
    engine.close();
    http.close();
    http.closeAllConnections?.();
  });
  const url = `127.0.0.1:${http.address().port}/engine.io/?EIO=4`;
  return {
    engine,
    io,
    url,
    /** A WebSocket, and the connection it opened. */
    async open() {
      const opened = event(io, "connection");
      const socket = new WebSocket(`ws://${url}&transport=websocket`);
      const inbox = [];
      let wake;
      socket.on("message", (data, binary) => {
        inbox.push(binary ? data : data.toString());
        wake?.();
      });
      const next = async () => {
        while (inbox.length === 0) await new Promise((resolve) => (wake = resolve));
        return inbox.shift();
      };
      const [conn] = await opened;
      assert.match(await next(), /^0\{"sid":/);
      return { socket, conn, next };
    },
  };
}

const ours = { skip: isOriginal && "a matter of ferrio's own" };

test("raw messages cross both ways, in order", ours, async (t) => {
  const { engine, open } = await serve(t);
  const { socket, conn, next } = await open();
  const got = [];
  const all = new Promise((resolve) => {
    conn.on("data", (data) => got.push(data) === 6 && resolve());
  });
  const long = "x".repeat(70_000);
  const sent = ["a", "", '2["event"]', "\u{1F600}\u00e9", long, Buffer.from([1, 2, 3])];
  for (const data of sent) socket.send(typeof data === "string" ? `4${data}` : data);
  await all;
  assert.deepEqual(got, sent);

  engine.write([conn._key], ["b", Buffer.from([4]), Buffer.alloc(20_000, 5), "\u20ac"], 0);
  engine.write([conn._key], [Buffer.alloc(0), ""], 0);
  assert.deepEqual(
    [await next(), await next(), await next(), await next(), await next(), await next()],
    ["4b", Buffer.from([4]), Buffer.alloc(20_000, 5), "4\u20ac", Buffer.alloc(0), "4"],
  );
});

test("one write for many, a receipt for all of them", ours, async (t) => {
  const { engine, open } = await serve(t);
  const [one, two] = [await open(), await open()];
  const receipt = new Promise((resolve) => engine.write([one.conn._key, 12345, two.conn._key], ["hi"], 0, resolve));
  assert.equal(await one.next(), "4hi");
  assert.equal(await two.next(), "4hi");
  await receipt;
  assert.equal(engine.receipts.size, 0);
});

test("bytes may be reused after a write", ours, async (t) => {
  const { engine, open } = await serve(t);
  const { conn, next } = await open();
  for (const size of [10, 100_000]) {
    const bytes = Buffer.alloc(size, 1);
    engine.write([conn._key], [bytes], 0);
    bytes.fill(2);
    assert.deepEqual(await next(), Buffer.alloc(size, 1));
  }
});

test("a closed engine owes nobody a receipt", ours, async (t) => {
  const { engine, open } = await serve(t);
  const { conn } = await open();
  engine.close();
  // Crosses behind the closing.
  await new Promise((resolve) => engine.write([conn._key], ["late"], 0, resolve));
});

test("packets of a watched connection", ours, async (t) => {
  const { engine, open } = await serve(t);
  const { socket, conn, next } = await open();
  const log = [];
  conn.on("packet", (packet) => log.push(["packet", packet]));
  conn.on("packetCreate", (packet) => log.push(["packetCreate", packet]));
  const arrival = (name) => new Promise((resolve) => conn.on("data", (data) => data === name && resolve()));
  engine.watch(conn._key, true);
  engine.write([conn._key], ["out", Buffer.from([1])], 0);
  // Behind both, so that the engine watches by now.
  await next();
  await next();
  const last = arrival("last");
  socket.send("3");
  socket.send(Buffer.from([2]));
  socket.send("4last");
  await last;
  assert.deepEqual(log, [
    ["packetCreate", { type: "message", data: "out", options: { compress: true } }],
    ["packetCreate", { type: "message", data: Buffer.from([1]), options: { compress: true } }],
    ["packet", { type: "pong" }],
    ["packet", { type: "message", data: Buffer.from([2]) }],
    ["packet", { type: "message", data: "last" }],
  ]);
  log.length = 0;
  engine.watch(conn._key, false);
  engine.write([conn._key], ["unseen"], 0);
  await next();
  assert.deepEqual(log, []);
});

test("a refusal is told with its request", ours, async (t) => {
  let told;
  const { io, url } = await serve(t, {}, { refused: (cause, ...what) => told([cause.request.method, ...what]) });
  // A session that has just ended: here it is still known.
  const ended = { protocol: 4, transport: { name: "polling" }, _upgrading() {} };
  Object.assign(io.clients, { x: ended });
  t.after(() => {
    for (const sid of Object.keys(io.clients)) delete io.clients[sid];
  });
  let refusal = new Promise((resolve) => (told = resolve));
  const answer = await fetch(`http://${url}&transport=polling&sid=n%C3%B6body`);
  assert.equal(answer.status, 400);
  assert.deepEqual(await refusal, ["GET", 1, "Session ID unknown", { sid: "n\u00f6body" }]);
  refusal = new Promise((resolve) => (told = resolve));
  const socket = new WebSocket(`ws://${url}&transport=websocket&sid=x`);
  const [, response] = await event(socket, "unexpected-response");
  response.resume();
  assert.deepEqual(await refusal, ["GET", 1, "Session ID unknown", { sid: "x" }]);
});

test("options change while the engine runs", ours, async (t) => {
  const { engine, url } = await serve(t);
  const pings = async () =>
    JSON.parse((await (await fetch(`http://${url}&transport=polling`)).text()).slice(1)).pingInterval;
  assert.equal(await pings(), 25_000);
  engine.configure({ pingInterval: 300 });
  assert.equal(await pings(), 300);
  assert.throws(() => engine.configure({ pingInterval: 400, ioThreads: 2 }), /ioThreads: cannot change/);
  assert.throws(() => engine.configure({ pingInterval: "x" }), /pingInterval: expected/);
  assert.equal(await pings(), 300);
});

test("a session has the id that its request brings", ours, async (t) => {
  const { Exchange, openLink } = require("../dist/exchange.js");
  const { engine, io, url } = await serve(t);
  io.handleRequest = (req, res) => new Exchange(engine, io, req, res, "by-request").start();
  io.handleUpgrade = (req, socket, head) => openLink(engine, io, req, socket, head, {}, "by-link");
  const text = await (await fetch(`http://${url}&transport=polling`)).text();
  assert.equal(JSON.parse(text.slice(1)).sid, "by-request");
  const socket = new WebSocket(`ws://${url}&transport=websocket`);
  const [open] = await event(socket, "message");
  assert.equal(JSON.parse(open.toString().slice(1)).sid, "by-link");
});
