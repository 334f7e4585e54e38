// Handlers that throw and promises that reject: whose business it is, and what goes on.
import { journal, pause, print, settled, start, until } from "./support.mjs";

const server = await start({ connectTimeout: 20_000 });
const { io } = server;
const uncaught = journal("uncaught");
process.on("uncaughtException", (error, origin) => uncaught(origin, error.message ?? error));
process.on("unhandledRejection", (error) => uncaught("rejection", error.message ?? error));

const { client, socket } = await server.pair();
const log = journal("server");
socket.on("throws", () => {
  throw new Error("from a listener");
});
socket.on("throws text", () => {
  throw "a text";
});
socket.on("rejects", async () => {
  throw new Error("from an async listener");
});
socket.on("throws after the answer", (done) => {
  done("answered");
  throw new Error("after the answer");
});
socket.on("two listeners", () => {
  throw new Error("first of two");
});
socket.on("two listeners", () => log("the second listener of the same event"));
socket.on("fine", (n) => log("fine", n));
client.emit("throws");
client.emit("fine", 1);
client.emit("throws text");
client.emit("rejects");
client.emit("fine", 2);
client.emit("two listeners");
print(await client.emitWithAck("throws after the answer"));
await settled(client, socket);
print("connected:", socket.connected, client.connected);

print("in an ack's callback");
client.on("ask", (done) => done(1));
socket.emit("ask", () => {
  throw new Error("in an ack");
});
await until(() => uncaught.lines.some((line) => line.includes("in an ack")));
await settled(client, socket);

print("in catch-all listeners and middlewares");
const thrower = () => {
  throw new Error("in a catch-all listener");
};
socket.onAny(thrower);
client.emit("fine", 3);
await until(() => uncaught.lines.some((line) => line.includes("catch-all")));
socket.offAny(thrower);
socket.use((event, next) => {
  if (event[0] === "bad") throw new Error("in a middleware");
  next();
});
client.emit("bad");
client.emit("fine", 4);
await settled(client, socket);

print("when connecting");
io.of("/m").use(() => {
  throw new Error("in a namespace middleware");
});
io.of("/am").use(async () => {
  throw new Error("in an async namespace middleware");
});
io.of("/c").on("connection", () => {
  throw new Error("in a connection listener");
});
for (const name of ["/m", "/am", "/c"]) {
  const client = server.client(name);
  const states = journal(`client of ${name}`);
  client.on("connect", () => states("connect"));
  client.on("connect_error", (error) => states("connect_error", error.message));
  await until(() => uncaught.lines.length && io.engine.clientsCount === server.clients.length);
  await pause(60);
  states(client.connected);
}
await settled(client, socket);

print("when leaving");
const third = await server.pair("/d");
third.socket.on("disconnect", () => {
  throw new Error("in disconnect");
});
third.client.disconnect();
await until(() => uncaught.lines.some((line) => line.includes("in disconnect")));
await settled(client, socket);
print("others do not mind:", socket.connected);
uncaught.lines.sort();
await server.close();
