// `socket.conn`: one Engine.IO connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ask, openPoll, POLL, WEBSOCKET } from "./http.mjs";
import { event, isOriginal, settled, start } from "./support.mjs";

/** A WebSocket that speaks Engine.IO by hand. */
async function bare(t, server, path = WEBSOCKET) {
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${path}`);
  t.after(() => ws.terminate());
  const inbox = [];
  let wake = () => {};
  ws.on("message", (data, binary) => {
    inbox.push(binary ? data : String(data));
    wake();
  });
  await event(ws, "open");
  return {
    ws,
    async next() {
      while (inbox.length === 0) await new Promise((resolve) => (wake = resolve));
      return inbox.shift();
    },
  };
}

for (const path of ["polling", "websocket"]) {
  test(`${path}: every packet of a connection, from the first on`, async (t) => {
    const server = await start(t, {}, { path });
    const log = [];
    let whole;
    const all = new Promise((resolve) => (whole = resolve));
    const told = (name) => (packet) => {
      if (log.push([name, packet.type, packet.data]) === 12) whole();
    };
    server.io.engine.on("connection", (conn) => {
      conn.on("packet", told("packet"));
      conn.on("packetCreate", told("packetCreate"));
      conn.on("data", (data) => log.push(["data", data]));
      conn.on("message", (data) => log.push(["message", data]));
    });
    const { client, socket } = await server.pair();
    socket.on("echo", (value, done) => done(value));
    const bytes = Buffer.from([1, 2]);
    const answered = new Promise((resolve) => client.emit("echo", bytes, resolve));
    assert.deepEqual(Buffer.from(await answered), bytes);
    await all;
    const connect = `0{"sid":"${socket.id}"}`;
    const heard = (text) => [
      ["packet", "message", text],
      ["data", text],
      ["message", text],
    ];
    assert.deepEqual(log, [
      ...heard("0"),
      ["packetCreate", "message", connect],
      ...heard('51-0["echo",{"_placeholder":true,"num":0}]'),
      ...heard(bytes),
      ["packetCreate", "message", '61-0[{"_placeholder":true,"num":0}]'],
      ["packetCreate", "message", bytes],
    ]);
  });
}

test("packets are told as long as somebody listens", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  const log = [];
  const listener = ({ data }) => log.push(data);
  socket.conn.once("packet", ({ type }) => log.push(type));
  socket.conn.prependListener("packet", listener);
  await settled(client, socket);
  assert.equal(log.indexOf("message"), 1); // behind the one that was put before it
  log.length = 0;
  client.emit("a");
  await settled(client, socket);
  assert.equal(log[0], '2["a"]');
  const { length } = log;
  socket.conn.off("packet", listener);
  client.emit("b");
  await settled(client, socket);
  assert.equal(log.length, length);
  socket.conn.on("packet", listener);
  await settled(client, socket);
  log.length = 0;
  client.emit("c");
  await settled(client, socket);
  assert.equal(log[0], '2["c"]');
  socket.conn.removeAllListeners("packet");
  await settled(client, socket);
});

test("heartbeats", async (t) => {
  const server = await start(t, { pingInterval: 50 });
  const { socket } = await server.pair();
  const created = event(socket.conn, "packetCreate");
  const came = event(socket.conn, "packet");
  await event(socket.conn, "heartbeat");
  assert.deepEqual([(await created)[0].type, (await came)[0].type], ["ping", "pong"]);
});

test("messages of one's own, and whether they have left", async (t) => {
  const server = await start(t);
  const opened = event(server.io.engine, "connection");
  const { next } = await bare(t, server);
  const [conn] = await opened;
  assert.match(await next(), /^0/);
  assert.equal(conn.send("text"), conn);
  assert.equal(await next(), "4text");
  conn.write(Buffer.from([1, 2]), { compress: true });
  assert.deepEqual(await next(), Buffer.from([1, 2]));
  conn.write(new Uint8Array([3]).buffer);
  assert.deepEqual(await next(), Buffer.from([3]));
  const [transport] = await new Promise((resolve) => conn.send("last", (...args) => resolve(args)));
  assert.equal(transport, conn.transport);
  assert.equal(await next(), "4last");
  const [again] = await new Promise((resolve) => conn.write("end", {}, (...args) => resolve(args)));
  assert.equal(again, conn.transport);
});

test("what is written to a poll leaves with the poll", async (t) => {
  const server = await start(t);
  const opened = event(server.io.engine, "connection");
  const { path } = await openPoll(server);
  const [conn] = await opened;
  assert.equal(conn.transport.writable, false);
  const log = [];
  conn.on("packetCreate", ({ data }) => log.push(`created ${data}`));
  conn.on("flush", (packets) => log.push(`flush ${packets.map(({ data }) => data)}`));
  conn.on("drain", () => log.push("drain"));
  server.io.engine.on("flush", (flushed, packets) => log.push(`${flushed === conn} ${packets.length}`));
  server.io.engine.on("drain", (drained) => log.push(drained === conn));
  const drained = event(server.io.engine, "drain");
  conn.write("a");
  const written = new Promise((resolve) => conn.write("b", resolve));
  assert.equal((await ask(server, path)).text, "4a\x1e4b");
  await Promise.all([written, drained]);
  assert.deepEqual(log, ["created a", "created b", "flush a,b", "true 2", "drain", true]);
  assert.deepEqual(conn.writeBuffer, []);
  const waiting = ask(server, path);
  while (!conn.transport.writable) await new Promise(setImmediate);
  conn.write("c");
  assert.equal((await waiting).text, "4c");
});

test("a packet for every client, right behind the open packet", async (t) => {
  for (const [initialPacket, polled, framed] of [
    ["hello", "4hello", "4hello"],
    [Buffer.from([1, 2, 3]), "bAQID", Buffer.from([1, 2, 3])],
  ]) {
    const server = await start(t, { initialPacket });
    const { next } = await bare(t, server);
    assert.match(await next(), /^0/);
    assert.deepEqual(await next(), framed);
    assert.equal((await ask(server, POLL)).text.split("\x1e")[1], polled);
  }
});

test("the move to a WebSocket", async (t) => {
  const server = await start(t);
  const opened = event(server.io.engine, "connection");
  const { path } = await openPoll(server);
  const [conn] = await opened;
  assert.deepEqual([conn.upgrading, conn.upgraded, conn.transport.name], [false, false, "polling"]);
  const begins = event(conn, "upgrading");
  const moved = event(conn, "upgrade");
  const { ws, next } = await bare(t, server, path.replace("polling", "websocket"));
  ws.send("2probe");
  assert.equal(await next(), "3probe");
  const [candidate] = await begins;
  assert.deepEqual([candidate.name, conn.transport.name, conn.upgrading], ["websocket", "polling", true]);
  const poll = ask(server, path);
  await poll;
  ws.send("5");
  const [transport] = await moved;
  assert.equal(transport, conn.transport);
  assert.deepEqual([conn.upgrading, conn.upgraded, conn.transport.name], [false, true, "websocket"]);
});

test("a WebSocket that does not take over leaves things as they were", async (t) => {
  const server = await start(t);
  const opened = event(server.io.engine, "connection");
  const { path } = await openPoll(server);
  const [conn] = await opened;
  const { ws, next } = await bare(t, server, path.replace("polling", "websocket"));
  ws.send("2probe");
  assert.equal(await next(), "3probe");
  assert.equal(conn.upgrading, true);
  ws.terminate();
  while (conn.upgrading) await new Promise(setImmediate);
  assert.deepEqual([conn.upgraded, conn.readyState, conn.transport.name], [false, "open", "polling"]);
});

test("the life of a connection, and why it ended", async (t) => {
  const server = await start(t);
  for (const [end, reason] of [
    [(conn) => conn.close(), "forced close"],
    [(_, ws) => ws.close(), "transport close"],
    [(_, ws) => ws.send("nonsense"), "parse error"],
    [(_, ws) => ws.send("2"), "transport error"],
  ]) {
    const opened = event(server.io.engine, "connection");
    const { ws } = await bare(t, server);
    const [conn] = await opened;
    assert.equal(conn.readyState, "open");
    const closed = event(conn, "close");
    end(conn, ws);
    const [why, description] = await closed;
    assert.equal(why, reason);
    assert.equal(conn.readyState, "closed");
    if (reason === "transport error") {
      assert.ok(description instanceof Error);
      assert.equal(description.message, "invalid heartbeat direction");
    } else {
      assert.equal(description, undefined);
    }
    conn.send("too late", () => assert.fail("it was not sent"));
    conn.close();
  }
  assert.equal(server.io.engine.clientsCount, 0);
});

test("what was sent before a disconnect reaches the last poll", async (t) => {
  const server = await start(t);
  const { path } = await openPoll(server);
  const accepted = event(server.io, "connection");
  await ask(server, path, { method: "POST", body: "40" });
  const [socket] = await accepted;
  await ask(server, path);
  const gone = event(socket, "disconnect");
  socket.emit("last");
  socket.disconnect(true);
  await gone;
  await new Promise(setImmediate);
  assert.ok((await ask(server, path)).text.startsWith(`42["last"]\x1e41`));
  assert.match((await ask(server, path)).text, /1$/); // the end itself
});

test("a message over the limit ends the connection, and says so", async (t) => {
  const server = await start(t, { maxHttpBufferSize: 1000 });
  const { client, socket } = await server.pair();
  const gone = event(socket, "disconnect");
  client.emit("long", "x".repeat(2000));
  const [reason, description] = await gone;
  assert.equal(reason, "transport error");
  assert.match(description.message, /[Mm]ax payload size exceeded/);
});

test("the request of a session may be dropped", async (t) => {
  const server = await start(t);
  server.io.engine.on("connection", (conn) => {
    conn.request = null;
  });
  const { client, socket } = await server.pair();
  await settled(client, socket);
  assert.equal(socket.request, null);
  assert.deepEqual(socket.handshake.headers, {});
  assert.equal(socket.conn.remoteAddress, "127.0.0.1");
  client.disconnect();
  await event(socket, "disconnect");
});

test("options may change while the server runs", async (t) => {
  const server = await start(t, { allowRequest: (_, done) => done(null, true) });
  const { opts } = server.io.engine;
  const open = async (query = POLL) => JSON.parse((await ask(server, query)).text.slice(1));
  opts.pingInterval = 30;
  opts.pingTimeout = 4321;
  opts.maxHttpBufferSize = 77;
  opts.allowUpgrades = false;
  const { sid, ...told } = await open();
  assert.deepEqual(told, { upgrades: [], pingInterval: 30, pingTimeout: 4321, maxPayload: 77 });
  assert.equal(server.io.engine.clients[sid].readyState, "open");
  assert.equal((await ask(server, `${POLL}&sid=${sid}`)).text, "2");
  assert.equal((await ask(server, `${POLL}&sid=${sid}`, { method: "POST", body: "x".repeat(78) })).status, 413);
  opts.transports = ["websocket"];
  assert.equal((await ask(server, POLL)).status, 400);
  opts.transports = ["polling", "websocket"];
  const old = "/socket.io/?EIO=3&transport=polling";
  assert.equal((await ask(server, old)).status, 400);
  opts.allowEIO3 = true;
  assert.equal((await ask(server, old)).status, 200);
  opts.allowRequest = (_, done) => done("closed", false);
  assert.equal((await ask(server, POLL)).status, 403);
  opts.allowRequest = undefined;
  opts.cookie = { name: "later", path: "/", httpOnly: true, sameSite: "lax" };
  const { headers } = await ask(server, POLL);
  assert.match(headers["set-cookie"][0], /^later=/);
});

test("what waits for a client, and when it has left", { skip: isOriginal && "socket.io has neither" }, async (t) => {
  const server = await start(t);
  const { path } = await openPoll(server);
  const accepted = event(server.io, "connection");
  await ask(server, path, { method: "POST", body: "40" });
  const [socket] = await accepted;
  await ask(server, path);
  await socket.drain(); // nothing to wait for
  assert.equal(socket.bufferedAmount, 0);
  socket.emit("long", "x".repeat(10_000));
  assert.ok(socket.bufferedAmount > 10_000);
  let left = false;
  const drained = socket.drain().then(() => {
    left = true;
  });
  await new Promise((resolve) => socket.conn._engine.write([], [], 0, resolve)); // the engine has seen all of it
  assert.equal(left, false);
  assert.equal(socket.conn.transport.writable, false);
  assert.match((await ask(server, path)).text, /^42\["long","x+"\]$/);
  await drained;
  assert.equal(socket.bufferedAmount, 0);

  socket.emit("lost");
  const over = socket.drain();
  socket.disconnect(true);
  await ask(server, path);
  await over;
  await socket.drain();
  assert.equal(socket.bufferedAmount, 0);
});

test("one who sends without end can wait for a slow client", { skip: isOriginal && "as above" }, async (t) => {
  const server = await start(t, {}, { path: "websocket" });
  const { client, socket } = await server.pair();
  let received = 0;
  client.on("part", ({ length }) => (received += length));
  const part = Buffer.alloc(1 << 20);
  for (let n = 0; n < 64; n++) {
    socket.emit("part", part);
    if (socket.bufferedAmount > 4 << 20) await socket.drain();
  }
  await settled(client, socket);
  assert.equal(received, 64 << 20);
});
