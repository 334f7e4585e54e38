// Namespaces that are made when a client asks for them.
import { attempt, event, heard, journal, print, settle, settled, start } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
io.on("new_namespace", (namespace) => log("new", namespace.name));

const users = io.of(/^\/user-\d+$/);
print("a parent:", users.name, users.constructor.name, users !== io.of(/^\/user-\d+$/), [...io._nsps.keys()]);
print(
  "use and on return it:",
  users.use((socket, next) => {
    log("use", socket.nsp.name);
    next();
  }) === users,
  users.on("connection", (socket) => log("connection", socket.nsp.name, socket.nsp === io.of(socket.nsp.name))) ===
    users,
);
users.on("connect", (socket) => log("connect", socket.nsp.name));

const one = await server.pair("/user-1");
const two = await server.pair("/user-2");
const same = await server.pair("/user-1");
print(one.socket.nsp === same.socket.nsp, one.socket.nsp === two.socket.nsp, one.socket.nsp.sockets.size, [
  ...io._nsps.keys(),
]);

print("middlewares and listeners are copied when a child is made");
users.use((socket, next) => {
  log("added later", socket.nsp.name);
  next();
});
users.on("connection", () => log("listener added later"));
await server.pair("/user-1");
await server.pair("/user-3");
print("a listener of one child");
one.socket.nsp.on("connection", (socket) => log("own listener", socket.nsp.name));
await server.pair("/user-1");

print("a parent emits to all children");
for (const [name, { client, socket }] of Object.entries({ one, two })) {
  const seen = journal(`${name} sees`);
  client.on("e", (...args) => seen(args));
  await settled(client, socket);
}
two.socket.join("room");
print(users.emit("e", 1), users.to("room").emit("e", 2), users.except("room").emit("e", 3), users.send("x") === users);
users.to("nowhere").emit("e", 4);
for (const { nsp } of [one.socket, two.socket]) nsp.emit("e", "end of", nsp.name);
await settled(one.client, one.socket);
await settled(two.client, two.socket);
print(attempt(() => users.fetchSockets()));
print(users.sockets.size);

print("the program asks for a name that matches");
const four = io.of("/user-4");
print(four.name, four.listenerCount("connection"), io.of("/user-4") === four);
let called = 0;
io.of("/user-5", () => called++);
await server.pair("/user-5");
print("the listener given with the name:", called);

print("regular expressions with a memory");
for (const flags of ["g", "y", "gy", "i"])
  print(
    flags,
    attempt(() => io.of(new RegExp("^/re", flags)).name.replace(/\d+/, "N")),
  );

print("by a function");
const asked = journal("the function is asked");
const byFunction = io.of((name, auth, next) => {
  asked(name, auth, typeof next);
  if (name === "/fn-error") return next(new Error("no"), true);
  if (name === "/fn-late") return void setTimeout(next, 10, null, true);
  next(null, name.startsWith("/fn-"));
});
byFunction.on("connection", (socket) => log("connection by function", socket.nsp.name, socket.handshake.auth));
await server.pair("/fn-1", { auth: { token: "a" } });
await server.pair("/fn-late");
for (const name of ["/fn-error", "/other"]) {
  const [error] = await event(server.client(name), "connect_error");
  print(name, error.message);
}

print("the first parent that agrees has it");
const first = io.of((name, _auth, next) => setTimeout(next, 5, null, name === "/both"));
const second = io.of(/^\/both$/);
first.on("connection", () => log("the first has it"));
second.on("connection", () => log("the second has it"));
await server.pair("/both");

print("made once for many that ask at the same time");
let created = 0;
io.on("new_namespace", ({ name }) => name === "/at-once" && created++);
const waiting = [];
io.of((name, _auth, next) => {
  if (name === "/at-once" && waiting.push(next) === 3) for (const next of waiting) next(null, true);
});
await Promise.all([1, 2, 3].map(() => event(server.client("/at-once"), "connect")));
print(created, io.of("/at-once").sockets.size);
print(await settle(heard(io.of("/at-once"), ...server.clients.slice(-3))));
await server.close();
