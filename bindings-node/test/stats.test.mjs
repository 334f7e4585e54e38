// What a server counts: an addition of ferrio's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { event, isOriginal, Server, start } from "./support.mjs";

const only = { skip: isOriginal && "the original counts nothing" };

test("a server counts what it refuses, what strikes and what ends", only, async (t) => {
  const server = await start(t, { limits: { jsonDepth: 3, eventName: 20 } });
  const { client, socket } = await server.pair();
  assert.equal(server.io.stats().connections, 1);
  await fetch(`${server.url}/socket.io/?EIO=4&transport=none`);
  await fetch(`${server.url}/socket.io/?EIO=4&transport=polling&sid=nobody`);

  const ended = event(socket, "disconnect");
  client.emit("deep", [[[[]]]]);
  await ended;
  const { limits, refused, closed, opened, connections, bufferedBytes } = server.io.stats();
  assert.equal(limits.jsonDepth, 1);
  assert.equal(limits.eventName, 0);
  assert.equal(limits.hardLimit, 0);
  assert.deepEqual(refused, { 0: 1, 1: 1, 2: 0, 3: 0, 4: 0, 5: 0 });
  assert.equal(closed["forced close"], 1);
  assert.ok(opened >= 1 && connections <= opened && bufferedBytes >= 0);
});

test("a server that has not been started has counted nothing", only, () => {
  const nothing = { connections: 0, bufferedBytes: 0, opened: 0, refused: {}, closed: {}, limits: {} };
  assert.deepEqual(new Server().stats(), nothing);
});

test("limits that are none are refused", only, () => {
  const attempt = (limits) => () => new Server(0, { limits });
  assert.throws(attempt({ depth: 1 }), /limits\.depth: no such option/);
  assert.throws(attempt({ namespaces: -1 }), /limits\.namespaces: expected a whole number/);
});
