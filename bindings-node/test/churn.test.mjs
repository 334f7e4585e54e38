// What comes and goes leaves nothing: acks that nobody answers, rooms, namespaces that are made by their names, clients.
//
// FERRIO_TEST_TIMES=1000000 does it a million times each.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const TIMES = Number(process.env.FERRIO_TEST_TIMES ?? 10_000);

// Every kind is done once before it is measured, for what is there from then on: tables, code, pools.
const PROGRAM = `
  import { once } from "node:events";
  import WebSocket from "ws";
  import { start } from "./test/support.mjs";

  const TIMES = ${TIMES};
  const { io, port } = await start({ after() {} }, { cleanupEmptyChildNamespaces: true, pingInterval: 3_600_000 });
  io.of(/^\\/child-\\d+$/);
  io.of(/^\\/refused-\\d+$/).use((_, next) => next(new Error("no")));

  /** A client that counts packets by how they begin. */
  async function join() {
    const ws = new WebSocket("ws://127.0.0.1:" + port + "/socket.io/?EIO=4&transport=websocket");
    let waiting = null;
    ws.on("message", (data) => {
      if (waiting && data.toString().startsWith(waiting.prefix) && --waiting.count === 0) waiting.resolve();
    });
    const read = (prefix, count = 1) => new Promise((resolve) => (waiting = { prefix, count, resolve }));
    const opened = read("0{");
    await opened;
    const accepted = once(io, "connection");
    const joined = read("40{");
    ws.send("40");
    await joined;
    const [socket] = await accepted;
    return { ws, read, socket };
  }

  async function leave({ ws, socket }) {
    if (socket.connected) {
      const gone = once(socket, "disconnect");
      ws.terminate();
      await gone;
    }
    while (io.engine.clientsCount > 0) await new Promise(setImmediate);
  }

  /** Does something \`times\` times, a thousand in a turn. */
  async function inTurns(times, what) {
    for (let n = 0; n < times; n++) {
      what(n);
      if (n % 1000 === 999) await new Promise(setImmediate);
    }
  }

  const kinds = {
    async "acks that nobody answers"(times) {
      const client = await join();
      const asked = client.read("42", times);
      await inTurns(times, (n) => client.socket.emit("?", () => { throw new Error("answered " + n); }));
      await asked;
      await leave(client);
    },
    async "acks that are too late"(times) {
      const client = await join();
      const asked = client.read("42", times);
      let late = 0;
      await inTurns(times, () => client.socket.timeout(1).emit("?", () => late++));
      await asked;
      while (late < times) await new Promise(setImmediate);
      await leave(client);
    },
    async "acks of a room that are too late"(times) {
      const client = await join();
      const asked = client.read("42", times);
      let late = 0;
      await inTurns(times, () => io.timeout(1).emit("?", () => late++));
      await asked;
      while (late < times) await new Promise(setImmediate);
      await leave(client);
    },
    async "rooms that are joined and left"(times) {
      const client = await join();
      await inTurns(times, (n) => {
        client.socket.join("room " + n);
        client.socket.leave("room " + n);
      });
      await leave(client);
    },
    async "rooms that are left by leaving"(times) {
      const client = await join();
      await inTurns(times, (n) => client.socket.join("room " + n));
      await leave(client);
    },
    async "dynamic namespaces"(times) {
      const client = await join();
      for (let n = 0; n < times; n++) {
        const answer = client.read("40/child-");
        client.ws.send("40/child-" + n + ",");
        await answer;
        client.ws.send("41/child-" + n + ",");
      }
      await leave(client);
    },
    async "dynamic namespaces that refuse"(times) {
      const client = await join();
      for (let n = 0; n < times; n++) {
        const answer = client.read("44/refused-");
        client.ws.send("40/refused-" + n + ",");
        await answer;
      }
      await leave(client);
    },
    async clients(times) {
      for (let n = 0; n < times / 40; n++) await leave(await join());
    },
  };

  async function memory() {
    for (let n = 0; n < 3; n++) {
      gc();
      await new Promise(setImmediate);
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    return { heap: heapUsed + external, rss };
  }

  const grown = {};
  for (const [name, churn] of Object.entries(kinds)) {
    await churn(TIMES);
    const before = await memory();
    await churn(TIMES);
    const after = await memory();
    grown[name] = { heap: after.heap - before.heap, rss: after.rss - before.rss };
  }
  console.log(JSON.stringify({ grown, namespaces: io._nsps.size, rooms: io.of("/").adapter.rooms.size }));
  process.exit();
`;

test("acks, rooms, namespaces and clients that come and go", () => {
  const { stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", PROGRAM], {
    cwd: new URL("..", import.meta.url),
    encoding: "utf8",
    timeout: 120_000 + TIMES,
  });
  assert.equal(stderr, "");
  const { grown, namespaces, rooms } = JSON.parse(stdout);
  assert.deepEqual([namespaces, rooms], [1, 0]);
  for (const [name, { heap, rss }] of Object.entries(grown)) {
    // The least that could be left each time is an object, of a hundred bytes; what the process keeps in reserve is another matter.
    assert.ok(heap < 400_000 + 40 * TIMES, `${name}: ${heap} bytes of heap are left of ${TIMES} times`);
    assert.ok(rss < (16 << 20) + 20 * TIMES, `${name}: ${rss} bytes are left of ${TIMES} times`);
  }
  if (process.env.FERRIO_TEST_TIMES) console.log(grown);
});
