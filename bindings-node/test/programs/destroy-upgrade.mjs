// `destroyUpgrade`: upgrade requests under other paths, which another library may answer, or nobody.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { WebSocketServer } from "ws";
import { event, pause, print, raw, settled, start } from "./support.mjs";

/** An upgrade request by hand: whatever comes until the connection ends, or until `enough`. */
function upgrade(port, path) {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (data) => {
    text += data;
  });
  socket.on("error", () => {});
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const ended = once(socket, "close").then(() => "ended");
  return { socket, ended, text: () => text };
}

for (const options of [
  { destroyUpgradeTimeout: 20 },
  { destroyUpgrade: true, destroyUpgradeTimeout: 20 },
  { destroyUpgrade: false, destroyUpgradeTimeout: 20 },
  { destroyUpgradeTimeout: 20, transports: ["polling"] },
]) {
  print(options);
  const http = createServer((_, res) => res.end("page"));
  const server = await start(options, { http });
  const other = new WebSocketServer({ noServer: true });
  const left = []; // nobody reads from it, so nobody would see it end
  http.on("upgrade", (req, socket, head) => {
    if (req.url === "/nobody") left.push(socket);
    if (req.url === "/other")
      other.handleUpgrade(req, socket, head, (ws) => ws.on("message", (data) => ws.send(`${data}!`)));
  });
  const answered = raw(`ws://127.0.0.1:${server.port}/other`);
  await answered.opened;
  const nobodys = upgrade(server.port, "/nobody");
  const outcome = await Promise.race([nobodys.ended, pause(500).then(() => "still open")]);
  print("nobody's:", outcome, nobodys.text());
  nobodys.socket.destroy();
  for (const socket of left) socket.destroy();
  answered.send("another library's");
  print(await answered.frame(), answered.socket.readyState);
  answered.close();
  if (!options.transports) {
    const ours = raw(`ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=tcp`);
    print("ours, refused:", (await event(ours.socket, "error"))[0].message);
  }
  const { client, socket } = await server.pair("/", { transports: [options.transports?.[0] ?? "websocket"] });
  await settled(client, socket);
  print(socket.conn.transport.name, http.listenerCount("upgrade"));
  await server.close();
}
