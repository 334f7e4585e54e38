// From polling to a WebSocket, and servers that allow one transport only.
import { event, journal, print, settled, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
io.on("connection", (socket) => {
  log("connection by", socket.conn.transport.name, socket.conn.upgraded);
  socket.conn.once("upgrade", (transport) =>
    log("upgrade to", transport.name, socket.conn.transport.name, socket.conn.upgraded),
  );
});
const client = server.client("/", { transports: ["polling", "websocket"] });
const [socket] = await event(io, "connection");
const got = { client: [], server: [] };
socket.on("n", (n) => got.server.push(n));
client.on("n", (n) => got.client.push(n));
let n = 0;
await until(() => {
  client.emit("n", n);
  socket.emit("n", n++);
  return socket.conn.upgraded && client.io.engine.transport.name === "websocket";
});
await settled(client, socket);
print(
  "all in order:",
  got.client.length === n,
  got.server.length === n,
  got.client.every((value, i) => value === i),
  got.server.every((value, i) => value === i),
);
print(
  "transport:",
  client.io.engine.transport.name,
  socket.conn.transport.name,
  socket.conn.readyState,
  socket.connected,
);
await settled(client, socket);

print("only one transport, or no upgrade");
for (const [options, clientOptions] of [
  [{ transports: ["websocket"] }, { transports: ["websocket"] }],
  [{ transports: ["websocket"] }, { transports: ["polling"] }],
  [{ transports: ["polling"] }, { transports: ["polling", "websocket"] }],
  [{ transports: ["polling"] }, { transports: ["websocket"] }],
  [{ allowUpgrades: false }, { transports: ["polling", "websocket"] }],
  [{ allowUpgrades: false }, { transports: ["websocket"] }],
  [{}, { transports: ["websocket", "polling"] }],
]) {
  const other = await start(options);
  const client = other.client("/", clientOptions);
  const outcome = await Promise.race([
    event(client, "connect").then(() => "connected"),
    event(client, "connect_error").then(([error]) => error.message),
  ]);
  print(options, clientOptions.transports, "->", outcome, client.io.engine?.transport?.name);
  const { status, body } = await other.get("/socket.io/?EIO=4&transport=polling");
  const { sid, ...open } = JSON.parse(body.startsWith("0") ? body.slice(1) : body);
  print("handshake:", status, open, typeof sid);
  await other.close();
}
await server.close();
