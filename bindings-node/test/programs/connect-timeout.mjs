// Connections that join no namespace, and those that left all of them.
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ connectTimeout: 150 });
const { io } = server;
const log = journal("server");
io.engine.on("connection", (conn) => conn.on("close", (reason) => log("close", conn.transport.name, reason)));

const silent = server.raw();
await silent.opened;
print("websocket closed with", await silent.closed);

const refused = server.raw();
await refused.opened;
io.of("/no").use((_, next) => next(new Error("no")));
refused.send("40/no,");
print((await refused.frame()).slice(0, 1), await refused.frame(), "closed with", await refused.closed);

const unknown = server.raw();
await unknown.opened;
unknown.send("40/unknown,");
print((await unknown.frame()).slice(0, 1), await unknown.frame(), "closed with", await unknown.closed);

const [joined, left] = [await join(), await join()];
left.raw.send("41");
await event(left.socket, "disconnect");
const other = server.raw();
await other.opened;
await other.closed;
for (const [name, { raw }] of Object.entries({ joined, left }))
  print("who has", name, "is", raw.socket.readyState === 1 ? "there" : "gone");
for (const { raw } of [left, joined]) raw.close();
await until(() => io.engine.clientsCount === 0);
await server.close();

async function join() {
  const raw = server.raw();
  await raw.opened;
  raw.send("40");
  const [socket] = await event(io, "connection");
  for (let n = 0; n < 2; n++) await raw.frame(); // the handshake, and the answer to CONNECT
  return { raw, socket };
}
