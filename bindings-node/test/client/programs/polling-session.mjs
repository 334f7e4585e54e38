// A polling session that the server has forgotten, and one whose requests fail.
import { createServer } from "node:http";
import { event, journal, print, start, until } from "./support.mjs";

const http = createServer();
let broken = false;
const server = await start({}, { http });
const [listener] = http.listeners("request").splice(-1);
http.removeAllListeners("request");
http.on("request", (req, res) => {
  if (broken && req.url.includes("sid=")) return res.writeHead(500).end("broken");
  listener(req, res);
});
const client = server.client("/", { transports: ["polling"], reconnection: true, reconnectionDelay: 5 });
const log = journal("client");
const details = (value) =>
  value instanceof Error ? [value.message, value.type, value.description] : value?.description;
client.on("connect", () => log("connect"));
client.on("disconnect", (reason, more) => log("disconnect", reason, details(more), client.active));
client.io.on("error", (error) => log("error", details(error)));
await event(client, "connect");

print("the server answers 500");
broken = true;
const gone = event(client, "disconnect");
client.emit("x");
await gone;
broken = false;
await event(client, "connect");

print("the server has forgotten the session");
await until(() => server.io.sockets.sockets.has(client.id));
const again = event(client, "disconnect");
const { conn } = server.io.sockets.sockets.get(client.id);
delete server.io.engine.clients[conn.id];
conn.transport.onClose();
client.emit("y");
await again;
await event(client, "connect");
client.disconnect();
await server.close();
process.exit(0);
