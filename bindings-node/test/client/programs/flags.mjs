// Flags are for one event; what emit, send and the others return.
import { answer, event, journal, print, settled, start } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair();
const log = journal("server");
socket.onAny(
  (name, ...args) =>
    name.endsWith("?") ||
    log(
      name,
      args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
    ),
);
print(client.compress(true) === client, client.volatile === client, client.timeout(5) === client);
print(client.flags);
client.disconnect();
client.connect();
await event(client, "connect");
print("a disconnect keeps them", client.flags);
client.emit("clears");
print(client.flags, client.sendBuffer.length);
const [again] = server.io.sockets.sockets.values();
again.onAny((name, ...args) => name.endsWith("?") || log(name, args.length));
again.on("echo", (...args) => args.pop()(...args));
await settled(client, again);
print(client.send() === client, client.send(1, 2) === client, client.emit("x") === client);
print(client.timeout(20_000).compress(false).emit("y") === client, client.flags);
print(await answer((done) => client.timeout(20_000).emit("echo", 1, done)));
print(await answer((done) => client.emit("echo", 1, done)));
print("a flag and a function that is no ack", client.timeout(1).emit("z", () => {}, 1) === client);
client.timeout(20_000);
print(await client.emitWithAck("echo", "flag before the promise"));
print(await client.emitWithAck("echo", "none any more"));
print("undefined as a timeout", await answer((done) => client.timeout(undefined).emit("echo", 2, done)));
await settled(client, again);
print(client.connect() === client, client.open() === client, client.disconnect() === client, client.close() === client);
await server.close();
