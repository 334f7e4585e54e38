// What a socket knows of the request it came with.
import { Manager } from "socket.io-client";
import { event, journal, print, raw, show, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const common = ({ headers, time, issued, ...rest }) => ({
  ...rest,
  url: rest.url?.replace(/&t=[^&]*/, ""),
  query: { ...rest.query, t: typeof rest.query.t },
});

const { client, socket } = await server.pair("/", {
  auth: { token: "abc", nested: { list: [1, null] } },
  query: { a: "1", b: "x y", empty: "" },
  extraHeaders: { "x-custom": "yes", "X-Case": "Kept" },
});
const { handshake } = socket;
print("keys:", Object.keys(handshake));
print(common(handshake));
print(
  "time:",
  handshake.time === String(new Date(handshake.issued)),
  typeof handshake.time,
  typeof handshake.issued,
  Math.abs(Date.now() - handshake.issued) < 60_000,
);
print(
  "headers:",
  handshake.headers["x-custom"],
  handshake.headers["x-case"],
  handshake.headers.host === `127.0.0.1:${server.port}`,
  handshake.headers === socket.request.headers,
);
print("query:", Object.getPrototypeOf(handshake.query), { ...handshake.query });
print("stays the same object:", handshake === socket.handshake, handshake.auth === socket.handshake.auth);
socket.handshake.auth.token = "changed";
print("may be changed:", socket.handshake.auth.token);
print(
  "request:",
  socket.request === socket.conn.request,
  socket.request === socket.client.request,
  socket.request.method,
  socket.request.url.startsWith("/socket.io/?"),
  { ...socket.request._query },
);
print(
  "address:",
  handshake.address === socket.conn.remoteAddress,
  socket.request.connection.remoteAddress === handshake.address,
);
void client;

const AUTHS = { none: undefined, empty: {}, "a function": (done) => done({ from: "function" }), null: null };
for (const [title, auth] of Object.entries(AUTHS)) {
  const { socket } = await server.pair("/", { auth });
  print(`auth ${title}:`, socket.handshake.auth);
}
for (const packet of ["40", "40{}", '40{"a":1}', '40{"__proto__":{"x":1}}']) {
  const wire = server.raw();
  await wire.opened;
  wire.send(packet);
  const [socket] = await event(io, "connection");
  print(packet, show(socket.handshake.auth), socket.handshake.auth.x);
  wire.close();
}

print("queries on the wire");
for (const query of [
  "a=1&a=2",
  "a[]=1&a[]=2",
  "a[b]=1",
  "a=%E2%98%95&b=%zz&c+d=e+f",
  "a&b=&=c",
  "__proto__=1&constructor=2",
]) {
  const wire = server.raw(`EIO=4&transport=websocket&${query}`);
  await wire.opened;
  wire.send("40");
  const [socket] = await event(io, "connection");
  print(query, { ...socket.handshake.query }, socket.handshake.url);
  wire.close();
}

print("an origin");
const origin = raw(`ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`, {
  headers: { origin: "http://elsewhere.example" },
});
await origin.opened;
origin.send("40");
print((await event(io, "connection"))[0].handshake.xdomain);
origin.close();

print("by polling, and after an upgrade");
const polling = await server.pair("/", { transports: ["polling", "websocket"], query: { q: "1" } });
await until(() => polling.socket.conn.upgraded);
print(
  common(polling.socket.handshake),
  polling.socket.request.url.includes("transport=polling"),
  polling.socket.request.headers.upgrade,
);

print("per namespace");
io.of("/one");
io.of("/two");
const manager = new Manager(server.url, { reconnection: false, transports: ["websocket"], query: { shared: "yes" } });
const one = manager.socket("/one", { auth: { n: 1 } });
const two = manager.socket("/two", { auth: { n: 2 } });
await Promise.all([event(one, "connect"), event(two, "connect")]);
await until(() => io.of("/two").sockets.size === 1 && io.of("/one").sockets.size === 1);
const [a] = io.of("/one").sockets.values();
const [b] = io.of("/two").sockets.values();
print(
  a.handshake.auth,
  b.handshake.auth,
  a.handshake.query.shared,
  a.handshake.headers === b.handshake.headers,
  a.handshake === b.handshake,
  a.handshake.url === b.handshake.url,
);
one.disconnect();
two.disconnect();

print("request may be dropped to save memory");
io.engine.once("connection", (raw) => {
  raw.request = null;
});
const { socket: lean } = await server.pair();
print(common(lean.handshake), show(lean.handshake.headers), lean.request);
const shown = journal("end");
shown("done");
await server.close();
