// What listeners throw.
import { event, journal, print, settled, start, until } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair();
const log = journal("client");
const thrown = [];
process.on("uncaughtException", (error) => thrown.push(error.message));
process.on("unhandledRejection", (error) => thrown.push(`rejected: ${error.message}`));

client.on("throws", () => {
  throw new Error("listener");
});
client.on("throws", () => log("second listener"));
client.on("fine", (value) => log("fine", value));
socket.emit("throws");
socket.emit("fine", 1);
await settled(client, socket);
print(thrown.splice(0), client.connected);

client.on("rejects", async () => {
  throw new Error("async");
});
socket.emit("rejects");
await settled(client, socket);
print(thrown.splice(0), client.connected);

socket.on("ask", (done) => done(1));
client.emit("ask", () => {
  throw new Error("ack");
});
await settled(client, socket);
print(thrown.splice(0), client.connected);

client.onAny((name) => {
  if (name === "any") throw new Error("catch-all");
});
client.on("any", () => log("not reached"));
socket.emit("any");
await settled(client, socket);
print(thrown.splice(0));
client.offAny();

client.onAnyOutgoing((name) => {
  if (name === "out") throw new Error("outgoing");
});
try {
  client.emit("out");
} catch (error) {
  print("emit throws", error.message);
}
client.offAnyOutgoing();

const connecting = server.client("/", { autoConnect: false });
connecting.on("connect", () => {
  throw new Error("connect");
});
connecting.connect();
connecting.on("hello", () => log("hello"));
const [peer] = await event(server.io, "connection");
peer.emit("hello");
await settled(connecting, peer);
print(thrown.splice(0), connecting.connected);

const failing = server.client("/", { path: "/nowhere", autoConnect: false });
failing.on("connect_error", () => {
  throw new Error("connect_error");
});
failing.connect();
await until(() => thrown.length > 0);
print(thrown.splice(0), failing.connected);
process.exit(0);
