// Events both ways, acks both ways, binary both ways, on every way a client may come.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { answer, event, isOriginal, PATHS, Server, settled, sio, start } from "./support.mjs";

test("the module is callable and has three names", () => {
  assert.equal(typeof sio, "function");
  assert.deepEqual(Object.keys(sio).sort(), ["Namespace", "Server", "Socket"]);
  assert.ok(sio() instanceof Server);
});

test("the ESM face has the same three names and no default", async () => {
  const names = await import(isOriginal ? "socket.io" : "../wrapper.mjs");
  assert.deepEqual(Object.keys(names).sort(), ["Namespace", "Server", "Socket"]);
  assert.equal(names.Server, Server);
});

for (const path of PATHS) {
  test(`${path}: events with any JSON arrive on both sides`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    const values = [
      "text",
      "größer als 💥",
      '\u0000\u001e\\"',
      1.5,
      -0.25,
      true,
      null,
      [],
      {},
      [[1, [2]]],
      { a: { b: null } },
    ];
    const upward = event(socket, "up");
    client.emit("up", ...values);
    assert.deepEqual(await upward, values);
    const downward = event(client, "down");
    socket.emit("down", ...values);
    assert.deepEqual(await downward, values);
  });

  test(`${path}: many events arrive in order, long and short, ASCII and not`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    const sent = [];
    const seen = { up: [], down: [] };
    socket.on("up", (n, text) => seen.up.push([n, text]));
    client.on("down", (n, text) => seen.down.push([n, text]));
    for (let n = 0; n < 300; n++) {
      const text = (n % 3 === 0 ? "ä" : "a").repeat(n % 50 === 0 ? 30_000 : n % 7);
      sent.push([n, text]);
      client.emit("up", n, text);
      socket.emit("down", n, text);
    }
    await settled(client, socket);
    assert.deepEqual(seen.up, sent);
    assert.deepEqual(seen.down, sent);
  });

  test(`${path}: values change as JSON.stringify changes them`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    const got = event(client, "values");
    const now = new Date(0);
    socket.emit("values", undefined, Number.NaN, now, { a: undefined, f() {} }, new Map([[1, 2]]), {
      toJSON: () => "own",
    });
    assert.deepEqual(await got, [null, null, now.toJSON(), {}, {}, "own"]);
  });

  test(`${path}: binary arrives as Buffer, wherever it stands`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    const small = Buffer.from([0, 1, 2, 255]);
    const large = Buffer.alloc(100_000, 7);
    const upward = event(socket, "up");
    client.emit("up", small, { deep: [large, { text: "t", empty: Buffer.alloc(0) }] });
    assert.deepEqual(await upward, [small, { deep: [large, { text: "t", empty: Buffer.alloc(0) }] }]);
    const empty = event(socket, "empty");
    client.emit("empty", Buffer.alloc(0));
    assert.deepEqual(await empty, [Buffer.alloc(0)]);
    const downward = event(client, "down");
    socket.emit("down", new Uint8Array(small).buffer, new Uint16Array([1, 2]), { list: [large] });
    const [first, second, third] = await downward;
    assert.deepEqual(Buffer.from(first), small);
    assert.deepEqual(Buffer.from(second), Buffer.from([1, 0, 2, 0]));
    assert.deepEqual(Buffer.from(third.list[0]), large);
  });

  test(`${path}: a buffer may be reused once it was emitted`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    const got = [];
    client.on("bytes", (bytes) => got.push(Buffer.from(bytes).toString("latin1")));
    for (const size of [10, 100_000]) {
      const buffer = Buffer.alloc(size, "a");
      socket.emit("bytes", buffer);
      if (!isOriginal) buffer.fill("b"); // the original sends large ones later than this
    }
    await settled(client, socket);
    assert.deepEqual(got, ["a".repeat(10), "a".repeat(100_000)]);
  });

  test(`${path}: the server answers, once, with binary too`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    socket.on("ask", (value, done) => {
      done(value, Buffer.from([value]));
      done("again");
    });
    const [value, bytes] = await answer((done) => client.emit("ask", 7, done));
    assert.equal(value, 7);
    assert.deepEqual(Buffer.from(bytes), Buffer.from([7]));
  });

  test(`${path}: the client answers; a promise and a timeout`, async (t) => {
    const { client, socket } = await (await start(t, {}, { path })).pair();
    client.on("ask", (value, done) => done(value + 1, "second"));
    client.on("bytes", (bytes, done) => done(bytes));
    client.on("silence", () => {});
    assert.deepEqual(await answer((done) => socket.emit("ask", 1, done)), [2, "second"]);
    assert.equal(await socket.emitWithAck("ask", 2), 3);
    assert.deepEqual(await answer((done) => socket.timeout(60_000).emit("ask", 3, done)), [null, 4, "second"]);
    assert.equal(await socket.timeout(60_000).emitWithAck("ask", 4), 5);
    assert.deepEqual(await socket.emitWithAck("bytes", Buffer.from("x")), Buffer.from("x"));
    await assert.rejects(socket.timeout(20).emitWithAck("silence"), { message: "operation has timed out" });
    const [error] = await answer((done) => socket.timeout(0).emit("silence", done));
    assert.equal(error.message, "operation has timed out");
  });
}

