// Where the client means to differ from the original: see DIFFERENCES.md.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { connect, event, isOriginal, start } from "./support.mjs";

const ours = { skip: isOriginal && "ferrio's own" };

test("retries need no ackTimeout: answers are answers", ours, async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair("/", { retries: 2, transports: ["websocket"] });
  const heard = [];
  socket.on("order", (n, done) => {
    heard.push(n);
    done(n);
  });
  assert.deepEqual(await Promise.all([1, 2, 3].map((n) => client.emitWithAck("order", n))), [1, 2, 3]);
  assert.deepEqual(heard, [1, 2, 3]);
  assert.equal(client._queue.length, 0);
});

test("a refusal without a reason is a connect_error like any other", ours, async (t) => {
  const server = new WebSocketServer({ port: 0 });
  t.after(() => server.close());
  server.on("connection", (socket) => {
    socket.send('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
    socket.on("message", () => socket.send("44"));
  });
  const client = connect(`http://127.0.0.1:${server.address().port}`, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
  });
  t.after(() => client.disconnect());
  const [error] = await event(client, "connect_error");
  assert.equal(error.message, "");
  assert.equal(client.active, false);
});
