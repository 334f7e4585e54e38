// Programs that extend the classes, and programs that patch them.
import { Namespace, Server, Socket } from "socket.io";
import { journal, print, settled, start } from "./support.mjs";

const log = journal("log");

class Chat extends Server {
  greeting = "hello";
  of(name, ...rest) {
    log("of", String(name));
    return super.of(name, ...rest);
  }
  emit(...args) {
    log("emit", args[0]);
    return super.emit(...args);
  }
  greet() {
    return this.emit("greeting", this.greeting);
  }
}

const server = await start({}, { Class: Chat });
const { io } = server;
print(io instanceof Chat, io instanceof Server, io.constructor.name, Object.getPrototypeOf(Chat) === Server);

const { emit, join } = Socket.prototype;
Socket.prototype.emit = function (name, ...args) {
  log("patched emit", name, this.constructor === Socket);
  return emit.call(this, name, ...args);
};
Socket.prototype.join = function (rooms) {
  log("patched join", rooms.length === 20 ? "own id" : rooms);
  return join.call(this, rooms);
};
Socket.prototype.whisper = function (text) {
  return this.emit("whisper", text);
};
Object.defineProperty(Socket.prototype, "user", {
  get() {
    return this.data.user;
  },
});
const { use } = Namespace.prototype;
Namespace.prototype.use = function (fn) {
  log("patched use", this.name);
  return use.call(this, fn);
};
Namespace.prototype.count = function () {
  return this.sockets.size;
};

io.use((socket, next) => {
  socket.data.user = "anna";
  next();
});
const { client, socket } = await server.pair();
const seen = journal("client");
client.onAny((...args) => args[0].endsWith("?") || seen(args));
await settled(client, socket);
print(socket.user, io.sockets.count(), socket.whisper("psst"), io.greet());
socket.join("room");
await settled(client, socket);

print("an instance is patched");
socket.emit = function (...args) {
  log("own emit", args[0]);
  return emit.apply(this, args);
};
socket.send("x");
await settled(client, socket);
socket.extra = { any: "thing" };
print(Object.keys(socket).includes("extra"), socket.extra);
print(
  io.to("room") instanceof Object,
  io.to("room").constructor.name,
  socket.constructor.name,
  io.sockets.constructor.name,
);
await server.close();
