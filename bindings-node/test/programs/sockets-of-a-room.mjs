// fetchSockets, socketsJoin, socketsLeave, disconnectSockets, and what one can do with the sockets found.
import { heard, journal, print, settled, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");
const people = [];
for (const name of ["a", "b", "c"]) {
  const { client, socket } = await server.pair("/", { auth: { name }, query: { name } });
  socket.data.name = name;
  socket.on("disconnect", (reason) => log(name, reason));
  const seen = journal(`${name} sees`);
  client.onAny(
    (event, ...args) =>
      event.endsWith("?") ||
      seen(
        event,
        args.filter((arg) => typeof arg !== "function"),
      ),
  );
  client.on("disconnect", (reason) => seen("disconnect:", reason));
  people.push({ client, socket });
  await settled(client, socket);
}
const [a, b, c] = people;
const names = (sockets) => sockets.map(({ data }) => data.name).sort();

print("all:", names(await io.fetchSockets()), (await io.fetchSockets()).includes(a.socket));
io.in(a.socket.id).socketsJoin(["x", "y"]);
io.to(b.socket.id).socketsJoin("x");
print("x:", names(await io.in("x").fetchSockets()), "y:", names(await io.in("y").fetchSockets()));
print(
  "x except y:",
  names(await io.in("x").except("y").fetchSockets()),
  "except x:",
  names(await io.except("x").fetchSockets()),
);
print("local:", names(await io.local.fetchSockets()), "nowhere:", names(await io.in("nowhere").fetchSockets()));
print(
  "of a socket's others:",
  names(await a.socket.broadcast.fetchSockets()),
  names(await a.socket.to("x").fetchSockets()),
);
print(
  "allSockets:",
  (await io.allSockets()).size,
  (await io.in("x").allSockets()).has(b.socket.id),
  (await io.allSockets()) instanceof Set,
);
print("return values:", io.socketsJoin("all"), io.in("x").socketsLeave(["y", "nowhere"]), io.socketsLeave("all"));
print("y:", names(await io.in("y").fetchSockets()));
a.socket.broadcast.socketsJoin("others");
print("others:", names(await io.in("others").fetchSockets()));

print("one of them");
const [one] = await io.in(a.socket.id).fetchSockets();
print(one.id === a.socket.id, one.handshake.auth, one.handshake.query.name, one.data, one.rooms.has("x"));
one.emit("from afar", 1);
one.join("z");
print(one.rooms.has("z"), a.socket.rooms.has("z"));
one.leave("z");
print(a.socket.rooms.has("z"));
a.client.once("ask", (done) => done("answer"));
print(await one.timeout(20_000).emitWithAck("ask"));
await heard(io, ...server.clients);

print("disconnecting");
print(io.in("x").except(b.socket.id).disconnectSockets());
print(a.socket.connected, (await io.fetchSockets()).length);
await until(() => a.client.disconnected);
print("its transport is open:", a.client.io.engine.readyState);
print(io.in(b.socket.id).disconnectSockets(true));
await until(() => b.client.disconnected);
print("its transport is", b.client.io.engine.readyState);
io.disconnectSockets();
await until(() => c.client.disconnected);
print("left:", (await io.fetchSockets()).length, io.sockets.sockets.size);
await server.close();
