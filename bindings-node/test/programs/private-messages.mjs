// The recipes around users: a token in auth, a room per user, presence, private messages, logging a user out.
import { randomUUID } from "node:crypto";
import { event, heard, journal, print, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const sessions = new Map();
const log = journal("server");

io.use((socket, next) => {
  const { sessionID, username } = socket.handshake.auth;
  const session = sessions.get(sessionID);
  if (session) {
    Object.assign(socket.data, { sessionID, ...session });
    return next();
  }
  if (!username) return next(new Error("invalid username"));
  Object.assign(socket.data, { sessionID: randomUUID(), userID: `user-${sessions.size}`, username });
  next();
});
io.on("connection", async (socket) => {
  const { sessionID, userID, username } = socket.data;
  sessions.set(sessionID, { userID, username });
  socket.emit("session", { sessionID, userID });
  socket.join(userID);
  const users = (await io.fetchSockets()).map(({ data }) => data.username);
  socket.emit("users", [...new Set(users)].sort());
  socket.broadcast.emit("user connected", username);
  socket.on("private message", ({ content, to }) => {
    socket.to(to).to(userID).emit("private message", { content, from: userID });
  });
  socket.on("logout", () => io.in(userID).disconnectSockets());
  socket.on("disconnect", async (reason) => {
    const others = await io.in(userID).fetchSockets();
    log(username, reason, "still there:", others.length);
    if (others.length === 0) socket.broadcast.emit("user disconnected", username);
  });
});

const refused = server.client();
print((await event(refused, "connect_error"))[0].message);

async function open(title, auth) {
  const seen = journal(`${title} sees`);
  const client = server.client("/", { auth });
  let session;
  client.on("session", (value) => {
    session = value;
    seen("session", value.userID);
  });
  client.onAny((name, value) => ["session", "heard?"].includes(name) || seen(name, value));
  client.on("disconnect", (reason) => seen("disconnect", reason));
  await event(client, "users");
  await heard(io, ...server.clients.filter(({ connected }) => connected));
  return { client, session };
}
const anna = await open("anna", { username: "anna" });
const ben = await open("ben", { username: "ben" });
const tab = await open("anna's other tab", { sessionID: anna.session.sessionID });
ben.client.emit("private message", { content: "hi", to: anna.session.userID });
await event(tab.client, "private message");
anna.client.emit("private message", { content: "hello", to: ben.session.userID });
await event(ben.client, "private message");
await heard(io, anna.client, ben.client, tab.client);
tab.client.emit("logout");
await until(() => anna.client.disconnected && tab.client.disconnected && log.lines.length === 2);
await heard(io, ben.client);
log.lines.sort();
await server.close();
