// Ways to attach: ports, servers, options of both places, before and after listening, two servers of either kind.
import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import { attempt, event, print, serve, settled, start, until } from "./support.mjs";

print("getters and setters");
const plain = new Server();
print(
  plain.path(),
  plain.path("/a/") === plain,
  plain.path(),
  plain.serveClient(),
  plain.serveClient(false) === plain,
  plain.serveClient(),
);
print(plain.connectTimeout(), plain.connectTimeout(1000) === plain, plain.connectTimeout());
for (const options of [
  { connectTimeout: 0 },
  { connectTimeout: 5 },
  { path: "" },
  { path: "/" },
  { path: "x" },
  { serveClient: false },
  { serveClient: 0 },
]) {
  const io = new Server(options);
  print(options, io.connectTimeout(), io.path(), io.serveClient());
}
const options = { path: "/kept", extra: 1 };
print("options are kept:", new Server(options)._opts === options, Object.keys(options));

print("what is taken as a server");
for (const [title, make] of Object.entries({
  nothing: () => new Server(),
  "undefined, options": () => new Server(undefined, { path: "/o" }),
  null: () => new Server(null),
  options: () => new Server({ path: "/o" }),
})) {
  const io = attempt(make);
  print(title, io.path?.(), typeof io.engine, typeof io.httpServer);
}
for (const port of [0, "0"]) {
  const own = await serve(new Server(port));
  const { client, socket } = await own.pair();
  await settled(client, socket);
  print("port", typeof port, own.io.httpServer === own.http);
  await own.close();
}

print("attach returns io; the constructor's options come first");
const http = createServer();
const io = new Server({ path: "/first", pingInterval: 11_000 });
print(io.attach(http, { path: "/second", pingInterval: 22_000, pingTimeout: 33_000 }) === io, io.httpServer === http);
const attached = await serve(io, http);
const { body } = await attached.get("/first/?EIO=4&transport=polling");
print(
  JSON.parse(body.slice(1)).pingInterval,
  JSON.parse(body.slice(1)).pingTimeout,
  (await attached.get("/first/?EIO=4&transport=polling")).status,
  http.listenerCount("upgrade"),
);
await attached.close();

print("attached after it listens");
const listening = createServer();
listening.listen(0, "127.0.0.1");
await once(listening, "listening");
const late = await serve(new Server().listen(listening), listening);
const pair = await late.pair();
await settled(pair.client, pair.socket);
print(pair.socket.connected);
await late.close();

print("two servers on one http server");
const shared = createServer((_, res) => res.end("page"));
const one = new Server(shared, { path: "/one" });
const two = new Server(shared, { path: "/two" });
const sharing = await serve(one, shared);
one.on("connection", (socket) => socket.emit("you are at", "one"));
two.on("connection", (socket) => socket.emit("you are at", "two"));
for (const path of ["/one", "/two"]) {
  for (const transports of [["polling"], ["websocket"]]) {
    const client = connect(sharing.url, { path, transports, forceNew: true, reconnection: false });
    print(path, transports, ...(await event(client, "you are at")));
    client.disconnect();
  }
}
print((await sharing.get("/")).body);
await until(() => one.engine.clientsCount === 0 && two.engine.clientsCount === 0);
await one.close();
await two.close();

print("one server on two http servers");
const first = createServer();
const second = createServer();
const both = new Server(first);
both.attach(second);
for (const http of [first, second]) {
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
}
const clients = [first, second].map((http) =>
  connect(`http://127.0.0.1:${http.address().port}`, {
    forceNew: true,
    reconnection: false,
    transports: ["websocket"],
  }),
);
await Promise.all(clients.map((client) => event(client, "connect")));
await until(() => both.sockets.sockets.size === 2);
both.emit("to both");
await Promise.all(clients.map((client) => event(client, "to both")));
print(both.sockets.sockets.size, both.httpServer === second);
for (const client of clients) client.disconnect();
await until(() => both.sockets.sockets.size === 0);
await both.close();
first.close();

print("listening again");
const again = await start();
const before = await again.pair();
before.client.disconnect();
await event(before.socket, "disconnect");
await new Promise((resolve) => again.http.close(resolve));
const reopened = await serve(again.io, again.http);
const after = await reopened.pair("/", { transports: ["polling"] });
await settled(after.client, after.socket);
print(after.socket.connected);
await reopened.close();
