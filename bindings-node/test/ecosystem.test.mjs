// Packages that programs put beside socket.io: each finds in ferrio what it reaches for.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { SessionAwareAdapter } from "socket.io-adapter";
import * as defaultParser from "socket.io-parser";
import { answer, event, settled, start } from "./support.mjs";

const require = createRequire(import.meta.url);
const { instrument } = require("@socket.io/admin-ui");
const connectV2 = require("socket.io-client-v2");

const redisIsHere = spawnSync("redis-server", ["--version"]).status === 0;

/** A redis-server of this test's own, on a free port. `stop` it when its clients have gone. */
async function redis() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  const dir = mkdtempSync(join(tmpdir(), "ferrio-redis-"));
  const server = spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir], {
    stdio: "ignore",
  });
  const stop = async () => {
    server.kill();
    if (server.exitCode === null) await once(server, "exit");
    rmSync(dir, { recursive: true });
  };
  return { url: `redis://127.0.0.1:${port}`, stop };
}

/** A server on a Redis. */
async function node(t, url, options = {}) {
  const pub = createClient({ url });
  const sub = pub.duplicate();
  for (const client of [pub, sub]) client.on("error", () => {});
  await Promise.all([pub.connect(), sub.connect()]);
  const server = await start(t, options);
  server.io.adapter(createAdapter(pub, sub));
  t.after(async () => {
    await Promise.all([pub.quit(), sub.quit()]);
  });
  return server;
}

test("redis-adapter: two servers are one", {
  skip: !redisIsHere && "no redis-server here: apt-get install redis-server",
}, async (t) => {
  const { url, stop } = await redis();
  const one = await node(t, url);
  const two = await node(t, url);
  t.after(stop); // the last
  const a = await one.pair();
  const b = await two.pair();
  a.socket.join("both");
  b.socket.join(["both", "second"]);
  b.socket.data.name = "bee";
  // The subscriptions are made when both know of each other.
  while ((await one.io.sockets.adapter.serverCount()) < 2) await new Promise(setImmediate);

  const heard = Promise.all([event(a.client, "m"), event(b.client, "m")]);
  one.io.to("both").emit("m", 1, Buffer.from("x"), { ü: [null] });
  for (const [n, bytes, rest] of await heard) {
    assert.deepEqual([n, Buffer.from(bytes).toString(), rest], [1, "x", { ü: [null] }]);
  }
  a.client.on("who", (done) => done("a"));
  b.client.on("who", (done) => done("b"));
  assert.deepEqual((await two.io.timeout(60_000).emitWithAck("who")).sort(), ["a", "b"]);
  const [remote] = await one.io.in("second").fetchSockets();
  assert.deepEqual([remote.id, remote.data], [b.socket.id, { name: "bee" }]);
  assert.equal(await remote.timeout(60_000).emitWithAck("who"), "b");
  const joined = event(two.io.sockets.adapter, "join-room");
  one.io.in("second").socketsJoin("third");
  assert.deepEqual(await joined, ["third", b.socket.id]);
  two.io.on("between", (n, done) => done(n + 1));
  assert.deepEqual(await one.io.serverSideEmitWithAck("between", 1), [2]);
  const gone = event(b.client, "disconnect");
  one.io.in("third").disconnectSockets(true);
  assert.equal((await gone)[0], "io server disconnect");
});

