// Every form of emit that the documentation lists, and who hears it.
import { heard, journal, print, settle, show, start } from "./support.mjs";

const server = await start();
const { io } = server;
const nsp = io.of("/admin");
const pairs = {};
for (const name of ["a", "b", "c", "d"]) {
  const { client, socket } = await server.pair("/");
  const log = journal(name);
  client.onAny(
    (event, ...args) =>
      event === "heard?" ||
      log(
        event,
        args.filter((arg) => typeof arg !== "function"),
      ),
  );
  client.on("asked", (...args) => args.at(-1)(`${name} answers`));
  pairs[name] = { client, socket };
}
const { a, b, c, d } = pairs;
b.socket.join("room1");
c.socket.join(["room1", "room2"]);
d.socket.join("room2");
const admin = (await server.pair("/admin")).client;
const adminLog = journal("admin");
admin.onAny((event, ...args) => adminLog(event, args));

a.socket.emit("to itself", 1, "2", { 3: "4", 5: Buffer.from([6]) });
a.socket.broadcast.emit("to the others");
a.socket.to("room1").emit("to room1");
a.socket.to(["room1", "room2"]).emit("to two rooms, once each");
b.socket.to("room1").to("room2").emit("to two rooms but itself");
a.socket.except("room1").emit("to whoever is not in room1");
a.socket.to("room2").except("room1").emit("to room2 without room1");
io.emit("to all");
io.in("room1").emit("in room1");
io.in(["room1", "room2"]).except("room3").emit("in two rooms");
io.of("/admin").emit("to a namespace");
io.to(b.socket.id).emit("to one, by its id");
a.socket.to(c.socket.id).emit("to another, by its id");
io.local.emit("to all of this server");
a.socket.local.emit("to the others of this server");
a.socket.compress(false).emit("uncompressed");
io.compress(true).to("room1").emit("compressed");
io.except(["room1", "room2"]).emit("without two rooms");
io.to("nowhere").emit("to nobody");
io.to([]).emit("to no room in particular");
io.send("a message", 2);
a.socket.send("a message", 3);
io.sockets.write("one more");
nsp.send("a message", 4);
await heard(io, ...Object.values(pairs).map(({ client }) => client));
const sorted = (answers) => [...answers].sort();
print(await a.socket.emitWithAck("asked"), await a.socket.timeout(20_000).emitWithAck("asked", 1));
print(show(sorted(await io.timeout(20_000).emitWithAck("asked"))));
print(show(sorted(await io.to("room1").timeout(20_000).emitWithAck("asked"))));
print(show(sorted(await a.socket.to("room2").timeout(20_000).emitWithAck("asked"))));
print(show(await io.to("nowhere").timeout(20_000).emitWithAck("asked")));
print(
  show(
    sorted(
      await new Promise((resolve) =>
        io
          .except("room1")
          .timeout(20_000)
          .emit("asked", (_, answers) => resolve(answers)),
      ),
    ),
  ),
);
print(await settle(io.timeout(20).to("room1").emitWithAck("unheard of")));
await server.close();
