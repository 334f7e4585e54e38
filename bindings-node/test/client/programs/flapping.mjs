// A server that lets the client in and throws it out, again and again: what waits keeps its order.
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ transports: ["websocket"] });
const { io } = server;
const came = [];
let connections = 0;
io.on("connection", (socket) => {
  connections++;
  socket.on("n", (n) => came.push(n));
  if (connections <= 5) setTimeout(() => socket.conn.close(), 5);
});
const client = server.client("/", { reconnection: true, reconnectionDelay: 5, reconnectionDelayMax: 5 });
const log = journal("client");
client.on("connect", () => log("connect", client.active));
client.on("disconnect", (reason) => log("disconnect", reason, client.active));
let last = 0;
client.on("disconnect", () => {
  for (let i = 0; i < 3; i++) client.emit("n", last++);
});
await until(() => connections === 6 && client.connected);
client.emit("n", last++);
await until(() => came.includes(last - 1));
print(connections, io.sockets.sockets.size);
print([...came].sort((a, b) => a - b).join() === came.join());

print("connections that are closed before the namespace is joined");
io.use((socket, next) => {
  if (socket.handshake.auth.out) socket.conn.close();
  else next();
});
client.auth = { out: true };
const second = journal("second");
client.io.on("reconnect", (n) => second("reconnect", n));
client.io.on("close", (reason) => second("close", reason));
let opens = 0;
client.io.on("open", () => {
  if (++opens === 3) client.auth = {};
});
client.io.engine.close();
await event(client, "connect");
print(client.connected);
client.disconnect();
await server.close();
