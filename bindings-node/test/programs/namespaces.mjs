// Several namespaces over one connection, and over several.
import { Manager } from "socket.io-client";
import { aliases, event, journal, print, settled, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const made = journal("new_namespace");
io.on("new_namespace", (namespace) => made(namespace.name, namespace === io.of(namespace.name)));

print("names:", io.of("chat").name, io.of("/chat") === io.of("chat"), io.of("").name, io.of("/a/b?x").name);
print("main:", io.of("/") === io.sockets, [...io._nsps.keys()]);
const log = journal("server");
const alias = aliases();
const listener = (socket) => log("listener of of():", socket.nsp.name);
print(
  "of with a listener",
  io.of("/chat", listener) === io.of("/chat"),
  io.of("/chat").listeners("connect").length,
  io.of("/chat").listenerCount("connection"),
);
for (const name of ["/", "/chat", "/news"]) {
  io.of(name).on("connection", (socket) => {
    log("connection", socket.nsp.name, alias(socket.id), socket.client.id === socket.conn.id, socket.nsp.sockets.size);
    socket.on("disconnect", (reason) => log("disconnect", socket.nsp.name, reason));
    socket.on("where", (done) => done(socket.nsp.name));
  });
}

const manager = new Manager(server.url, { reconnection: false, transports: ["websocket"] });
const main = manager.socket("/");
const chat = manager.socket("/chat");
await Promise.all([event(main, "connect"), event(chat, "connect")]);
print("one connection:", io.engine.clientsCount, main.id !== chat.id, main.id !== main.io.engine.id);
const on = { main: io.sockets.sockets.get(main.id), chat: io.of("/chat").sockets.get(chat.id) };
print("shared:", on.main.conn === on.chat.conn, on.main.client === on.chat.client, on.main.request === on.chat.request);
print(await main.emitWithAck("where"), await chat.emitWithAck("where"));

const seen = journal("clients see");
main.on("e", (value) => seen("main", value));
chat.on("e", (value) => seen("chat", value));
io.emit("e", "io");
io.of("/chat").emit("e", "chat");
io.of("/news").emit("e", "news");
io.to(chat.id).emit("e", "ids of another namespace mean nothing");
on.chat.join("room");
io.to("room").emit("e", "nor do rooms");
io.of("/chat").to("room").emit("e", "room");
await settled(main, on.main);
await settled(chat, on.chat);

print("leaving one namespace keeps the other");
chat.disconnect();
await event(on.chat, "disconnect");
print(on.main.connected, on.chat.connected, manager.engine.readyState, io.of("/chat").sockets.size);
chat.connect();
await event(chat, "connect");
print("joined again:", await chat.emitWithAck("where"), io.of("/chat").sockets.get(chat.id) !== on.chat);

print("the server disconnects from one");
const again = io.of("/chat").sockets.get(chat.id);
again.disconnect();
print(await event(chat, "disconnect").then(([reason]) => reason), main.connected);
const news = manager.socket("/news");
await event(news, "connect");
print(
  "all of the connection's:",
  [...io._nsps.values()].map(({ name, sockets }) => [name, sockets.size]),
);
on.main.disconnect(true);
await until(() => news.disconnected && main.disconnected);
print(
  "nobody:",
  [...io._nsps.values()].map(({ sockets }) => sockets.size),
);
await until(() => io.engine.clientsCount === 0);

print("an unknown namespace");
const [error] = await event(server.client("/nowhere"), "connect_error");
print(error.message, error.data, Object.keys(error));
print("a name with a query, and an odd one");
const odd = server.client("/chat?token=1");
await event(odd, "connect");
await until(() => io.of("/chat").sockets.size === 1);
print([...io.of("/chat").sockets.values()].map(({ handshake, nsp }) => [nsp.name, handshake.query.token]));
io.of("/é ü/x");
await event(server.client("/é ü/x"), "connect");
await server.close();
