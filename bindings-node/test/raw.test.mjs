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
  const engine = new Engine(settings, { opened: (...opened) => io._opened(...opened), ...owner });
  const io = new IoEngine(engine, {});
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
