// Flags: volatile and compress, where they are set and when they are forgotten.
import { heard, journal, print, settled, start } from "./support.mjs";

const server = await start({ perMessageDeflate: false });
const { io } = server;
const { client, socket } = await server.pair();
const other = await server.pair();
const seen = journal("the client sees");
client.onAny((name, ...args) => name !== "heard?" && name !== "settled?" && seen(name, args));
await settled(client, socket);
await settled(other.client, other.socket);

print(
  "chains:",
  socket.volatile === socket,
  socket.compress(true) === socket,
  socket.compress(false).volatile === socket,
);
socket.emit("the flags of the chain above went with this");
await settled(client, socket);
socket.volatile.emit("volatile to who is ready");
await settled(client, socket);
socket.volatile.emit("with binary", Buffer.from([1, 2]), { more: Buffer.from([3]) });
await settled(client, socket);
io.volatile.emit("volatile to all");
await heard(io, client, other.client);
io.to(socket.id).volatile.emit("volatile to a room");
await heard(io, client, other.client);
other.socket.volatile.broadcast.emit("volatile to the others");
await heard(io, client, other.client);
other.socket.broadcast.volatile.emit("the other way round");
await heard(io, client, other.client);
io.compress(false).emit("not compressed");
io.compress(true).to(socket.id).emit("compressed");
socket.compress(false).emit("alone");
await heard(io, client, other.client);

print("an emit with volatile and an ack");
client.once("ask", (done) => done("yes"));
print(await socket.volatile.emitWithAck("ask"));

print("a volatile emit to who has left");
other.client.disconnect();
print(await new Promise((resolve) => other.socket.on("disconnect", resolve)));
print(other.socket.volatile.emit("gone"), io.volatile.to(other.socket.id).emit("gone"));

print("a client without its first poll loses what is volatile");
const polling = server.client("/", { transports: ["polling"] });
const got = journal("a polling client sees");
polling.onAny((name) => got(name));
io.once("connection", (socket) => {
  // The answer to the CONNECT occupies the poll: nothing else fits.
  socket.volatile.emit("lost");
  socket.emit("kept");
});
await new Promise((resolve) => polling.on("kept", resolve));
await server.close();
