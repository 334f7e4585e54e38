// What require and import give, how the classes hang together, and which members they have.
const client = require("socket.io-client");

const print = (...items) =>
  console.log(...items.map((item) => (typeof item === "string" ? item : JSON.stringify(item))));
const names = (prototype, known) => known.filter((name) => name in prototype).join(" ");

(async () => {
  print("require gives a", typeof client, Object.keys(client));
  const esm = await import("socket.io-client");
  print("import gives", Object.keys(esm));
  print(esm.io === esm.default, esm.connect === esm.default, client.io === client, client.connect === client);
  print(esm.protocol, client.protocol === undefined);
  for (const name of ["Fetch", "NodeXHR", "XHR", "NodeWebSocket", "WebSocket", "WebTransport"]) {
    print(name, typeof esm[name], esm[name].prototype.name);
  }
  const socket = client("http://localhost:1", { autoConnect: false });
  print(socket instanceof client.Socket, socket.io instanceof client.Manager);
  print(socket.constructor.name, socket.io.constructor.name);
  const emitter =
    "on addEventListener once off removeListener removeAllListeners removeEventListener emit listeners hasListeners".split(
      " ",
    );
  print("socket:", names(socket, emitter));
  print("manager:", names(socket.io, emitter));
  print(
    "not Node's:",
    names(socket, ["prependListener", "setMaxListeners", "eventNames", "listenerCount", "addListener"]),
  );
  print(
    "socket:",
    names(
      socket,
      (
        "connect open disconnect close send emit emitWithAck timeout compress volatile onAny prependAny offAny listenersAny " +
        "onAnyOutgoing prependAnyOutgoing offAnyOutgoing listenersAnyOutgoing connected disconnected active recovered auth " +
        "io nsp receiveBuffer sendBuffer acks flags use to broadcast join rooms"
      ).split(" "),
    ),
  );
  print(
    "manager:",
    names(
      socket.io,
      (
        "open connect socket reconnection reconnectionAttempts reconnectionDelay reconnectionDelayMax randomizationFactor " +
        "timeout opts _readyState nsps backoff uri close disconnect"
      ).split(" "),
    ),
  );
  print("before it connects:", [
    socket.id === undefined,
    socket.connected,
    socket.disconnected,
    socket.active,
    socket.recovered,
    socket.receiveBuffer,
    socket.sendBuffer,
    Object.keys(socket.acks),
    socket.flags,
    socket.nsp,
    socket.auth === undefined,
    socket.io.engine === undefined,
    socket.io._readyState,
    !!socket.io._reconnecting,
    Object.keys(socket.io.nsps),
  ]);
  class Mine extends client.Socket {}
  print(new Mine(socket.io, "/mine", { auth: { a: 1 } }).auth);
  class Ours extends client.Manager {}
  print(new Ours("http://localhost:1", { autoConnect: false }).socket("/x").nsp);
})();
