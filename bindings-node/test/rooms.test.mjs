// Rooms, targets, broadcasts and their acks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, event, PATHS, settled, start } from "./support.mjs";

/** Three clients, and what each of them got. */
async function three(t, path) {
  const server = await start(t, {}, { path });
  const people = [];
  for (const name of ["a", "b", "c"]) {
    const { client, socket } = await server.pair();
    const got = [];
    client.on("m", (value) => got.push(value));
    people.push({ name, client, socket, got });
  }
  return {
    ...server,
    people,
    sockets: people.map(({ socket }) => socket),
    /** Who got what since the last time, once everything has arrived. */
    async heard() {
      await Promise.all(people.map(({ client, socket }) => settled(client, socket)));
      return Object.fromEntries(people.map(({ name, got }) => [name, got.splice(0)]));
    },
  };
}

for (const path of PATHS) {
  test(`${path}: targets`, async (t) => {
    const { io, sockets, heard } = await three(t, path);
    const [a, b, c] = sockets;
    a.join(["one", "two"]);
    b.join("two");
    io.emit("m", "everybody");
    io.to("one").emit("m", "one");
    io.in("two").emit("m", "two");
    io.to("one").to("two").emit("m", "both, once");
    io.to(["one", "two"]).except("one").emit("m", "two without one");
    io.except("two").emit("m", "not two");
    io.to("nobody").emit("m", "nobody");
    io.to([]).emit("m", "no room at all");
    io.to(c.id).emit("m", "c by id");
    a.to("two").emit("m", "two without a");
    a.broadcast.emit("m", "all without a");
    a.except("two").emit("m", "without a and two");
    c.local.emit("m", "local without c");
    io.of("/").local.compress(false).emit("m", "local");
    assert.deepEqual(await heard(), {
      a: ["everybody", "one", "two", "both, once", "no room at all", "local without c", "local"],
      b: [
        "everybody",
        "two",
        "both, once",
        "two without one",
        "no room at all",
        "two without a",
        "all without a",
        "local without c",
        "local",
      ],
      c: ["everybody", "not two", "no room at all", "c by id", "all without a", "without a and two", "local"],
    });
  });

  test(`${path}: broadcast with answers`, async (t) => {
    const { io, people } = await three(t, path);
    for (const { client, name } of people) client.on("who", (done) => done(name, "ignored"));
    const [error, answers] = await answer((done) => io.timeout(60_000).emit("who", done));
    assert.equal(error, null);
    assert.deepEqual(answers.sort(), ["a", "b", "c"]);
    const [a] = people;
    a.client.on("bytes", (bytes, done) => done(bytes));
    assert.deepEqual(await io.to(a.socket.id).timeout(60_000).emitWithAck("bytes", Buffer.from("x")), [
      Buffer.from("x"),
    ]);
    assert.deepEqual((await a.socket.broadcast.timeout(60_000).emitWithAck("who")).sort(), ["b", "c"]);
    assert.deepEqual(await io.to("void").timeout(60_000).emitWithAck("who"), []);
  });
}

test("a broadcast that not all answer in time keeps the answers that came", async (t) => {
  const { io, people } = await three(t);
  for (const { client, name } of people.slice(1)) client.on("who", (done) => done(name));
  people[0].client.on("who", () => {});
  const error = await io
    .timeout(200)
    .emitWithAck("who")
    .then(
      () => assert.fail("resolved"),
      (error) => error,
    );
  assert.equal(error.message, "operation has timed out");
  assert.deepEqual(error.responses.sort(), ["b", "c"]);
  const [late, answers] = await answer((done) => io.to(people[0].socket.id).timeout(20).emit("who", done));
  assert.equal(late.message, "operation has timed out");
  assert.deepEqual(answers, []);
});

test("a broadcast with answers but without timeout fails at once", async (t) => {
  const { io, people } = await three(t);
  for (const { client } of people) client.on("who", () => {});
  const [error] = await answer((done) => io.to(people[0].socket.id).emit("who", done));
  assert.equal(error.message, "operation has timed out");
});

test("a binary broadcast", async (t) => {
  const { io, people } = await three(t);
  const got = people.map(({ client }) => event(client, "bytes"));
  io.emit("bytes", Buffer.from("payload"), { second: Buffer.from("!") });
  for (const [first, { second }] of await Promise.all(got)) {
    assert.equal(Buffer.from(first).toString(), "payload");
    assert.equal(Buffer.from(second).toString(), "!");
  }
});

test("a volatile emit arrives when the client is ready", async (t) => {
  const { client, socket } = await (await start(t)).pair();
  await settled(client, socket);
  const got = event(client, "v");
  socket.volatile.emit("v", 1);
  assert.deepEqual(await got, [1]);
});

