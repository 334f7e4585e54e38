// Connection state recovery: a client whose connection breaks comes back to its id, rooms, data and missed events.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { event, isOriginal, PATHS, Server, settled, start } from "./support.mjs";

const ON = { connectionStateRecovery: {} };
const AGAIN = { reconnection: true, reconnectionDelay: 1, reconnectionDelayMax: 10, randomizationFactor: 0 };

/** A client that comes back by itself, with one event received, and its socket. */
async function pair(server, namespace = "/", more = {}) {
  const { client, socket } = await server.pair(namespace, { ...AGAIN, ...more });
  const first = event(client, "first");
  socket.emit("first");
  await first;
  return { client, socket };
}

/** Breaks the client's connection; `away` is called while it is away. The server's socket after it. */
async function broken(server, client, socket, away = () => {}) {
  client.io.reconnection(false);
  const left = event(socket, "disconnect");
  client.io.engine.close();
  await left;
  await away();
  client.io.reconnection(true);
  const back = event(server.io.of(client.nsp), "connection");
  const connected = event(client, "connect");
  client.connect();
  const [again] = await back;
  await connected;
  return again;
}

/** What the client hears, without offsets. */
function heard(client) {
  const list = [];
  client.onAny((...args) => list.push(args.slice(0, -1)));
  return list;
}

for (const path of PATHS) {
  describe(`recovery over ${path}`, () => {
    test("id, rooms, data and what was missed", async (t) => {
      const server = await start(t, ON, { path });
      const { client, socket } = await pair(server);
      assert.equal(socket.recovered, false);
      assert.equal(client.recovered, false);
      socket.join(["room", "other"]);
      socket.data.name = "Ada";
      const { data, id } = socket;
      socket.on("disconnecting", () => socket.leave("other"));
      const list = heard(client);
      const order = [];
      client.on("two", () => order.push("event"));
      client.on("connect", () => order.push("connect"));
      const again = await broken(server, client, socket, () => {
        server.io.emit("one", 1);
        server.io.to("room").emit("two", { a: "b" });
        server.io.to("other").emit("not for it");
        server.io.except("room").emit("nor this");
        server.io.to(id).emit("three", Buffer.from("bytes"));
        socket.emit("four");
      });
      assert.equal(again.recovered, true);
      assert.equal(client.recovered, true);
      assert.notEqual(again, socket);
      assert.equal(again.id, id);
      assert.equal(client.id, id);
      assert.equal(again.data, data);
      assert.deepEqual([...again.rooms].sort(), [id, "room"].sort());
      await settled(client, again);
      const names = ["one", "two", "three", "four"];
      const events = list.filter(([name]) => names.includes(name) || name.startsWith("no"));
      assert.deepEqual(
        events.map(([name, value]) => (Buffer.isBuffer(value) ? [name, String(value)] : [name, value])),
        [
          ["one", 1],
          ["two", { a: "b" }],
          ["three", "bytes"],
          ["four", undefined],
        ],
      );
      assert.deepEqual(order, ["event", "connect"]);
      assert.equal(server.io.sockets.sockets.size, 1);
      assert.equal(server.io.sockets.sockets.get(id), again);
    });

    test("again and again", async (t) => {
      const server = await start(t, ON, { path });
      const { client, socket } = await pair(server);
      const list = heard(client);
      let current = socket;
      for (let round = 0; round < 4; round++) {
        current = await broken(server, client, current, () => server.io.emit("round", round));
        assert.equal(current.recovered, true);
        assert.equal(current.id, socket.id);
      }
      await settled(client, current);
      assert.deepEqual(
        list.filter(([name]) => name === "round").map(([, round]) => round),
        [0, 1, 2, 3],
      );
    });
  });
}

