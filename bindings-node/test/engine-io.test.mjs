// `ferrio/engine`, the Engine.IO layer by itself. FERRIO_TEST_MODULE=socket.io plays it against npm's engine.io.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Socket as Client } from "engine.io-client";
import { WebSocket } from "ws";
import { event, isOriginal } from "./support.mjs";

const require = createRequire(import.meta.url);
const eio = isOriginal ? require("engine.io") : require("ferrio/engine");

const only = { skip: isOriginal && "engine.io has nothing of the kind" };

async function serve(t, options = {}) {
  const http = createServer((_, res) => res.end("the program's"));
  const server = eio.attach(http, options);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const url = `http://127.0.0.1:${http.address().port}`;
  t.after(() => {
    server.close();
    http.closeAllConnections?.();
    http.close();
  });
  return {
    server,
    http,
    url,
    async open(transports = ["websocket"]) {
      const accepted = event(server, "connection");
      const client = new Client(url, { transports });
      t.after(() => client.close());
      await event(client, "open");
      const [socket] = await accepted;
      if (transports.length > 1 && !socket.upgraded) await event(socket, "upgrade");
      return { client, socket };
    },
  };
}

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  test(`${transports.join(" then ")}: messages in both directions`, async (t) => {
    const { server, open } = await serve(t);
    const { client, socket } = await open(transports);
    assert.ok(server instanceof eio.Server);
    assert.ok(socket instanceof eio.Socket);
    assert.equal(socket.id, client.id);
    assert.equal(server.clients[socket.id], socket);
    assert.deepEqual([server.clientsCount, socket.protocol, socket.readyState], [1, 4, "open"]);
    assert.equal(socket.transport.name, transports.at(-1));
    const up = [];
    const arrived = new Promise((resolve) => socket.on("message", (data) => up.push(data) === 3 && resolve()));
    client.send("text ü");
    client.send(Buffer.from([1, 2]));
    client.send("last");
    await arrived;
    assert.deepEqual(up, ["text ü", Buffer.from([1, 2]), "last"]);
    const down = [];
    const came = new Promise((resolve) => client.on("message", (data) => down.push(data) === 3 && resolve()));
    const sent = new Promise((resolve) => socket.send("one", {}, resolve));
    socket.write(Buffer.from("two")).send("three");
    await came;
    assert.deepEqual([down[0], Buffer.from(down[1]).toString(), down[2]], ["one", "two", "three"]);
    assert.equal((await sent).name, transports.at(-1));
  });
}

test("events of a socket", async (t) => {
  const { server, open } = await serve(t);
  const log = [];
  server.on("connection", (socket) => {
    socket.on("packet", ({ type, data }) => log.push(`packet ${type} ${data}`));
    socket.on("packetCreate", ({ type, data }) => log.push(`packetCreate ${type} ${data}`));
    socket.on("data", (data) => log.push(`data ${data}`));
  });
  const { client, socket } = await open();
  const arrived = event(socket, "message");
  client.send("up");
  await arrived;
  const came = event(client, "message");
  const made = event(socket, "packetCreate");
  socket.send("down");
  await Promise.all([came, made]);
  assert.deepEqual(
    log.filter((line) => !line.includes("open")),
    ["packet message up", "data up", "packetCreate message down"],
  );
});

test("ends, from both sides, and of the server", async (t) => {
  const { server, open } = await serve(t);
  const first = await open();
  const left = event(first.socket, "close");
  first.client.close();
  assert.equal((await left)[0], "transport close");
  const second = await open();
  const gone = event(second.client, "close");
  const closed = event(second.socket, "close");
  second.socket.close();
  assert.equal((await closed)[0], "forced close");
  assert.equal((await gone)[0], "transport close");
  assert.equal(second.socket.readyState, "closed");
  const third = await open();
  const over = event(third.client, "close");
  server.close();
  await over;
  assert.equal(server.clientsCount, 0);
});

test("requests beside the path are the program's; refusals are told", async (t) => {
  const { server, url } = await serve(t, { path: "/ws" });
  assert.equal(await (await fetch(`${url}/engine.io/?EIO=4&transport=polling`)).text(), "the program's");
  assert.match(await (await fetch(`${url}/ws/?EIO=4&transport=polling`)).text(), /^0\{"sid"/);
  const refused = event(server, "connection_error");
  const response = await fetch(`${url}/ws/?EIO=4&transport=pigeon`);
  assert.deepEqual([response.status, await response.json()], [400, { code: 0, message: "Transport unknown" }]);
  const [{ code, message, context }] = await refused;
  assert.deepEqual([code, message, context], [0, "Transport unknown", { transport: "pigeon" }]);
});

test("listen() answers everything else with 501", async (t) => {
  const server = await new Promise((resolve) => {
    const server = eio.listen(0, () => resolve(server));
  });
  t.after(() => {
    server.close();
    server.httpServer.close();
  });
  const { port } = server.httpServer.address();
  const response = await fetch(`http://127.0.0.1:${port}/`);
  assert.deepEqual([response.status, await response.text()], [501, "Not Implemented"]);
  assert.equal(eio.protocol, 4);
});

test("a heartbeat that goes unanswered ends the connection", async (t) => {
  const { server, url } = await serve(t, { pingInterval: 20, pingTimeout: 20 });
  const accepted = event(server, "connection");
  const silent = new WebSocket(`${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket`);
  t.after(() => silent.terminate());
  const [socket] = await accepted;
  assert.equal((await event(socket, "close"))[0], "ping timeout");
});

test("drain() sends everybody away once what waits for them has left", only, async (t) => {
  const { server, http, url, open } = await serve(t);
  assert.equal(server.ready, true);
  const [web, polling] = [await open(), await open(["polling"])];
  const ends = [web, polling].map(({ client }) => event(client, "close"));
  const reason = event(web.socket, "close");
  const messages = [web, polling].map(({ client }) => event(client, "message"));
  for (const { socket } of [web, polling]) socket.send("the last");
  await assert.rejects(server.drain({ grace: -1 }), RangeError);
  const drained = server.drain({ spread: 0, reason: "a new version" });
  assert.equal(server.ready, false);
  assert.equal((await fetch(`${url}/engine.io/?EIO=4&transport=polling`)).status, 503);
  assert.deepEqual(await Promise.all(messages), [["the last"], ["the last"]]);
  for (const end of ends) assert.equal((await end)[0], "transport close");
  const [why, description] = await reason;
  assert.deepEqual([why, description.message], ["server shutting down", "a new version"]);
  await drained;
  assert.equal(server.clientsCount, 0);
  assert.equal(http.listening, true);
});

test("close() ends a drain that is under way", only, async (t) => {
  const { server, open } = await serve(t);
  const { client } = await open();
  const closed = event(client, "close");
  const drained = server.drain({ spread: 2_000_000_000 });
  server.close();
  await Promise.all([closed, drained]);
});

test("the engine counts", only, async (t) => {
  const { server, url, open } = await serve(t);
  await open();
  await fetch(`${url}/engine.io/?EIO=4&transport=none`);
  const { connections, opened, refused } = server.stats();
  assert.deepEqual([connections, opened, refused[0]], [1, 1, 1]);
});
