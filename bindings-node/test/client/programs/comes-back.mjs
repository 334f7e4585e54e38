// The server goes and comes back: what is emitted; what handlers may change for the next attempt.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { event, journal, print, start, until } from "./support.mjs";

const server = await start();
const { port } = server;
const log = journal("client");
const asked = journal("auth");
let n = 0;
const client = server.client("/", {
  reconnection: true,
  reconnectionDelay: 10,
  reconnectionDelayMax: 10,
  randomizationFactor: 0,
  query: { n: "first" },
  extraHeaders: { "x-mine": "first" },
  auth: (done) => {
    asked("asked");
    setTimeout(done, 1, { n: ++n });
  },
});
const { io: manager } = client;
manager.on("open", () => log("open"));
manager.on("close", (reason) => log("close", reason));
manager.on("reconnect", () => log("reconnect", !!manager._reconnecting));
manager.on("reconnect_attempt", (attempt) => {
  if (attempt === 1) log("first attempt", client.active, !!manager._reconnecting);
  manager.opts.query = { n: "changed" };
  manager.opts.extraHeaders = { "x-mine": "changed" };
  manager.opts.transports = ["polling"];
});
client.on("connect", () => log("connect", client.recovered));
client.on("disconnect", (reason) => log("disconnect", reason, client.active));
const shake = async (io) => {
  const [socket] = await event(io, "connection");
  const { auth, query, headers } = socket.handshake;
  print(auth, query.n, headers["x-mine"], socket.conn.transport.name);
  return socket;
};
await shake(server.io);
await until(() => client.connected);
const id = client.id;
server.http.closeAllConnections?.();
const gone = event(client, "disconnect");
await server.io.close();
await gone;
client.emit("while away", 1);
await event(manager, "reconnect_error");

const http = createServer().listen(port, "127.0.0.1");
const io = new Server(http);
const back = await shake(io);
const [value] = await event(back, "while away");
print(value, client.id !== id, client.connected, manager.backoff.attempts, !!manager._reconnecting);
client.disconnect();
http.closeAllConnections?.();
await io.close();
