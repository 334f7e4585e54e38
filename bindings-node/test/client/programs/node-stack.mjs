// Options that only Node's own HTTP, TLS and WebSockets understand, and transports of the program's own.
import { Agent } from "node:http";
import { NodeWebSocket, NodeXHR } from "socket.io-client";
import { answer, event, journal, print, start, until } from "./support.mjs";

const server = await start({ perMessageDeflate: true });
const { io } = server;
io.on("connection", (socket) => socket.on("echo", (...args) => args.pop()(...args)));

class Mine extends NodeWebSocket {
  doOpen() {
    print("own transport opens");
    return super.doOpen();
  }
}
class Polls extends NodeXHR {}

const agent = new Agent({ keepAlive: true });
let connections = 0;
agent.on("free", () => connections++);
for (const [title, options] of [
  ["an agent, polling", { agent, transports: ["polling"] }],
  ["an agent, websocket", { agent: new Agent(), transports: ["websocket"] }],
  ["a class of one's own", { transports: [Mine] }],
  ["classes of one's own", { transports: [Polls, Mine] }],
  ["base64", { transports: ["websocket"], forceBase64: true }],
  ["compressed", { transports: ["websocket"], perMessageDeflate: { threshold: 0 } }],
  [
    "an option of the transport",
    { transports: ["websocket"], transportOptions: { websocket: { agent: new Agent() } } },
  ],
]) {
  const log = journal(title);
  const client = server.client("/", { ...options, reconnection: true, reconnectionDelay: 5 });
  client.on("connect", () => log("connect"));
  client.on("disconnect", (reason) => log("disconnect", reason));
  await event(client, "connect");
  print(title, await answer((done) => client.emit("echo", "x".repeat(3), Buffer.from("y"), done)));
  const peer = io.sockets.sockets.get(client.id);
  if (title === "compressed") print(peer.conn.request.headers["sec-websocket-extensions"].split(";")[0]);
  const back = event(client, "connect");
  if (options.transports.length === 1) {
    client.io.engine.close();
    await back;
  }
  client.disconnect();
  await until(() => io.sockets.sockets.size === 0);
}
print(connections > 0);
agent.destroy();
await server.close();
process.exit(0);
