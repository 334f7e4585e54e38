// Namespaces that refuse the client, and servers that are none.
import { createServer } from "node:http";
import { io as connect } from "socket.io-client";
import { event, journal, pause, print, start } from "./support.mjs";

const server = await start();
const { io } = server;
io.use((socket, next) => {
  const { token } = socket.handshake.auth;
  if (token === "right") return next();
  const error = new Error(`not ${token}`);
  error.data = { token, deep: [1, null] };
  next(error);
});

print("a middleware");
const client = server.client("/", { reconnection: true, reconnectionDelay: 5, auth: { token: "wrong" } });
const log = journal("client");
client.on("connect", () => log("connect"));
client.on("disconnect", (reason) => log("disconnect", reason));
client.on("connect_error", (error) =>
  log(error.constructor.name, error.message, error.data, Object.keys(error), client.active, client.io._readyState),
);
client.io.on("close", (reason) => log("manager: close", reason));
client.io.on("reconnect_attempt", (n) => log("attempt", n));
await event(client, "connect_error");
await pause(50);
print(client.active, client.connected, client.io._readyState);
client.auth = { token: "right" };
client.connect();
await event(client, "connect");
print(client.connected, client.active);
client.disconnect();

print("another namespace is open: the connection stays");
io.of("/open");
io.of("/shut").use((_, next) => next(new Error("shut")));
const open = server.client("/open", { forceNew: true });
await event(open, "connect");
const shut = open.io.socket("/shut");
print((await event(shut, "connect_error"))[0].message, shut.active, open.connected, open.io._readyState);
const unknown = open.io.socket("/unknown");
const [error] = await event(unknown, "connect_error");
print(error.message, error.data, unknown.active);
print("again", open.io.socket("/shut") === shut, shut.active);
print((await event(shut, "connect_error"))[0].message);
open.disconnect();

print("not a server of ours");
const http = createServer((req, res) => {
  if (req.url.startsWith("/html")) res.end("<html>hello</html>");
  else res.writeHead(404).end("nope");
}).listen(0, "127.0.0.1");
await event(http, "listening");
for (const path of ["/html", "/404"]) {
  for (const transport of ["polling", "websocket"]) {
    const client = connect(`http://127.0.0.1:${http.address().port}`, {
      path,
      transports: [transport],
      reconnection: false,
      forceNew: true,
    });
    const [error] = await event(client, "connect_error");
    const { name, message, type, description, context } = error;
    print(path, transport, error.constructor.name, name, message, type, typeof description, Object.keys(error));
    if (path === "/404" && transport === "polling") print(description, context.status);
    if (path === "/404" && transport === "websocket") print(description.message);
    client.disconnect();
  }
}
http.closeAllConnections?.();
http.close();
await server.close();
