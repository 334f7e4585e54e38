// What clients may cost: options of ferrio's own.
import assert from "node:assert/strict";
import { test } from "node:test";
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
