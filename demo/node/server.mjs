// The chat in Node: node server.mjs [port]. The same program: ../python, and core/ferrio/examples/chat.rs.
import { createServer } from "node:http";
import express from "express";

// A program written for socket.io runs on ferrio: only the import changes, elsewhere to "ferrio".
const { Server } = await import(process.env.DEMO_ORIGINAL ? "socket.io" : "../../bindings-node/wrapper.mjs");

const page = new URL("../public", import.meta.url).pathname;
const server = createServer(express().use(express.static(page)));
const io = new Server(server);
const people = new Map(); // socket id -> { name, room }

io.on("connection", (socket) => {
  socket.emit("welcome", { language: "Node" });
  enter(socket, socket.handshake.auth); // after a reconnect the client tells where it was

  socket.on("enter", (who, done) => (enter(socket, who), done()));
  socket.on("message", (text) => say(socket, io, "message", { text }));
  socket.on("image", (image) => say(socket, io, "image", image)); // { type, data }, data as binary
  socket.on("typing", (typing) => say(socket, socket, "typing", { typing })); // socket.to(): all but itself
  socket.on("disconnect", () => leave(socket));
});

function enter(socket, { name, room }) {
  leave(socket);
  if (!name || !room) return;
  people.set(socket.id, { name, room });
  socket.join(room);
  tellWhoIsThere(room);
}

function leave(socket) {
  const { room } = people.get(socket.id) ?? {};
  if (!room) return;
  people.delete(socket.id);
  socket.leave(room);
  tellWhoIsThere(room);
}

function say(socket, from, event, what) {
  const { name, room } = people.get(socket.id) ?? {};
  if (room) from.to(room).emit(event, { ...what, name });
}

function tellWhoIsThere(room) {
  io.to(room).emit("users", [...people.values()].filter((who) => who.room === room).map((who) => who.name));
}

const port = Number(process.argv[2] ?? 3001);
server.listen(port, "127.0.0.1", () => console.log(`ready ${port}`));
