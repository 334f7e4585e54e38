// Heartbeats, and a server that falls silent.
import { createServer } from "node:http";
import { io as connect } from "socket.io-client";
import { WebSocketServer } from "ws";
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ pingInterval: 15, pingTimeout: 5000 });
for (const transports of [["websocket"], ["polling"]]) {
  const client = server.client("/", { transports });
  let pings = 0;
  client.io.on("ping", () => pings++);
  await event(client, "connect");
  await until(() => pings >= 3);
  print(transports[0], client.connected, client.io.engine.readyState);
  let late = 0;
  const count = () => late++;
  client.io.on("ping", count);
  await until(() => late >= 1);
  client.io.off("ping", count);
  client.disconnect();
}
await server.close();

print("silence");
const http = createServer().listen(0, "127.0.0.1");
await event(http, "listening");
const raw = new WebSocketServer({ server: http });
let connections = 0;
raw.on("connection", (socket) => {
  const silent = connections++ === 0;
  const [pingInterval, pingTimeout] = silent ? [30, 20] : [25_000, 20_000];
  socket.send(JSON.stringify({ sid: "x", upgrades: [], pingInterval, pingTimeout, maxPayload: 1e6 }).replace(/^/, "0"));
  socket.on("message", (data) => data.toString().startsWith("40") && socket.send('40{"sid":"me"}'));
});
const client = connect(`http://127.0.0.1:${http.address().port}`, { transports: ["websocket"], reconnectionDelay: 5 });
const log = journal("client");
client.io.on("close", (reason, details) => log("close", reason, details ?? ""));
client.on("disconnect", (reason, details) => log("disconnect", reason, details ?? "", client.active));
client.on("connect", () => log("connect"));
await event(client, "disconnect");
await event(client, "connect");
print(client.connected, connections);
client.disconnect();
raw.close();
http.close();
process.exit(0);
