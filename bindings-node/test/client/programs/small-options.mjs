// Options that few give: they are taken, and do what they say.
import { createServer } from "node:http";
import { io as connect } from "socket.io-client";
import { WebSocketServer } from "ws";
import { event, print, start } from "./support.mjs";

const server = await start();
const run = async (title, options, seen) => {
  const client = connect(server.url, { forceNew: true, reconnection: false, ...options });
  const accepted = event(server.io, "connection");
  await event(client, "connect");
  const [socket] = await accepted;
  print(title, client.connected, seen?.(socket, client) ?? "");
  client.disconnect();
};
for (const transports of [["polling"], ["websocket"]]) {
  print("==", transports[0]);
  const local = ({ conn }) => `from ${conn.remoteAddress}`;
  await run("localAddress", { transports, localAddress: "127.0.0.7" }, local);
  await run("family", { transports, family: 4 }, ({ conn }) => conn.remoteAddress);
  await run("useNativeTimers", { transports, useNativeTimers: true });
  await run("closeOnBeforeunload", { transports, closeOnBeforeunload: true });
  await run("requestTimeout", { transports, requestTimeout: 20_000 });
  await run("timeout off", { transports, timeout: false }, (_, client) => client.io.timeout());
  await run("addTrailingSlash", { transports, addTrailingSlash: true, path: "/socket.io/" });
  await run("origin", { transports, extraHeaders: { origin: "http://o" } }, ({ handshake }) => [
    handshake.headers.origin,
    handshake.xdomain,
  ]);
}

print("sub-protocols of a WebSocket");
const offered = [];
const ws = new WebSocketServer({ noServer: true, handleProtocols: (names) => offered.push([...names]) && "two" });
const http = createServer();
http.on("upgrade", (req, socket, head) =>
  ws.handleUpgrade(req, socket, head, (each) => {
    each.send('0{"sid":"id","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
    each.on("message", () => each.send('40{"sid":"s"}'));
  }),
);
await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${http.address().port}`;
const client = connect(url, { transports: ["websocket"], protocols: ["one", "two"], reconnection: false });
await event(client, "connect");
print(offered, client.id);
client.disconnect();
for (const each of ws.clients) each.terminate();
http.close();
await server.close();