test("send and write are `message`", async (t) => {
  const { client, socket } = await (await start(t)).pair();
  const got = [];
  client.on("message", (...args) => got.push(args));
  assert.equal(socket.send("a", 1), socket);
  assert.equal(socket.write("b"), socket);
  await settled(client, socket);
  assert.deepEqual(got, [["a", 1], ["b"]]);
});

test("sockets, namespaces and servers are event emitters", async (t) => {
  const server = await start(t);
  const { io } = server;
  const { socket } = await server.pair();
  for (const emitter of [io, io.sockets, socket, socket.conn, io.engine]) assert.ok(emitter instanceof EventEmitter);
  assert.ok(socket instanceof sio.Socket);
  assert.ok(io.sockets instanceof sio.Namespace);
});

test("an unheard `error` from the wire is no exception", async (t) => {
  const { client, socket } = await (await start(t)).pair();
  client.emit("error", "mine");
  await settled(client, socket);
  const heard = event(socket, "error");
  client.emit("error", "mine");
  assert.deepEqual(await heard, ["mine"]);
});

test("reserved names cannot be emitted", async (t) => {
  const server = await start(t);
  const { io } = server;
  const { socket } = await server.pair();
  for (const name of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
    const error = { message: `"${name}" is a reserved event name` };
    assert.throws(() => socket.emit(name), error);
    assert.throws(() => io.emit(name), error);
    assert.throws(() => io.to("room").emit(name), error);
  }
  assert.equal(io.emit("connection"), true);
});

test("what cannot be JSON throws at the emit", async (t) => {
  const { socket } = await (await start(t)).pair();
  assert.throws(() => socket.emit("x", 1n), TypeError);
  const cycle = {};
  cycle.self = cycle;
  assert.throws(() => socket.emit("x", cycle));
});

test("catch-all listeners, middlewares and listeners, in this order", async (t) => {
  const { client, socket } = await (await start(t)).pair();
  const log = [];
  socket.onAny((name, ...args) => log.push(`any ${name} ${args.length}`));
  socket.prependAny((name) => log.push(`first ${name}`));
  socket.use((packet, next) => {
    log.push(`use ${packet[0]}`);
    packet[1] = "changed";
    next();
  });
  socket.use(([name], next) => next(name === "bad" ? new Error("refused") : undefined));
  socket.on("good", (value, done) => {
    log.push(`on ${value}`);
    done();
  });
  socket.on("bad", () => log.push("never"));
  socket.on("error", (error) => log.push(`error ${error.message}`));
  const done = answer((ack) => client.emit("good", "sent", ack));
  client.emit("bad", 1);
  await done;
  if (!log.includes("error refused")) await event(socket, "error");
  assert.deepEqual(
    log.filter((line) => line.includes("good") || line.startsWith("on ")),
    ["first good", "any good 2", "use good", "on changed"],
  );
  assert.deepEqual(
    log.filter((line) => line.includes("bad") || line.startsWith("error ")),
    ["first bad", "any bad 1", "use bad", "error refused"],
  );
});

test("catch-all listeners can be listed and removed", async (t) => {
  const { client, socket } = await (await start(t)).pair();
  const [first, second] = [() => {}, () => assert.fail("was removed")];
  assert.equal(socket.onAny(first).onAny(second).offAny(second), socket);
  assert.deepEqual(socket.listenersAny(), [first]);
  socket.onAnyOutgoing(first).prependAnyOutgoing(second).offAnyOutgoing();
  assert.deepEqual(socket.listenersAnyOutgoing(), []);
  client.emit("x");
  await settled(client, socket);
});

test("outgoing catch-all listeners see emits and broadcasts, not acks", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  const other = await server.pair();
  const seen = [];
  socket.onAnyOutgoing((...event) => seen.push(event));
  socket.join("room");
  socket.emit("one", 1);
  server.io.emit("all", 2);
  server.io.to("room").emit("room", 3);
  other.socket.broadcast.emit("others", 4);
  socket.broadcast.emit("not me");
  server.io.to("elsewhere").emit("nobody");
  socket.on("ask", (done) => done("answer"));
  await answer((done) => client.emit("ask", done));
  assert.deepEqual(seen, [
    ["one", 1],
    ["all", 2],
    ["room", 3],
    ["others", 4],
  ]);
});

for (const path of PATHS) {
  test(`${path}: a client hears that it was disconnected for good, though its connection ends with that`, async (t) => {
    const server = await start(t, {}, { path });
    const { client, socket } = await server.pair();
    const gone = event(client, "disconnect");
    socket.emit("last");
    const last = event(client, "last");
    socket.disconnect(true);
    await last;
    assert.equal((await gone)[0], "io server disconnect");
  });
}
