// The chat of the tutorial's last steps: messages with numbers, the client tells where it was, retries are told apart.
import { event, heard, journal, print, start, until } from "./support.mjs";

const messages = []; // { id, content, offset }
const server = await start();
const { io } = server;
const log = journal("server");
io.on("connection", (socket) => {
  log("connection, recovered:", socket.recovered, "offset:", socket.handshake.auth.serverOffset);
  socket.on("chat message", (content, clientOffset, callback) => {
    if (messages.some(({ offset }) => offset === clientOffset)) {
      log("known already:", content);
      return callback();
    }
    const id = messages.push({ content, offset: clientOffset });
    io.emit("chat message", content, id);
    callback();
  });
  if (!socket.recovered) {
    for (const [i, { content }] of messages.entries()) {
      if (i + 1 > (socket.handshake.auth.serverOffset ?? 0)) socket.emit("chat message", content, i + 1);
    }
  }
});

const open = (name) => {
  const seen = journal(`${name} sees`);
  const client = server.client("/", {
    auth: { serverOffset: 0 },
    retries: 3,
    ackTimeout: 10_000,
  });
  client.on("chat message", (content, serverOffset) => {
    seen(content, serverOffset);
    client.auth.serverOffset = serverOffset;
  });
  return client;
};
const anna = open("anna");
await event(anna, "connect");
await anna.emitWithAck("chat message", "one", "anna-0");
await anna.emitWithAck("chat message", "two", "anna-1");
await anna.emitWithAck("chat message", "two", "anna-1");
const ben = open("ben");
await event(ben, "connect");
await heard(io, anna, ben);
const away = event(ben, "disconnect");
ben.io.engine.close();
await away;
await until(() => io.sockets.sockets.size === 1);
await anna.emitWithAck("chat message", "three, while ben is away", "anna-2");
ben.connect();
await event(ben, "connect");
await until(() => io.sockets.sockets.size === 2);
await heard(io, anna, ben);
print(messages.map(({ content }) => content));
await server.close();
