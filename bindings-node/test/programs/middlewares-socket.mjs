// Middlewares of a socket: every incoming event passes through them.
import { answer, event, journal, print, settled, start } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair();
const log = journal("server");

print(
  "use returns the socket:",
  socket.use((event, next) => {
    log("first:", event[0], event.length, Array.isArray(event), next.length);
    next();
  }) === socket,
);
socket.use(function (event, next) {
  log("this:", this === undefined || this === socket ? "none or the socket" : typeof this);
  if (event[0] === "changed") {
    event[1] = "changed";
    event.splice(2, 0, "inserted");
  }
  if (event[0] === "renamed") event[0] = "new name";
  if (event[0] === "refused") return next(Object.assign(new Error("refused"), { data: 1 }));
  if (event[0] === "held") return;
  if (event[0] === "twice") next();
  if (event[0] === "late") return void setTimeout(next, 10);
  next();
});
socket.use((event, next) => {
  log("third:", event[0]);
  next();
});
for (const name of ["plain", "changed", "renamed", "new name", "refused", "held", "twice", "late"]) {
  socket.on(name, (...args) => {
    log(
      `on ${name}:`,
      args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
    );
    args.at(-1)?.("answered");
  });
}
socket.on("error", (error) => log("error:", error.message, error.data));

print(await answer((done) => client.emit("plain", 1, done)));
print(await answer((done) => client.emit("changed", 1, done)));
print(await answer((done) => client.emit("renamed", 1, done)));
print(await answer((done) => client.emit("twice", done)));
print(await answer((done) => client.emit("late", done)));
print(await answer((done) => client.timeout(50).emit("refused", (error) => done(error.message))));
print(await answer((done) => client.timeout(50).emit("held", (error) => done(error.message))));
client.emit("plain without an ack");
await settled(client, socket);
print("still connected:", socket.connected, client.connected);

print("acks of the client do not pass");
client.once("ask", (done) => done("yes"));
const before = log.lines.length;
print(await socket.emitWithAck("ask"), log.lines.length - before);

print("an error nobody listens for costs nothing");
const second = await server.pair();
second.socket.use((event, next) => next(event[0] === "bad" ? new Error("bad") : undefined));
second.client.emit("bad");
await settled(second.client, second.socket);
print(second.socket.connected);

print("order with catch-all listeners and ticks");
const third = await server.pair();
const order = journal("order");
third.socket.onAny((name) => order("any", name));
third.socket.use((event, next) => {
  order("use", event[0]);
  process.nextTick(() => order("tick of use", event[0]));
  next();
  order("after next", event[0]);
});
third.socket.on("a", () => order("on a"));
third.client.emit("a");
await event(third.socket, "a");
await server.close();
