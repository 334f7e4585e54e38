// The ticks in which user code sees what happens, and what an exception costs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { event, isOriginal, settled, start } from "./support.mjs";

test("events of one payload: every catch-all listener runs before the first listener", async (t) => {
  const server = await start(t, {}, { path: "polling" });
  const { client, socket } = await server.pair();
  const log = [];
  socket.onAny((name) => log.push(`any ${name}`));
  for (const name of ["a", "b", "c"]) socket.on(name, () => log.push(`on ${name}`));
  const last = event(socket, "c");
  // The client's transport is busy with a first packet: the next three leave as one payload.
  client.emit("first");
  for (const name of ["a", "b", "c"]) client.emit(name);
  await last;
  const start_ = log.indexOf("any a");
  assert.deepEqual(log.slice(start_), ["any a", "any b", "any c", "on a", "on b", "on c"]);
});

test("a tick and a promise job asked for by a listener run before the next packet is looked at", async (t) => {
  const { client, socket } = await (await start(t)).pair();
  const log = [];
  socket.on("one", () => {
    log.push("one");
    process.nextTick(() => log.push("tick"));
    Promise.resolve().then(() => log.push("promise"));
  });
  socket.on("two", (done) => {
    log.push("two");
    done();
  });
  await settled(client, socket);
  client.emit("one");
  await new Promise((resolve) => socket.once("one", () => setImmediate(resolve)));
  await new Promise((resolve) => client.emit("two", resolve));
  assert.deepEqual(log, ["one", "tick", "promise", "two"]);
});

test("middlewares of a namespace run before a listener's tick, connect before connection", async (t) => {
  const server = await start(t);
  const log = [];
  server.io.use((socket, next) => {
    log.push(`use ${socket.connected} ${socket.rooms.size}`);
    socket.join("early");
    next();
    log.push("after next");
  });
  server.io.on("connection", (socket) => log.push(`connection ${socket.connected} ${socket.rooms.has("early")}`));
  server.io.on("connect", () => log.push("connect"));
  const { socket } = await server.pair();
  assert.deepEqual(log, ["use false 0", "after next", "connect", "connection true true"]);
  assert.ok(socket.rooms.has(socket.id));
});

test("what a middleware emits comes before the client's connect", async (t) => {
  const server = await start(t);
  server.io.use((socket, next) => {
    socket.emit("early", 1);
    next();
  });
  const client = server.client();
  const log = [];
  client.on("early", (n) => log.push(`early ${n}`));
  client.on("connect", () => log.push("connect"));
  await event(client, "connect");
  assert.deepEqual(log, ["early 1", "connect"]);
});

test("disconnecting sees the rooms, disconnect does not", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  const { io } = server;
  socket.join("room");
  const log = [];
  const state = (name) => (reason) =>
    log.push([name, reason, socket.rooms.size, socket.connected, io.sockets.sockets.has(socket.id)]);
  socket.on("disconnecting", state("disconnecting"));
  socket.on("disconnect", state("disconnect"));
  const over = event(socket, "disconnect");
  client.disconnect();
  await over;
  assert.deepEqual(log, [
    ["disconnecting", "client namespace disconnect", 2, true, true],
    ["disconnect", "client namespace disconnect", 0, false, false],
  ]);
});

test("a socket that has left is in no room any more when disconnect is heard", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  socket.join("room");
  const members = new Promise((resolve) => {
    socket.on("disconnect", () => resolve(server.io.in("room").fetchSockets()));
  });
  client.disconnect();
  assert.deepEqual(await members, []);
});

test("a listener that throws is an uncaughtException; the rest of the batch is delivered", () => {
  const { log, connected } = run(`
    const server = await start(t, {}, { path: "polling" });
    const { client, socket } = await server.pair();
    const log = [];
    process.on("uncaughtException", (error) => log.push("uncaught " + error.message));
    socket.onAny((name) => { if (name === "any") throw new Error("catch-all"); });
    socket.on("boom", () => { throw new Error("listener"); });
    socket.on("fine", (n) => log.push("fine " + n));
    client.emit("first");
    client.emit("fine", 1);
    client.emit("boom");
    client.emit("fine", 2);
    client.emit("any");
    client.emit("boom");
    client.emit("fine", 3);
    await settled(client, socket);
    report({ log: log.sort(), connected: socket.connected && client.connected });
  `);
  assert.deepEqual(log, ["fine 1", "fine 2", "fine 3", "uncaught catch-all", "uncaught listener", "uncaught listener"]);
  assert.ok(connected);
});

test("middlewares and connection listeners that throw cost no other client anything", () => {
  const { log, connected } = run(`
    const server = await start(t);
    const log = [];
    process.on("uncaughtException", (error) => log.push(error.message));
    let sockets = 0;
    server.io.use((socket, next) => {
      if (++sockets === 1) throw new Error("in middleware");
      next();
    });
    server.io.on("connection", (socket) => {
      socket.on("hello", (done) => done());
      throw new Error("in connection");
    });
    const first = server.client();
    while (log.length === 0) await new Promise(setImmediate);
    const second = server.client();
    await event(second, "connect");
    await new Promise((resolve) => second.emit("hello", resolve));
    report({ log, connected: [first.connected, second.connected] });
  `);
  assert.deepEqual(log, ["in middleware", "in connection"]);
  assert.deepEqual(connected, [false, true]);
});

/** Runs a program of its own and gives what it reports: node's test runner would take the exceptions for its own. */
function run(program) {
  const prelude = `
    import { event, settled, start } from "./test/support.mjs";
    const t = { after() {} };
    const report = (result) => {
      console.log(JSON.stringify(result));
      process.exit(0);
    };
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", prelude + program], {
    encoding: "utf8",
    cwd: new URL("..", import.meta.url),
    timeout: 30_000,
  });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

test("an event that came before the disconnect is delivered", {
  skip: isOriginal && "the original may drop it",
}, async (t) => {
  const { client, socket } = await (await start(t)).pair();
  const log = [];
  socket.on("bye", () => log.push("bye"));
  socket.on("disconnect", () => log.push("disconnect"));
  const over = event(socket, "disconnect");
  client.emit("bye");
  client.disconnect();
  await over;
  assert.deepEqual(log, ["bye", "disconnect"]);
});
