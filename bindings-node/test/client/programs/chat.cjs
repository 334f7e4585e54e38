// The documentation's chat, in CommonJS: names, rooms, typing, who is there.
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const io = require("socket.io-client");

const print = (...items) =>
  console.log(...items.map((item) => (typeof item === "string" ? item : JSON.stringify(item))));
const heard = (socket, name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));

const http = createServer();
const server = new Server(http);
const users = new Map();
server.on("connection", (socket) => {
  socket.on("add user", (name, done) => {
    users.set(socket.id, name);
    socket.broadcast.emit("user joined", { name, count: users.size });
    done({ count: users.size });
  });
  socket.on("new message", (text) => socket.broadcast.emit("new message", { name: users.get(socket.id), text }));
  socket.on("typing", () => socket.volatile.broadcast.emit("typing", users.get(socket.id)));
  socket.on("disconnect", () => {
    const name = users.get(socket.id);
    users.delete(socket.id);
    socket.broadcast.emit("user left", { name, count: users.size });
  });
});
http.listen(0, async () => {
  const url = `http://localhost:${http.address().port}`;
  const [ann, bob] = [io(url, { forceNew: true }), io.connect(url, { forceNew: true, transports: ["websocket"] })];
  print(await ann.emitWithAck("add user", "ann"));
  await new Promise((resolve) => (bob.connected ? resolve() : bob.once("connect", resolve)));
  const joined = heard(ann, "user joined");
  print(...(await Promise.all([bob.emitWithAck("add user", "bob"), joined])));
  const [message, typing] = [heard(bob, "new message"), heard(bob, "typing")];
  ann.emit("typing");
  ann.emit("new message", "hello");
  print(await typing, await message);
  const left = heard(ann, "user left");
  bob.close();
  print(await left);
  ann.close();
  server.close();
});