test("rooms: join, leave, list", async (t) => {
  const { io, sockets } = await three(t);
  const [a, b] = sockets;
  assert.equal(a.join("x"), undefined);
  a.join(["y", "größer"]);
  assert.deepEqual([...a.rooms].sort(), [a.id, "größer", "x", "y"].sort());
  assert.equal(a.leave("y"), undefined);
  assert.ok(!a.rooms.has("y"));
  b.join("x");
  assert.deepEqual((await io.in("x").fetchSockets()).map(({ id }) => id).sort(), [a.id, b.id].sort());
  assert.deepEqual(await io.in(["x"]).except("größer").fetchSockets(), [b]);
  assert.deepEqual([...(await io.in("x").allSockets())].sort(), [a.id, b.id].sort());
  assert.equal((await io.fetchSockets()).length, 3);
  assert.ok(a.rooms instanceof Set);
});

test("a number is not the room of its text", async (t) => {
  const { io, sockets, heard } = await three(t);
  const [a, b] = sockets;
  a.join(1);
  b.join("1");
  assert.ok(a.rooms.has(1) && !a.rooms.has("1"));
  io.to(1).emit("m", "number");
  io.to("1").emit("m", "text");
  assert.deepEqual(await heard(), { a: ["number"], b: ["text"], c: [] });
});

test("adapter.rooms and adapter.sids show who is where", async (t) => {
  const { io, sockets } = await three(t);
  const [a, b] = sockets;
  a.join("x");
  b.join("x");
  assert.deepEqual([...io.sockets.adapter.rooms.get("x")].sort(), [a.id, b.id].sort());
  assert.deepEqual([...io.of("/").adapter.sids.get(a.id)].sort(), [a.id, "x"].sort());
  assert.equal(io.sockets.adapter.rooms.get("none"), undefined);
});

test("rooms are live, and look like a Map and a Set", async (t) => {
  const { io, sockets } = await three(t);
  const [a, b, c] = sockets;
  const { adapter } = io.sockets;
  const { rooms } = a;
  assert.equal(a.rooms, rooms);
  assert.ok(rooms instanceof Set && adapter.rooms instanceof Map && adapter.sids instanceof Map);
  a.join(["x", "y", "y"]);
  b.join("x");
  assert.deepEqual([...rooms].sort(), [a.id, "x", "y"].sort());
  assert.deepEqual([rooms.size, rooms.has("x"), rooms.has("z")], [3, true, false]);
  assert.deepEqual([...new Set(rooms)].sort(), [...rooms.values()].sort());
  assert.deepEqual(new Map(rooms.entries()).get("x"), "x");
  const seen = [];
  rooms.forEach((room, again, set) => {
    seen.push(room === again && set === rooms);
  });
  assert.deepEqual(seen, [true, true, true]);
  const members = adapter.rooms.get("x");
  assert.equal(members.size, 2);
  c.join("x");
  a.leave("x");
  assert.deepEqual([...members].sort(), [b.id, c.id].sort());
  assert.deepEqual([rooms.size, rooms.has("x")], [2, false]);
  assert.deepEqual([adapter.rooms.has("y"), adapter.rooms.has("z"), adapter.sids.has(a.id)], [true, false, true]);
  assert.deepEqual([adapter.rooms.size, adapter.sids.size], [5, 3]);
  assert.deepEqual([...adapter.rooms.keys()].sort(), [a.id, b.id, c.id, "x", "y"].sort());
  assert.deepEqual(
    [...adapter.sids].map(([id, rooms]) => rooms.has(id)),
    [true, true, true],
  );
  assert.deepEqual([...adapter.rooms.values()].map(({ size }) => size).sort(), [1, 1, 1, 1, 2]);
  const gone = event(a, "disconnect");
  a.disconnect();
  await gone;
  assert.equal(a.rooms.size, 0);
  assert.equal(adapter.rooms.get("y"), undefined);
  // Who took the set with it, as `disconnecting` listeners do, still knows where the socket was.
  assert.deepEqual([...rooms].sort(), [a.id, "y"].sort());
});

test("the adapter tells of rooms", async (t) => {
  const server = await start(t);
  const { io } = server;
  const { adapter } = io.sockets;
  const log = [];
  const names = new Map();
  const name = (id) => names.get(id) ?? id;
  for (const event of ["create-room", "join-room", "leave-room", "delete-room"]) {
    adapter.on(event, (...args) => log.push(`${event} ${args.map(name).join(" ")}`));
  }
  io.use((socket, next) => {
    names.set(socket.id, names.size === 0 ? "A" : "B");
    socket.join("early");
    next();
  });
  const { socket: a } = await server.pair();
  const { socket: b } = await server.pair();
  a.join(["x", "y"]);
  b.join("x");
  b.join("x");
  a.leave("x");
  a.leave("x");
  b.leave("x");
  a.disconnect();
  assert.deepEqual(log, [
    "create-room early",
    "join-room early A",
    "create-room A",
    "join-room A A",
    "join-room early B",
    "create-room B",
    "join-room B B",
    "create-room x",
    "join-room x A",
    "create-room y",
    "join-room y A",
    "join-room x B",
    "leave-room x A",
    "leave-room x B",
    "delete-room x",
    ...log.slice(15),
  ]);
  assert.deepEqual(
    log.slice(15).sort(),
    ["leave-room early A", "leave-room A A", "delete-room A", "leave-room y A", "delete-room y"].sort(),
  );
});

