// Several namespaces on one connection: joining, leaving, coming back together.
import { event, journal, print, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
for (const name of ["/", "/a", "/b"]) {
  io.of(name).on("connection", (socket) => {
    socket.emit("hello", name);
    socket.on("echo", (...args) => args.pop()(name, ...args));
    socket.on("disconnect", (reason) => log(name, reason));
  });
}
const root = server.client("/", { reconnection: true, reconnectionDelay: 5 });
const { io: manager } = root;
const a = manager.socket("/a", { auth: { name: "a" } });
const b = manager.socket("/b");
print(Object.keys(manager.nsps), a.io === manager, manager.socket("/a") === a);
const heard = journal("heard");
for (const socket of [root, a, b]) {
  socket.on("connect", () => heard(socket.nsp, "connect"));
  socket.on("hello", (name) => heard(socket.nsp, "hello", name));
  socket.on("disconnect", (reason) => heard(socket.nsp, "disconnect", reason, socket.active));
}
await Promise.all([root, a, b].map((socket) => event(socket, "hello")));
print(new Set([root.id, a.id, b.id]).size);
print(await Promise.all([root, a, b].map((socket, n) => socket.emitWithAck("echo", n))));

print("one leaves, the connection stays");
a.disconnect();
await until(() => io.of("/a").sockets.size === 0);
print(manager._readyState, root.connected, a.active);
print("asked for again, it connects");
print(manager.socket("/a") === a, a.active);
await event(a, "hello");

print("the connection breaks: all come back");
const connected = Promise.all([root, a, b].map((socket) => event(socket, "hello")));
manager.engine.close();
await connected;
print(root.connected, a.connected, b.connected);

print("the server sends one away");
const gone = event(b, "disconnect");
io.of("/b").disconnectSockets();
await gone;
print(b.active, b.connected, root.connected);
print("the last one takes the connection with it");
const closed = event(manager, "close");
root.disconnect();
print(manager._readyState);
a.disconnect();
print(await closed, manager._readyState, manager.engine.readyState);
root.connect();
await event(root, "hello");
print(a.connected, b.connected, manager._readyState);
root.disconnect();
await until(() => io.sockets.sockets.size === 0);
await server.close();
