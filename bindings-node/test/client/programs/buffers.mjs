// What is emitted while the client is away, and what comes before it is connected.
import { answer, event, journal, print, settle, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
io.on("connection", (socket) =>
  socket.onAny((name, ...args) => {
    const done = typeof args.at(-1) === "function" ? args.pop() : undefined;
    log(name, args);
    done?.("done", name);
  }),
);

print("before the first connection");
const client = server.client("/", { autoConnect: false });
client.emit("plain", 1);
client.volatile.emit("volatile");
client.compress(false).emit("bytes", Buffer.from("x"), { deep: [Buffer.from("y")] });
client.emit("ack", (...args) => print("ack", args));
const promise = client.emitWithAck("promise");
const timed = answer((done) => client.timeout(1).emit("timed", done));
print(client.sendBuffer.map(({ type, nsp, data, id, options }) => [type, nsp, data, id, options]));
print(Object.keys(client.acks), (await timed)[0].message, client.sendBuffer.length, Object.keys(client.acks));
const order = journal("order");
client.onAnyOutgoing((name) => order("outgoing", name));
client.on("connect", () => order("connect", client.sendBuffer.length));
client.connect();
print(await promise);
print(client.sendBuffer.length, Object.keys(client.acks));

print("while it is away");
client.io.reconnection(true);
client.io.opts.reconnectionDelay = 5;
client.io.reconnectionDelay(5);
const away = event(client, "disconnect");
client.io.engine.close();
await away;
client.emit("away", 1);
const later = client.emitWithAck("later");
client.sendBuffer.push({ type: 2, data: ["pushed"], options: { compress: true } });
await event(client, "connect");
print(await later);

print("the buffer may be emptied by the program");
client.disconnect();
client.emit("lost");
const lost = settle(client.timeout(50).emitWithAck("lost too"));
client.sendBuffer = [];
client.connect();
await event(client, "connect");
print(await lost);

print("events that come before CONNECT are delivered before it");
io.of("/early").use((socket, next) => {
  socket.emit("early", 1);
  socket.emit("early", Buffer.from("2"), (value) => log("early answered", value));
  next();
});
io.of("/early").on("connection", (socket) => socket.emit("in time"));
const early = server.client("/early", { autoConnect: false });
const came = journal("early");
early.onAny((name, ...args) => {
  came(
    name,
    args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
    early.connected,
    early.receiveBuffer.length,
  );
  if (typeof args.at(-1) === "function") args.at(-1)("here");
});
early.on("connect", () => came("connect", early.receiveBuffer.length));
early.connect();
await event(early, "in time");
await until(() => log.lines.includes("early answered here"));
await server.close();