describe("recovery", () => {
  test("the last argument is the offset, for listeners and for outgoing catch-alls", async (t) => {
    const server = await start(t, ON);
    const { client, socket } = await pair(server);
    const out = [];
    socket.onAnyOutgoing((...args) => out.push(args));
    const seen = [];
    client.onAny((...args) => seen.push(args));
    const volatile = event(client, "volatile");
    socket.volatile.emit("volatile", 2);
    await volatile;
    socket.emit("single", 1);
    server.io.emit("all");
    socket.emit("ack", 3, () => {});
    server.io.to(socket.id).emit("room", { a: [] });
    await settled(client, socket);
    const offsets = [];
    for (const list of [out, seen]) {
      const known = list.filter(([name]) => name !== "settled?");
      assert.deepEqual(
        known.map(([name]) => name),
        ["volatile", "single", "all", "ack", "room"],
      );
      assert.deepEqual(
        known.map((args) => args.length),
        [2, 3, 2, name(list, "ack").length, 3],
      );
      assert.equal(name(list, "volatile")[1], 2);
      offsets.push(["single", "all", "room"].map((event) => name(list, event).at(-1)));
    }
    assert.deepEqual(offsets[0], offsets[1]);
    for (const offset of offsets[0]) assert.match(offset, /^[\w-]+(\.[\w-]+)?$/);
    assert.equal(new Set(offsets[0]).size, 3);
  });

  test("a socket that is away is sent to by its old object", async (t) => {
    const server = await start(t, ON);
    const { client, socket } = await pair(server);
    const list = heard(client);
    const again = await broken(server, client, socket, () => {
      socket.emit("kept", 1);
      socket.volatile.emit("lost", 2);
      socket.emit("lost too", () => {});
    });
    // Its id is the new one's.
    socket.emit("here", 3);
    await settled(client, again);
    assert.deepEqual(
      list.filter(([name]) => name !== "settled?"),
      [
        ["kept", 1],
        ["here", 3],
      ],
    );
  });

  test("who left of his own accord, or was sent away, starts anew", async (t) => {
    const server = await start(t, ON);
    const { client, socket } = await pair(server);
    socket.data.old = true;
    const back = event(server.io, "connection");
    client.disconnect().connect();
    const [again] = await back;
    await event(client, "connect");
    assert.equal(again.recovered, false);
    assert.notEqual(again.id, socket.id);
    assert.deepEqual(again.data, {});

    const gone = event(client, "disconnect");
    again.disconnect();
    assert.deepEqual((await gone)[0], "io server disconnect");
    const third = event(server.io, "connection");
    client.connect();
    assert.equal((await third)[0].recovered, false);
  });

  test("the server closes the connection below", async (t) => {
    const server = await start(t, ON);
    const { client, socket } = await pair(server);
    const back = event(server.io, "connection");
    socket.conn.close();
    const [again] = await back;
    assert.equal(again.recovered, true);
    await event(client, "connect");
    assert.equal(client.id, socket.id);
  });

  test("each namespace by itself", async (t) => {
    const server = await start(t, ON);
    server.io.of("/other");
    const manager = server.manager(AGAIN);
    const joined = ["/", "/other"].map((name) => event(server.io.of(name), "connection"));
    const clients = ["/", "/other"].map((name) => manager.socket(name));
    const sockets = (await Promise.all(joined)).map(([socket]) => socket);
    for (const [at, socket] of sockets.entries()) {
      const first = event(clients[at], "first");
      socket.emit("first");
      await first;
    }
    const lists = clients.map(heard);
    const left = sockets.map((socket) => event(socket, "disconnect"));
    manager.reconnection(false);
    manager.engine.close();
    await Promise.all(left);
    server.io.emit("main");
    server.io.of("/other").emit("other");
    const back = ["/", "/other"].map((name) => event(server.io.of(name), "connection"));
    manager.reconnection(true);
    for (const client of clients) client.connect();
    const again = (await Promise.all(back)).map(([socket]) => socket);
    assert.deepEqual(
      again.map(({ recovered, id }) => [recovered, id]),
      sockets.map(({ id }) => [true, id]),
    );
    for (const at of [0, 1]) await settled(clients[at], again[at]);
    assert.deepEqual(lists[0][0], ["main"]);
    assert.deepEqual(lists[1][0], ["other"]);
  });

  test("middlewares are skipped", async (t) => {
    const server = await start(t, ON);
    let asked = 0;
    server.io.use((_socket, next) => {
      asked++;
      next();
    });
    const { client, socket } = await pair(server);
    await broken(server, client, socket);
    assert.equal(asked, 1);
  });

  test("middlewares are asked if they are to be, and may refuse", async (t) => {
    const server = await start(t, { connectionStateRecovery: { skipMiddlewares: false } });
    let refuse = false;
    const asked = [];
    server.io.use((socket, next) => {
      asked.push([socket.recovered, socket.data.name]);
      next(refuse ? new Error("not now") : undefined);
    });
    const { client, socket } = await pair(server);
    socket.data.name = "Ada";
    const again = await broken(server, client, socket, async () => {
      refuse = true;
      const refused = event(client, "connect_error");
      client.connect();
      assert.equal((await refused)[0].message, "not now");
      refuse = false;
      client.disconnect();
    });
    assert.deepEqual(asked, [
      [false, undefined],
      [true, "Ada"],
      [true, "Ada"],
    ]);
    assert.equal(again.recovered, true);
    assert.equal(again.data.name, "Ada");
  });

  test("the option gets its defaults", async (t) => {
    const { io } = await start(t, { connectionStateRecovery: { maxDisconnectionDuration: 1000 } });
    assert.deepEqual(io._opts?.connectionStateRecovery ?? io.opts.connectionStateRecovery, {
      maxDisconnectionDuration: 1000,
      skipMiddlewares: true,
    });
  });

  test("without the option nothing changes", async (t) => {
    const server = await start(t);
    const { client, socket } = await server.pair("/", AGAIN);
    const seen = event(client, "plain");
    socket.emit("plain", 1);
    assert.deepEqual(await seen, [1]);
    const again = await broken(server, client, socket);
    assert.equal(again.recovered, false);
    assert.notEqual(again.id, socket.id);
  });
});

