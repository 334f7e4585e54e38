// From io() to "connect": what is emitted in which order, and what the members say meanwhile.
import { event, journal, print, start, until } from "./support.mjs";

for (const transports of [["websocket"], ["polling"]]) {
  const server = await start();
  const log = journal(`client, ${transports}`);
  const socket = server.client("/", { autoConnect: false, transports });
  const { io: manager } = socket;
  const state = () => [manager._readyState, socket.connected, socket.active, typeof socket.id, !!manager._reconnecting];
  log("before", ...state());
  for (const name of ["open", "close", "error", "packet", "ping", "reconnect_attempt"]) {
    manager.on(name, (value) => log("manager:", name, value?.type ?? "", ...state()));
  }
  for (const name of ["connect", "disconnect", "connect_error"]) {
    socket.on(name, (value) => log("socket:", name, value ?? "", ...state()));
  }
  print("connect gives the socket", socket.connect() === socket, ...state());
  print("again", socket.connect() === socket, manager.open() === manager, ...state());
  const { engine } = manager;
  print(engine.readyState, typeof engine.id, engine.binaryType, engine.writeBuffer.length);
  engine.on("open", () => log("engine: open", engine.readyState, typeof engine.id, engine.transport.name));
  engine.on("handshake", ({ upgrades, pingInterval, pingTimeout, maxPayload }) =>
    log("engine: handshake", upgrades, pingInterval, pingTimeout, maxPayload),
  );
  engine.on("close", (reason) => log("engine: close", reason, engine.readyState));
  await event(socket, "connect");
  await until(() => server.io.sockets.sockets.size === 1);
  const [[id, peer]] = server.io.sockets.sockets;
  print(socket.id === id, engine.id === peer.conn.id, engine.id !== id, ...state());
  print("connect when connected", socket.connect() === socket, manager.connect() === manager);
  peer.emit("hello");
  await event(socket, "hello");
  log("disconnect", socket.disconnect() === socket, ...state());
  log("again", socket.close() === socket, ...state());
  await until(() => server.io.sockets.sockets.size === 0);
  socket.connect();
  await event(socket, "connect");
  print("another session", socket.id !== id, manager.engine !== engine);
  socket.disconnect();
  await server.close();
}
