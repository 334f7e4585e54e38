// Listeners for every event, both ways.
import { event, journal, print, settled, start } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair();
const log = journal("client");
const f = (...args) =>
  log(
    "any",
    args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
  );
function own(...args) {
  log("own", args.length, this === client);
}
print(
  client.listenersAny(),
  client.listenersAnyOutgoing(),
  client.offAny() === client,
  client.offAnyOutgoing(f) === client,
);
print(client.onAny(f) === client, client.prependAny(own) === client, client.listenersAny().length);
client.on("hello", (...args) => log("listener", args.length));
socket.emit("hello", 1, Buffer.from("2"));
socket.emit("ask", (answer) => log("answered", answer));
client.on("ask", (done) => done("yes"));
await settled(client, socket);
client.offAny(own);
client.offAny(() => {});
print(client.listenersAny().length, client.listenersAny()[0] === f);
socket.emit("hello");
await settled(client, socket);
client.offAny();
print(client.listenersAny());
client.listenersAny().push(f);
socket.emit("hello", "pushed");
await settled(client, socket);
client.offAny();

print("removed while it is called");
const once = () => {
  log("once");
  client.offAny(once);
};
client.onAny(once);
client.onAny(f);
socket.emit("a");
socket.emit("b");
await settled(client, socket);
client.offAny();

print("outgoing");
const out = (...args) => log("out", args);
function first(...args) {
  log("first", args.length, this === client);
}
print(client.onAnyOutgoing(out) === client, client.prependAnyOutgoing(first) === client);
print(client.listenersAnyOutgoing().length);
socket.on("echo", (...args) => args.pop()(...args));
client.emit("plain", 1, { a: [Buffer.from("x")] });
await client.emitWithAck("echo", 1);
client.volatile.emit("volatile");
client.timeout(20_000).emit("echo", () => {});
client.send("text");
await settled(client, socket);
client.offAnyOutgoing(first);
print(client.listenersAnyOutgoing().length);
client.disconnect();
client.emit("buffered");
client.connect();
await event(client, "connect");
client.offAnyOutgoing();
print(client.listenersAnyOutgoing());
await server.close();
