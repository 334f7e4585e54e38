// Servers of an older protocol, and URLs that nobody can mean.
import { createServer } from "node:http";
import { io as connect, Manager } from "socket.io-client";
import { WebSocketServer } from "ws";
import { attempt, event, print } from "./support.mjs";

/** A server that opens a connection and answers to what it is sent as `answer` says. */
async function speaks(answer) {
  const http = createServer((_, res) => res.writeHead(404).end());
  const ws = new WebSocketServer({ server: http });
  ws.on("connection", (socket) => {
    const open = { sid: "id", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6 };
    socket.send(`0${JSON.stringify(open)}`);
    socket.on("message", (data) => {
      for (const packet of answer(data.toString())) socket.send(packet);
    });
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const client = connect(`http://127.0.0.1:${http.address().port}`, {
    forceNew: true,
    reconnection: false,
    transports: ["websocket"],
  });
  return {
    client,
    close() {
      client.disconnect();
      for (const each of ws.clients) each.terminate();
      http.close();
    },
  };
}

for (const reply of ["40", "40{}", '40{"pid":"1"}']) {
  print(reply);
  const { client, close } = await speaks((packet) => (packet === "40" ? [reply] : []));
  const [error] = await event(client, "connect_error");
  print(error.constructor.name, error.message, error.data, client.connected, client.active);
  close();
}

print("events before, with and after the answer");
const { client, close } = await speaks((packet) =>
  packet === "40" ? ['42["early",1]', '40{"sid":"s"}', '42["late",2]', '42["last","an offset"]'] : [],
);
const got = [];
client.onAny((...args) => got.push(args));
await event(client, "last");
print(got, client.id, client.recovered);
close();

print("URLs");
const long = attempt(() => connect(`http://h/${"x".repeat(8000)}`, { autoConnect: false }).nsp);
print(long);
print(attempt(() => connect(`http://h/${"x".repeat(7991)}`, { autoConnect: false }).nsp.length));
print(attempt(() => new Manager("http://h", { autoConnect: false, transports: [] }).opts.transports));
