// Events that may be lost.
import { event, journal, print, settled, start, turn, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
io.on("connection", (socket) => socket.onAny((name, ...args) => name.endsWith("?") || log(name, ...args)));
const client = server.client("/", { autoConnect: false });
print("before it connects", client.volatile.emit("never", 1) === client, client.sendBuffer.length, client.flags);
client.connect();
client.volatile.emit("opening", 2);
print("while it opens", client.sendBuffer.length);
await event(client, "connect");
await until(() => io.sockets.sockets.size === 1);
const socket = io.sockets.sockets.get(client.id);
await settled(client, socket);
await turn();
client.volatile.emit("alone", 3);
await settled(client, socket);
await turn();
client.emit("first", 4);
client.volatile.emit("right behind another", 5);
await settled(client, socket);
await turn();
client.volatile.compress(false).emit("with bytes", Buffer.from("6"));
await settled(client, socket);
await turn();
print(
  "with an answer",
  await new Promise((resolve) => {
    socket.once("ask", (done) => done("yes"));
    client.volatile.emit("ask", resolve);
  }),
);
print("the namespace is not there yet, the connection is: it waits");
const other = client.io.socket("/other", {});
io.of("/other").on("connection", (peer) => peer.onAny((name) => log("other", name)));
other.volatile.emit("waits", 7);
print(other.sendBuffer.length);
other.disconnect();
print("the flag is for one event", client.volatile === client, client.flags);
client.emit("once");
print(client.flags);
await settled(client, socket);
client.disconnect();
client.volatile.emit("after the end", 8);
print(client.sendBuffer.length);
await server.close();