// What the original loses.
describe("recovery where socket.io has none", { skip: isOriginal }, () => {
  test("of a client that has had no event", async (t) => {
    const server = await start(t, ON);
    const { client, socket } = await server.pair("/", AGAIN);
    const list = heard(client);
    const again = await broken(server, client, socket, () => server.io.emit("missed"));
    assert.equal(again.recovered, true);
    await settled(client, again);
    assert.deepEqual(list[0], ["missed"]);
  });

  test("of a client whose connection is half dead", async (t) => {
    const server = await start(t, ON);
    const events = [];
    server.io.on("connection", (socket) => {
      events.push(`${socket.recovered ? "back" : "new"} ${socket.data.name}`);
      socket.data.name = "Ada";
      socket.on("disconnecting", (reason) => events.push(`disconnecting: ${reason}`));
    });
    const first = await raw(server.url, {});
    const second = await raw(server.url, { pid: first.pid });
    assert.equal(second.sid, first.sid);
    await first.closed;
    assert.deepEqual(events, ["new undefined", "disconnecting: forced close", "back Ada"]);
    assert.equal(server.io.sockets.sockets.size, 1);
    const [socket] = await server.io.fetchSockets();
    assert.equal(socket.connected, true);
    const echoed = second.next();
    server.io.to(first.sid).emit("still there");
    assert.match(await echoed, /^42\["still there","/);
    second.ws.close();
  });

  test("what a catch-all emits in between keeps its place", async (t) => {
    const server = await start(t, ON);
    const { client, socket } = await pair(server);
    socket.onAnyOutgoing((name, ...args) => {
      if (name === "outer") socket.emit("inner", ...args.slice(0, 1));
    });
    const list = heard(client);
    socket.emit("before");
    socket.emit("outer", 1);
    server.io.emit("outer", 2);
    await settled(client, socket);
    const again = await broken(server, client, socket);
    await settled(client, again);
    const count = (event) => list.filter(([name]) => name === event).length;
    assert.deepEqual(["before", "outer", "inner"].map(count), [1, 2, 2]);
  });

  test("an expired session is told", async (t) => {
    const server = await start(t, { connectionStateRecovery: { maxDisconnectionDuration: 1 } });
    const { client, socket } = await pair(server);
    client.io.reconnection(false);
    socket.join(["room", 7]);
    socket.data.name = "Ada";
    const expired = event(server.io, "session_expired");
    client.io.engine.close();
    const [session] = await expired;
    assert.equal(session.id, socket.id);
    assert.deepEqual(session.data, { name: "Ada" });
    assert.deepEqual(session.rooms, new Set([socket.id, "room", 7]));
    client.io.reconnection(true);
    const back = event(server.io, "connection");
    client.connect();
    assert.equal((await back)[0].recovered, false);
  });

  test("a namespace made for a client stays as long as it may come back", async (t) => {
    const server = await start(t, { ...ON, cleanupEmptyChildNamespaces: true });
    const parent = server.io.of(/^\/room-\d$/);
    const made = event(server.io, "new_namespace");
    const joined = event(parent, "connection");
    const client = server.client("/room-1", AGAIN);
    const [namespace] = await made;
    const [socket] = await joined;
    socket.data.name = "Ada";
    await event(client, "connect");
    const again = await broken(server, client, socket, () => namespace.emit("missed"));
    assert.equal(again.nsp, namespace);
    assert.equal(again.data.name, "Ada");
    client.disconnect();
    await event(again, "disconnect");
    assert.equal(server.io._nsps.has("/room-1"), false);
  });

  test("a duration that is no time is refused at once", () => {
    for (const maxDisconnectionDuration of [Infinity, NaN, -1, "1000", 2 ** 31]) {
      assert.throws(() => new Server({ connectionStateRecovery: { maxDisconnectionDuration } }), RangeError);
    }
  });
});

function name(list, event) {
  return list.find(([name]) => name === event);
}

/** A client by hand, which has joined the main namespace. */
async function raw(url, auth) {
  const ws = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  const next = async () => String((await once(ws, "message"))[0]);
  assert.match(await next(), /^0/);
  const answered = next();
  ws.send(`40${JSON.stringify(auth)}`);
  const answer = await answered;
  return { ws, next, closed: ws.readyState === ws.CLOSED || once(ws, "close"), ...JSON.parse(answer.slice(2)) };
}
