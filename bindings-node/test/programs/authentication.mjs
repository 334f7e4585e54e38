// The recipes about who is there: handshakes that the engine checks, sessions that all tabs of a user share, cookies, counting.
import { event, get, heard, journal, print, show, start, until } from "./support.mjs";

const server = await start({
  allowRequest: (req, done) => done(req.headers["x-banned"] ? "banned" : null, !req.headers["x-banned"]),
  cookie: { name: "node", path: "/", httpOnly: true, sameSite: "strict", maxAge: 86_400 },
});
const { io } = server;
const users = new Map([
  ["secret of a", { name: "a", visits: 0 }],
  ["secret of b", { name: "b", visits: 0 }],
]);

print("the engine looks at handshakes alone");
const asked = journal("handshakes");
io.engine.use((req, _res, next) => {
  if (req._query.sid !== undefined) return next();
  asked(req.method, req._query.transport, req.headers.authorization);
  req.user = users.get(req.headers.authorization?.replace("Bearer ", ""));
  next(req.user ? undefined : new Error("nobody"));
});
io.engine.on("initial_headers", (headers) => {
  headers["x-node"] = "1";
  headers["set-cookie"] = "seen=1; Path=/; SameSite=Strict";
});
const handshake = "/socket.io/?EIO=4&transport=polling";
for (const headers of [
  {},
  { authorization: "Bearer secret of a" },
  { authorization: "Bearer wrong" },
  { "x-banned": "1" },
]) {
  const { status, body, headers: answered } = await get(server.port, handshake, { headers });
  const cookies = (answered["set-cookie"] ?? []).map((cookie) => cookie.replace(/node=[^;]+/, "node=…"));
  print(status, status === 200 ? "" : body, answered["x-node"], cookies);
}

print("all tabs of a user");
io.use((socket, next) => {
  const { user } = socket.request;
  user.visits++;
  socket.data.user = user.name;
  next();
});
io.on("connection", async (socket) => {
  const room = `user:${socket.data.user}`;
  await socket.join(room);
  socket.on("whoami", (answer) => answer(socket.request.user.name, socket.data));
  socket.on("logout", () => io.in(room).disconnectSockets(true));
  socket.on("private", (to, text) => socket.to(`user:${to}`).emit("private", socket.data.user, text));
  // As the tutorial validates.
  socket.on("order", (payload, answer) => {
    if (typeof answer !== "function") return socket.disconnect();
    if (typeof payload?.count !== "number") return answer({ status: "error", details: "count" });
    answer({ status: "ok", count: payload.count });
  });
});
const open = async (name) => {
  const extraHeaders = { authorization: `Bearer secret of ${name}` };
  return (await server.pair("/", { extraHeaders })).client;
};
const tabs = [await open("a"), await open("a")];
const other = await open("b");
print(await tabs[1].emitWithAck("whoami"), await other.emitWithAck("whoami"), show([...users.values()]));
const log = journal("private messages");
for (const [n, tab] of tabs.entries()) tab.on("private", (from, text) => log("tab", n, from, text));
other.on("private", () => log("its own"));
other.emit("private", "a", "hello");
await other.emitWithAck("whoami");
await heard(io, ...tabs, other);
print(await other.emitWithAck("order", { count: 1 }), await other.emitWithAck("order", { count: "1" }));

print("how many there are");
const count = async () => [
  io.engine.clientsCount,
  io.of("/").sockets.size,
  (await io.fetchSockets()).length,
  (await io.in("user:a").fetchSockets()).map((socket) => socket.data.user),
  io.of("/").adapter.rooms.get("user:a")?.size,
];
const connections = (await count())[0];
print(show((await count()).slice(1)));
const ends = tabs.map((tab) => event(tab, "disconnect"));
tabs[0].emit("logout");
print(...(await Promise.all(ends)).map(([reason]) => reason));
await until(() => io.engine.clientsCount === connections - 2);
print(show((await count()).slice(1)));
const left = event(other, "disconnect");
other.emit("order", { count: 1 }); // nobody to answer
print(...(await left).slice(0, 1), io.of("/").sockets.size);
await server.close();
