// Nobody listens: what is emitted, in which order, at each attempt to come back.
import { createServer } from "node:net";
import { Manager } from "socket.io-client";
import { event, journal, pause, print } from "./support.mjs";

// A port where nobody listens.
const probe = createServer().listen(0, "127.0.0.1");
await event(probe, "listening");
const { port } = probe.address();
await new Promise((resolve) => probe.close(resolve));

for (const [title, options] of [
  ["four attempts", { reconnectionAttempts: 4 }],
  ["none", { reconnection: false }],
  ["one, websocket", { reconnectionAttempts: 1, transports: ["websocket"] }],
]) {
  const log = journal(title);
  const manager = new Manager(`http://127.0.0.1:${port}`, {
    reconnectionDelay: 10,
    reconnectionDelayMax: 30,
    randomizationFactor: 0,
    ...options,
  });
  const socket = manager.socket("/");
  const state = () => [manager._readyState, !!manager._reconnecting, manager.backoff.attempts, socket.active];
  for (const name of [
    "open",
    "error",
    "close",
    "reconnect_attempt",
    "reconnect_error",
    "reconnect_failed",
    "reconnect",
  ]) {
    manager.on(name, (value) => log("manager:", name, value?.message ?? value, ...state()));
  }
  for (const name of ["connect", "connect_error", "disconnect"]) {
    socket.on(name, (error) => log("socket:", name, error.message, error.constructor.name, error.type, ...state()));
  }
  await event(manager, options.reconnection === false ? "error" : "reconnect_failed");
  await pause(50);
  print(title, ...state(), socket.connected, socket.disconnected);
  const again = event(socket, "connect_error");
  socket.io.opts.reconnection = false;
  manager.reconnection(false);
  socket.connect();
  await again;
  socket.disconnect();
  print(...state());
}

print("open() with a callback does not come back by itself");
const manager = new Manager(`http://127.0.0.1:${port}`, { autoConnect: false, reconnectionDelay: 5 });
const attempts = [];
manager.on("reconnect_attempt", (n) => attempts.push(n));
const [error] = await new Promise((resolve) => manager.open((...args) => resolve(args)));
await pause(40);
print(error.message, attempts, manager._readyState);
print("a timeout");
const silent = createServer(() => {}).listen(0, "127.0.0.1");
await event(silent, "listening");
const slow = new Manager(`http://127.0.0.1:${silent.address().port}`, { timeout: 20, reconnection: false });
const [timeout] = await event(slow.socket("/"), "connect_error");
print(timeout.message, timeout.constructor.name, timeout.type, slow._readyState);
process.exit(0);
