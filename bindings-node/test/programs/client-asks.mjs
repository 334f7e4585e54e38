// What the official client does on its own: buffers, retries, timeouts, volatile; and how the server sees it.
import { event, journal, print, settle, settled, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
io.on("connection", (socket) =>
  socket.onAny(
    (name, ...args) =>
      name.endsWith("?") ||
      log(
        name,
        args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
      ),
  ),
);

print("events emitted before the connection are sent after it");
const client = server.client("/", { autoConnect: false });
client.emit("first", 1);
client.volatile.emit("volatile");
client.emit("second", Buffer.from("2"));
client.connect();
const [socket] = await event(io, "connection");
await settled(client, socket);

print("a timeout");
socket.on("never", () => {});
print(await settle(client.timeout(30).emitWithAck("never")));

print("retries: once each, in order, until they are acknowledged");
let times = 0;
io.of("/retry").on("connection", (socket) => {
  socket.on("order", (n, done) => {
    log("order", n, ++times);
    if (times !== 1) done(`got ${n}`); // the first is not answered: it comes again
  });
});
const retry = server.client("/retry", { retries: 3, ackTimeout: 60 });
print(...(await Promise.all([1, 2, 3].map((n) => retry.emitWithAck("order", n)))));

print("what is emitted while the client is away arrives when it is back");
const back = server.client("/", {
  reconnection: true,
  reconnectionDelay: 10,
  reconnectionDelayMax: 20,
  randomizationFactor: 0,
});
await event(back, "connect");
await until(() => io.sockets.sockets.has(back.id));
const before = back.id;
const away = event(back, "disconnect");
back.io.engine.close();
await away;
back.emit("while away", 1);
await event(back, "connect");
await until(() => log.lines.some((line) => line.startsWith("while away")));
print(back.id !== before, back.recovered, io.sockets.sockets.has(before));
back.disconnect();

print("a client that the server disconnected stays away; one that lost its connection comes back");
const put = server.client("/", { reconnection: true, reconnectionDelay: 10 });
await event(put, "connect");
await until(() => io.sockets.sockets.has(put.id));
io.sockets.sockets.get(put.id).disconnect();
print((await event(put, "disconnect"))[0], put.active);
put.connect();
await event(put, "connect");
await until(() => io.sockets.sockets.has(put.id));
io.sockets.sockets.get(put.id).conn.close();
print((await event(put, "disconnect"))[0], put.active);
await event(put, "connect");
put.disconnect();
await server.close();
