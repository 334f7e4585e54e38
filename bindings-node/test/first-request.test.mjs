// The first request of a session, and the place of its connection in the http server: as if Node had kept both.
import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import { test } from "node:test";
import { PATHS, start } from "./support.mjs";

const connections = (http) => new Promise((resolve) => http.getConnections((_error, count) => resolve(count)));
const extraHeaders = { "X-Test": "yes", Cookie: "a=1; b=2" };

for (const path of PATHS) {
  test(`${path}: the request is what the client sent`, async (t) => {
    const server = await start(t, {}, { path });
    const { socket } = await server.pair("/", { extraHeaders });
    const { request } = socket;
    assert.ok(request instanceof IncomingMessage);
    assert.equal(request, socket.conn.request);
    assert.equal(request, socket.client.request);
    assert.equal(request.method, "GET");
    assert.ok(request.url.startsWith("/socket.io/?EIO=4"));
    assert.equal(request._query.EIO, "4");
    assert.equal(request.httpVersion, "1.1");
    assert.equal(request.headers["x-test"], "yes");
    assert.equal(request.headers.cookie, "a=1; b=2");
    assert.equal(request.headers.host, `127.0.0.1:${server.port}`);
    assert.ok(request.rawHeaders.includes("X-Test"));
    assert.ok(request.socket instanceof NetSocket);
    assert.equal(request.socket, request.connection);
    assert.equal(request.socket.remoteAddress, "127.0.0.1");
    assert.equal(request.socket.remoteFamily, "IPv4");
    assert.equal(typeof request.socket.remotePort, "number");
    assert.ok(!request.socket.encrypted);
    assert.equal(socket.conn.remoteAddress, "127.0.0.1");
  });
}

test("what a middleware keeps with the request is there later", async (t) => {
  const server = await start(t);
  server.io.engine.use((request, _response, next) => {
    request.session = { user: "ann" };
    next();
  });
  const { socket } = await server.pair();
  assert.equal(socket.request.session.user, "ann");
});

test("whoever saw the upgrade finds the same request", async (t) => {
  const server = await start(t);
  let seen;
  server.http.on("upgrade", (request) => {
    seen = request;
  });
  const { socket } = await server.pair();
  assert.equal(socket.request, seen);
});

test("the http server counts WebSockets, and waits for them", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  assert.equal(await connections(server.http), 1);
  let closed = false;
  server.http.close(() => {
    closed = true;
  });
  client.emit("still there");
  await once(socket, "still there");
  assert.equal(closed, false);
  const over = once(server.http, "close");
  client.disconnect();
  await over;
  assert.equal(await connections(server.http), 0);
});

test("who keeps track of connections can end them", async (t) => {
  const server = await start(t);
  const tracked = new Set();
  server.http.on("connection", (connection) => {
    tracked.add(connection);
    connection.on("close", () => tracked.delete(connection));
  });
  const { client, socket } = await server.pair();
  assert.equal(tracked.size, 1);
  const ended = Promise.all([once(socket, "disconnect"), once(client, "disconnect")]);
  for (const connection of tracked) connection.destroy();
  const [[reason]] = await ended;
  assert.equal(reason, "transport close");
});

test("destroying the socket of a request ends the connection", async (t) => {
  const server = await start(t);
  const { client, socket } = await server.pair();
  const ended = once(client, "disconnect");
  socket.request.socket.destroy();
  await ended;
});
