// The documentation's chat with private messages: a session that outlives its sockets.
import { randomUUID } from "node:crypto";
import { event, journal, print, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const sessions = new Map();
const names = new Map();
io.use((socket, next) => {
  const { sessionID, username } = socket.handshake.auth;
  const session = sessions.get(sessionID);
  if (session !== undefined) Object.assign(socket, session);
  else if (username) Object.assign(socket, { sessionID: randomUUID(), userID: randomUUID(), username });
  else return next(new Error("invalid username"));
  next();
});
io.on("connection", (socket) => {
  sessions.set(socket.sessionID, { sessionID: socket.sessionID, userID: socket.userID, username: socket.username });
  names.set(socket.userID, socket.username);
  socket.emit("session", { sessionID: socket.sessionID, userID: socket.userID });
  socket.join(socket.userID);
  socket.broadcast.emit("user connected", { userID: socket.userID, username: socket.username });
  socket.on("private message", ({ content, to }, done) => {
    socket.to(to).to(socket.userID).emit("private message", { content, from: socket.username });
    done?.();
  });
});

const log = journal("clients");
async function join(username) {
  const socket = server.client("/", { autoConnect: false, reconnectionDelay: 5 });
  socket.onAny(
    (name, ...args) =>
      name === "session" ||
      log(
        username,
        name,
        args.map(({ content, from, username }) => [content, from, username]),
      ),
  );
  socket.on("session", ({ sessionID, userID }) => {
    socket.auth = { sessionID };
    socket.userID = userID;
  });
  socket.auth = { username };
  socket.connect();
  await event(socket, "session");
  return socket;
}
const nobody = server.client("/", { autoConnect: false });
nobody.connect();
print((await event(nobody, "connect_error"))[0].message);
const ann = await join("ann");
const bob = await join("bob");
await until(() => log.lines.length === 1);
await ann.emitWithAck("private message", { content: "hi", to: bob.userID });
await until(() => log.lines.length === 2);
bob.disconnect();
await until(() => io.sockets.sockets.size === 1);
bob.connect();
await event(bob, "session");
print(names.get(bob.userID), bob.auth.sessionID !== undefined, sessions.size);
bob.emit("private message", { content: "back", to: ann.userID });
await until(() => log.lines.some((line) => line.includes("back")));
await server.close();
