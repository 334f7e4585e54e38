// The chat of "Get started": an Express app, one page, every message to everybody, a notice of who comes and goes.
import { createServer } from "node:http";
import express from "express";
import { Server } from "socket.io";
import { event, heard, journal, print, serve, settled, until } from "./support.mjs";

const app = express();
const server = createServer(app);
const io = new Server(server);

app.get("/", (_, res) => res.send("<h1>Hello world</h1>"));

const log = journal("server");
io.on("connection", (socket) => {
  log("a user connected");
  socket.broadcast.emit("hi");
  socket.on("chat message", (message) => {
    log("message:", message);
    io.emit("chat message", message);
  });
  socket.on("typing", (name) => socket.broadcast.emit("typing", name));
  socket.on("disconnect", (reason) => log("user disconnected:", reason));
});

const chat = await serve(io, server);
const page = await chat.get("/");
print("page:", page.status, page.body);
const missing = await chat.get("/nothing");
print("missing:", missing.status, missing.headers["x-powered-by"]);

const logs = ["anna", "ben", "carl"].map((name) => journal(`${name} sees`));
const people = [];
for (const log of logs) {
  const { client, socket } = await chat.pair();
  client.onAny((...args) => log(args));
  people.push({ client, socket });
  await settled(client, socket);
}
const [anna, ben, carl] = people;
for (const { client, socket } of people) {
  client.offAny();
  await settled(client, socket);
}
people.forEach(({ client }, i) => {
  client.on("chat message", (message) => logs[i](message));
  client.on("typing", (name) => logs[i]("typing", name));
});
anna.client.emit("chat message", "hello");
await event(carl.client, "chat message");
ben.client.emit("typing", "ben");
ben.client.emit("chat message", "hello anna ☕");
await event(carl.client, "chat message");
await heard(io, ...chat.clients);
carl.client.disconnect();
await event(carl.socket, "disconnect").catch(() => {});
anna.client.emit("chat message", "carl left");
await event(ben.client, "chat message");
anna.client.disconnect();
ben.client.disconnect();
await until(() => io.of("/").sockets.size === 0);
await chat.close();
