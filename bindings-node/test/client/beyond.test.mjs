// Where the client means to differ from the original: see DIFFERENCES.md.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
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

test("a refusal without a reason is no packet", ours, async (t) => {
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
  const [reason, details] = await event(client, "disconnect");
  assert.equal(reason, "parse error");
  assert.ok(details instanceof Error);
});

test("a poll that is not answered in time is an error of the transport", ours, async (t) => {
  const server = createServer(() => {}).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = connect(`http://127.0.0.1:${server.address().port}`, {
    transports: ["polling"],
    requestTimeout: 50,
    reconnection: false,
    forceNew: true,
  });
  t.after(() => client.disconnect());
  const [error] = await event(client, "connect_error");
  assert.deepEqual([error.type, error.message, error.description], ["TransportError", "xhr poll error", 0]);
  assert.match(error.context.responseText, /no answer within 50 ms/);
});

test("what comes just before the end of a connection comes in its order", ours, async (t) => {
  const server = new WebSocketServer({ port: 0 });
  t.after(() => server.close());
  server.on("connection", (socket) => {
    socket.send('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
    socket.on("message", () => {
      socket._socket.cork();
      socket.send('40{"sid":"me"}');
      socket.send('42["last",1]');
      socket.send("42{"); // none
      socket._socket.uncork();
    });
  });
  const client = connect(`http://127.0.0.1:${server.address().port}`, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
  });
  t.after(() => client.disconnect());
  const seen = [];
  client.on("connect", () => seen.push("connect"));
  client.onAny((...args) => seen.push(args));
  const [reason, details] = await event(client, "disconnect");
  assert.deepEqual(seen, ["connect", ["last", 1]]);
  assert.equal(reason, "parse error");
  assert.ok(details instanceof Error);
});

test("heartbeats are answered while the program is busy", ours, async (t) => {
  const server = await start(t, { pingInterval: 100, pingTimeout: 2400 });
  server.io.on("connection", (socket) => socket.on("busy", () => socket.emit("still", "here")));
  // Its own process, for the server has to go on.
  const program = `
    import { connect } from "./test/client/support.mjs";
    const client = connect(${JSON.stringify(server.url)}, { transports: ["websocket"], reconnection: false });
    client.on("connect", () => {
      const until = Date.now() + 3000;
      while (Date.now() < until);
      client.emit("busy");
    });
    client.on("still", (word) => { console.log(word); client.disconnect(); });
    client.on("disconnect", (reason) => console.log(reason));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: new URL("../..", import.meta.url),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  await event(child, "close");
  assert.equal(output, "here\nio client disconnect\n");
});

test("who awaits one event and then listens for the next one does not miss it", ours, async (t) => {
  const server = await start(t);
  server.io.on("connection", (socket) => {
    for (let n = 0; n < 50; n++) socket.emit(`n${n}`, n);
  });
  const client = server.client("/", { transports: ["websocket"] });
  await event(client, "connect");
  for (let n = 0; n < 50; n++) assert.deepEqual(await event(client, `n${n}`), [n]);
});

test("a Manager that is opened by hand while it waits to come back goes on coming back", ours, async (t) => {
  const server = await start(t);
  const { client } = await server.pair("/", {
    reconnection: true,
    reconnectionDelay: 60_000,
    transports: ["websocket"],
  });
  const { io: manager } = client;
  manager.reconnectionDelayMax(60_000);
  for (let round = 0; round < 2; round++) {
    const gone = event(client, "disconnect");
    manager.engine.close();
    await gone;
    const back = event(manager, "reconnect");
    manager.open();
    await Promise.all([back, event(client, "connect")]);
  }
  const gone = event(client, "disconnect");
  manager.engine.close();
  await gone;
  assert.equal(manager._reconnecting, true);
});
