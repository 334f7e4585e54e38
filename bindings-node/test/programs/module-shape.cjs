// What require and import give, and how the classes hang together.
const socketio = require("socket.io");
const { EventEmitter } = require("node:events");
const { attempt, print } = (() => {
  const print = (...items) =>
    console.log(...items.map((item) => (typeof item === "string" ? item : JSON.stringify(item))));
  const attempt = (call) => {
    try {
      return call();
    } catch (error) {
      return [error.code, error.name];
    }
  };
  return { attempt, print };
})();

(async () => {
  print("require gives a", typeof socketio, Object.keys(socketio));
  print("import gives", Object.keys(await import("socket.io")));
  print("the same classes", (await import("socket.io")).Server === socketio.Server);
  const called = socketio();
  print("called", called instanceof socketio.Server, called.constructor === socketio.Server);
  print("called with options", socketio({ path: "/x" }).path());
  for (const deep of [
    "socket.io/dist/socket",
    "socket.io/dist/index.js",
    "socket.io/lib",
    "socket.io/client-dist/socket.io.js",
  ]) {
    print(
      deep,
      attempt(() => typeof require(deep)),
    );
  }
  print("package.json", typeof require("socket.io/package.json").version);

  const { Server, Namespace, Socket } = socketio;
  for (const Class of [Server, Namespace, Socket]) {
    print(Class.name, typeof Class, Class.prototype instanceof EventEmitter, Class.prototype.constructor === Class);
  }
  print(
    "Server() without new",
    attempt(() => Server()),
  );
  const io = new Server();
  print(
    "io is an emitter",
    io instanceof EventEmitter,
    io.sockets instanceof Namespace,
    io.sockets instanceof EventEmitter,
  );
  print("io.sockets === io.of('/')", io.sockets === io.of("/"), io.of("/").name, io.of("/").server === io);
  print("not attached", typeof io.engine, typeof io.httpServer);
  const methods = (prototype, names) => names.map((name) => `${name}:${typeof prototype[name]}`).join(" ");
  const shared = [
    "to",
    "in",
    "except",
    "emit",
    "send",
    "write",
    "serverSideEmit",
    "serverSideEmitWithAck",
    "allSockets",
    "compress",
    "timeout",
    "fetchSockets",
    "socketsJoin",
    "socketsLeave",
    "disconnectSockets",
    "emitWithAck",
    "use",
  ];
  print(
    "server:",
    methods(Server.prototype, [
      ...shared,
      "attach",
      "listen",
      "attachApp",
      "bind",
      "close",
      "path",
      "connectTimeout",
      "serveClient",
      "adapter",
      "of",
    ]),
  );
  print("namespace:", methods(Namespace.prototype, shared));
  print(
    "socket:",
    methods(Socket.prototype, [
      "emit",
      "emitWithAck",
      "send",
      "write",
      "join",
      "leave",
      "to",
      "in",
      "except",
      "compress",
      "disconnect",
      "use",
      "timeout",
      "onAny",
      "prependAny",
      "offAny",
      "listenersAny",
      "onAnyOutgoing",
      "prependAnyOutgoing",
      "offAnyOutgoing",
      "listenersAnyOutgoing",
      "fetchSockets",
      "socketsJoin",
    ]),
  );
  print("operators:", methods(io.to("x"), [...shared]));
  print(
    "getters:",
    ["volatile", "local"].map((name) => [name, typeof io[name], typeof io.sockets[name], typeof io.to("x")[name]]),
  );
})();