for (const options of [{}, { parser: defaultParser }]) {
  test(`admin-ui watches and commands, ${options.parser ? "scripted" : "plain"}`, async (t) => {
    const server = await start(t, options);
    const { io } = server;
    instrument(io, { auth: false, mode: "development", serverId: "it" });
    const admin = server.client("/admin");
    const config = event(admin, "config");
    const all = event(admin, "all_sockets");
    const features = (await config)[0].supportedFeatures;
    assert.ok(features.includes("ALL_EVENTS") && features.includes("MJOIN"));
    await all;
    const connected = new Promise((resolve) =>
      admin.on("socket_connected", (socket) => socket.nsp === "/" && resolve(socket)),
    );
    const { client, socket } = await server.pair();
    const seen = await connected;
    assert.deepEqual([seen.id, seen.transport, seen.rooms], [socket.id, "websocket", [socket.id]]);
    const room = new Promise((resolve) =>
      admin.on("room_joined", (nsp, room, id) => nsp === "/" && room === "den" && resolve(id)),
    );
    admin.emit("join", "/", "den", socket.id);
    assert.equal(await room, socket.id);
    const received = event(admin, "event_received");
    client.emit("hello", 1);
    assert.deepEqual((await received).slice(0, 3), ["/", socket.id, ["hello", 1]]);
    const told = event(client, "news");
    admin.emit("emit", "/", "den", "news", 2);
    assert.deepEqual(await told, [2]);
    const stats = await new Promise((resolve) => {
      admin.on(
        "server_stats",
        (stats) => stats.aggregatedEvents.some(({ type }) => type === "packetsIn") && resolve(stats),
      );
    });
    assert.equal(stats.serverId, "it");
    assert.deepEqual(stats.namespaces.find(({ name }) => name === "/").socketsCount, 1);
    const gone = event(client, "disconnect");
    admin.emit("_disconnect", "/", true, socket.id);
    assert.equal((await gone)[0], "io server disconnect");
  });
}

for (const options of [{}, { parser: defaultParser }]) {
  test(`a client of Socket.IO 2, ${options.parser ? "scripted" : "plain"}`, async (t) => {
    const server = await start(t, { allowEIO3: true, ...options });
    const { io, url } = server;
    io.of("/other").use((socket, next) => next(socket.handshake.auth.token === "x" ? undefined : new Error("no")));
    const accepted = event(io, "connection");
    const client = connectV2(url, { forceNew: true, reconnection: false, transports: ["websocket"] });
    t.after(() => client.close());
    const [socket] = await accepted;
    assert.equal(socket.id, socket.conn.id);
    assert.equal(socket.conn.protocol, 3);
    const up = event(socket, "up");
    client.emit("up", 1, { bytes: Buffer.from("b") });
    assert.deepEqual(await up, [1, { bytes: Buffer.from("b") }]);
    client.on("ask", (n, done) => done(n + 1));
    assert.equal(await socket.emitWithAck("ask", 1), 2);
    const down = event(client, "down");
    io.emit("down", 2);
    assert.deepEqual(await down, [2]);
    const other = connectV2(`${url}/other?token=x`, { forceNew: true, reconnection: false, transports: ["websocket"] });
    t.after(() => other.close());
    const [inOther] = await event(io.of("/other"), "connection");
    assert.equal(inOther.id, `/other#${inOther.conn.id}`);
    const refused = connectV2(`${url}/other`, { forceNew: true, reconnection: false, transports: ["websocket"] });
    t.after(() => refused.close());
    assert.deepEqual(await event(refused, "error"), ["no"]);
  });
}

test("recovery through an adapter that has it", async (t) => {
  const server = await start(t, {
    adapter: SessionAwareAdapter,
    connectionStateRecovery: { maxDisconnectionDuration: 60_000 },
  });
  const { io } = server;
  const { client, socket } = await server.pair("/", {
    reconnection: true,
    reconnectionDelay: 1,
    reconnectionDelayMax: 1,
  });
  socket.join("room");
  socket.data.name = "kept";
  const { id } = socket;
  const got = [];
  client.on("m", (value) => got.push(value));
  io.emit("m", 1);
  await settled(client, socket);
  const gone = event(socket, "disconnect");
  client.io.engine.close();
  await gone;
  io.to("room").emit("m", 2);
  io.to("elsewhere").emit("m", 3);
  const [back] = await event(io, "connection");
  await settled(client, back);
  assert.deepEqual(
    [back.id, back.recovered, back.data, [...back.rooms].sort()],
    [id, true, { name: "kept" }, [id, "room"].sort()],
  );
  assert.deepEqual(got, [1, 2]);
  assert.equal(client.recovered, true);
  back.emit("m", 4);
  assert.deepEqual(await answer((done) => client.once("m", done)).then(([value]) => value), 4);
});