test("the adapter's own methods", async (t) => {
  const { io, people } = await three(t);
  const { adapter } = io.sockets;
  const [{ socket: a, client }, { socket: b }, { socket: c }] = people;
  adapter.addAll(a.id, new Set(["x", "y"]));
  adapter.addSockets({ rooms: new Set([b.id, c.id]), except: new Set([c.id]) }, ["x"]);
  assert.deepEqual([...adapter.socketRooms(a.id)].sort(), [a.id, "x", "y"].sort());
  assert.equal(adapter.socketRooms("nobody"), undefined);
  assert.deepEqual([...(await adapter.sockets(new Set(["x"])))].sort(), [a.id, b.id].sort());
  assert.deepEqual(await adapter.fetchSockets({ rooms: new Set(["x"]), except: new Set(["y"]) }), [b]);
  assert.equal(await adapter.serverCount(), 1);
  const got = event(client, "hello");
  adapter.broadcast({ type: 2, data: ["hello", 1] }, { rooms: new Set(["y"]), except: new Set(), flags: {} });
  assert.deepEqual(await got, [1]);
  client.on("who", (done) => done("a", "ignored"));
  const counts = [];
  const ack = await new Promise((resolve) => {
    const opts = { rooms: new Set(["y"]), except: new Set(), flags: { timeout: 60_000 } };
    adapter.broadcastWithAck({ type: 2, data: ["who"] }, opts, (count) => counts.push(count), resolve);
  });
  assert.deepEqual([ack, counts], ["a", [1]]);
  adapter.del(a.id, "x");
  adapter.delSockets({ rooms: new Set(), except: new Set([c.id]) }, ["y"]);
  assert.deepEqual([...a.rooms], [a.id]);
  adapter.delAll(b.id);
  assert.ok(!b.rooms.has("x"));
  const gone = event(people[2].client, "disconnect");
  adapter.disconnectSockets({ rooms: new Set([c.id]), except: new Set() }, true);
  assert.deepEqual((await gone)[0], "io server disconnect");
});

test("an operator shows what it means", async (t) => {
  const { io } = await start(t);
  const operator = io.to("a").except(["b", "c"]).volatile.timeout(5);
  assert.deepEqual(
    [operator.rooms, operator.exceptRooms, operator.flags],
    [new Set(["a"]), new Set(["b", "c"]), { volatile: true, timeout: 5 }],
  );
});

test("fetchSockets gives the sockets themselves; data is theirs", async (t) => {
  const { io, sockets } = await three(t);
  sockets[1].data.name = "b";
  const found = (await io.fetchSockets()).find(({ data }) => data.name === "b");
  assert.equal(found, sockets[1]);
});

test("socketsJoin, socketsLeave, disconnectSockets", async (t) => {
  const { io, people, sockets, heard } = await three(t);
  const [a, b, c] = sockets;
  io.socketsJoin(["all", "every"]);
  io.in(a.id).socketsJoin("some");
  b.to("some").socketsLeave("every");
  io.to("all").emit("m", "all");
  io.to("some").emit("m", "some");
  io.to("every").emit("m", "every");
  assert.deepEqual(await heard(), { a: ["all", "some"], b: ["all", "every"], c: ["all", "every"] });
  const gone = Promise.all(people.slice(1).map(({ client }) => event(client, "disconnect")));
  io.in("every").disconnectSockets();
  assert.deepEqual([a.connected, b.connected, c.connected], [true, false, false]);
  assert.deepEqual(
    (await gone).map(([reason]) => reason),
    ["io server disconnect", "io server disconnect"],
  );
});

test("operators are immutable", async (t) => {
  const { io, sockets, heard } = await three(t);
  sockets[0].join("x");
  const everybody = io.except("y");
  everybody.to("x").emit("m", "x");
  everybody.emit("m", "all");
  assert.deepEqual(await heard(), { a: ["x", "all"], b: ["all"], c: ["all"] });
});

test("flags of a socket last for one emit", async (t) => {
  const { people, sockets } = await three(t);
  const { client } = people[0];
  client.on("ask", (done) => done("answer"));
  assert.deepEqual(await answer((done) => sockets[0].timeout(60_000).emit("ask", done)), [null, "answer"]);
  assert.deepEqual(await answer((done) => sockets[0].emit("ask", done)), ["answer"]);
});
