// Clients of Socket.IO 2, and servers that do not want them.
import old from "socket.io-client-v2";
import { answer, event, get, heard, journal, print, start, until } from "./support.mjs";

const server = await start({ allowEIO3: true, pingInterval: 20_000 });
const { io } = server;
io.of("/chat");
io.of("/no").use((_, next) => next(new Error("refused")));
io.of("/data").use((_, next) => next(Object.assign(new Error("refused"), { data: { code: 1 } })));
const log = journal("server");
for (const name of ["/", "/chat"]) {
  io.of(name).on("connection", (socket) => {
    log(
      "connection",
      socket.nsp.name,
      socket.conn.protocol,
      socket.id === socket.conn.id,
      socket.id === `${socket.nsp.name}#${socket.conn.id}`,
      socket.handshake.auth,
      socket.handshake.query.token,
    );
    socket.onAny((event, ...args) =>
      log(
        event,
        args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
      ),
    );
    socket.on("ask", (value, done) => done("answer", value));
    socket.on("disconnect", (reason) => log("disconnect", socket.nsp.name, reason));
  });
}
const clients = [];
const open = (namespace, options = {}) => {
  const client = old(server.url + namespace, { forceNew: true, reconnection: false, ...options });
  clients.push(client);
  return client;
};
for (const transports of [["websocket"], ["polling"]]) {
  print(transports);
  const client = open("/", { transports, query: { token: "abc" } });
  const seen = journal(`client by ${transports}`);
  for (const name of ["e", "bytes"]) client.on(name, (...args) => seen(name, args));
  client.on("disconnect", (reason) => seen("disconnect", reason));
  const [socket] = await event(io, "connection");
  if (!client.connected) await event(client, "connect");
  print("ids:", client.id === socket.id, client.connected);
  print(await answer((done) => client.emit("ask", { n: 1 }, done)));
  print(await answer((done) => client.emit("ask", Buffer.from("x"), done)));
  client.on("question", (value, done) => done(`the answer to ${value}`));
  print(await socket.timeout(20_000).emitWithAck("question", "life"));
  socket.emit("e", 1, { a: [null] });
  socket.emit("bytes", Buffer.from("y"), "text");
  socket.join("room");
  io.to("room").emit("e", "to the room ☕");
  await heard(io, client);
  client.disconnect();
  await event(socket, "disconnect");
}
print("namespaces");
const chat = open("/chat?token=xyz", { transports: ["websocket"] });
await until(() => io.of("/chat").sockets.size === 1);
print("main as well:", io.of("/").sockets.size);
for (const name of ["/no", "/data", "/unknown"])
  print(name, await event(open(name, { transports: ["websocket"] }), "error"));
chat.disconnect();
print("beside clients of today");
const today = await server.pair();
const yesterday = open("/", { transports: ["websocket"] });
await until(() => io.sockets.sockets.size >= 2 && yesterday.connected);
const both = [today.client, yesterday].map((client) => event(client, "both"));
io.emit("both", { bytes: Buffer.from("z") });
print(...(await Promise.all(both)));
for (const client of clients) client.disconnect();
await until(() => io.engine.clientsCount === 1);
log.lines.splice(log.lines.findIndex((line) => line.includes("/chat")));
await server.close();

print("refused without allowEIO3");
const strict = await start();
const { status, body } = await get(strict.port, "/socket.io/?EIO=3&transport=polling");
print(status, body);
const client = old(strict.url, { forceNew: true, reconnection: false, transports: ["polling"] });
print((await event(client, "connect_error")).map((error) => error.message ?? error));
client.close();
await strict.close();
