// io.close(): in which order what ends, callbacks and promises, servers that never began.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { answer, event, journal, print, serve, settle, start, turn, until } from "./support.mjs";

const server = await start();
const { io, http } = server;
io.of("/b");
const log = journal("order");
http.on("close", () => log("http close"));
const websocket = await server.pair("/", { transports: ["websocket"] });
const polling = await server.pair("/b", { transports: ["polling"] });
for (const [name, { socket }] of Object.entries({ websocket, polling })) {
  socket.on("disconnecting", (reason) => log(name, "disconnecting", reason, socket.rooms.size));
  socket.on("disconnect", (reason) => log(name, "disconnect", reason, socket.connected));
}
const clientLog = journal("client");
websocket.client.on("disconnect", (reason) => clientLog(reason));
const heard = journal("callback and promise");
let promise;
const given = answer((done) => {
  promise = io.close(done);
});
log("close() has returned a", promise.constructor.name);
await until(() => websocket.client.disconnected && polling.client.disconnected);
heard("callback:", await given);
heard("promise:", await promise);
print(http.listening, io.engine.clientsCount, io.sockets.sockets.size, io.of("/b").sockets.size);
print(
  "again:",
  await settle(io.close()),
  (await answer((done) => io.close(done))).map((error) => error?.code),
);

print("a server that does not listen");
const silent = new Server(createServer());
print(
  (await answer((done) => silent.close(done))).map((error) => error?.code),
  await settle(silent.close()),
);
print("a server that was never attached");
print(await settle(new Server().close()));

print("closing the http server ends the connections");
const second = await start();
const { client, socket } = await second.pair();
const reasons = journal("http.close()");
socket.on("disconnect", (reason) => reasons("server", reason));
client.on("disconnect", (reason) => reasons("client", reason));
second.http.close();
client.disconnect();
await event(second.http, "close");

print("emit just before close");
const third = await start();
const last = await third.pair();
const words = journal("last words");
last.client.onAny((name) => words(name));
last.client.on("disconnect", () => words("disconnect"));
last.socket.emit("before");
await turn();
await third.io.close();
last.socket.emit("after");
third.io.emit("after");
await until(() => last.client.disconnected);

print("in the same turn as close");
for (const transports of [["websocket"], ["polling"]]) {
  for (const [title, say] of Object.entries({
    emit: ({ io }) => io.emit("bye"),
    "disconnectSockets(true)": ({ io }) => io.disconnectSockets(true),
  })) {
    const server = await start();
    const { client, socket } = await server.pair("/", { transports });
    await until(() => socket.conn.transport.writable);
    const log = journal(`${title}, ${transports}`);
    client.on("bye", () => log("bye"));
    const gone = event(client, "disconnect");
    say(server);
    const closed = server.io.close();
    const [reason] = await gone;
    // A client that polls finds nobody any more, or a connection that breaks.
    log("disconnect", transports[0] === "polling" ? typeof reason : reason);
    await closed;
  }
}

print("a port of its own");
const own = await serve(new Server(0));
print(
  own.http instanceof (await import("node:http")).Server,
  own.port > 0,
  (await own.get("/")).status,
  (await own.get("/")).body,
);
await own.io.close();
print(own.http.listening);
