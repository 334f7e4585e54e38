// `namespace.adapter`: what it tells of rooms, what it shows of them, and its methods, by themselves.
import { aliases, event, heard, journal, print, settled, show, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const namespace = io.of("/n");
const { adapter } = namespace;
const name = aliases();
const log = journal("events");
const id = (room) => (typeof room === "string" && room.length === 20 ? name(room) : room);
for (const event of ["create-room", "join-room", "leave-room", "delete-room"]) {
  adapter.on(event, (room, socket) => log(event, id(room), ...(socket === undefined ? [] : ["by", name(socket)])));
}
print(adapter.nsp === namespace, io.of("/").adapter === adapter, await adapter.serverCount());
print("empty:", adapter.rooms, adapter.sids, adapter.rooms instanceof Map, adapter.sids instanceof Map);

namespace.use((socket, next) => {
  if (socket.handshake.auth.early) socket.join("early");
  next();
});
const a = await server.pair("/n");
const b = await server.pair("/n", { auth: { early: true } });
for (const { socket } of [a, b]) name(socket.id);
await settled(a.client, a.socket);
log("-- joining");
a.socket.join("one");
a.socket.join("one");
a.socket.join(["one", "two", "two"]);
b.socket.join("one");
log("-- leaving");
a.socket.leave("two");
a.socket.leave("two");
a.socket.leave("nowhere");
b.socket.leave("one");
log("-- many");
namespace.in("one").socketsJoin(["three", "four"]);
namespace.socketsJoin("all");
namespace.in("three").socketsLeave("four");

const sorted = (set) => [...set].map(id).sort();
print("views");
print("rooms:", sorted(adapter.rooms.keys()), adapter.rooms.size);
print("one:", sorted(adapter.rooms.get("one")), "all:", sorted(adapter.rooms.get("all")));
print("own:", sorted(adapter.rooms.get(a.socket.id)), adapter.rooms.has(b.socket.id));
print(
  "none:",
  adapter.rooms.get("two"),
  adapter.rooms.has("two"),
  adapter.sids.get("nobody"),
  adapter.sids.has("nobody"),
);
print(
  "sids:",
  sorted(adapter.sids.keys()),
  sorted(adapter.sids.get(a.socket.id)),
  sorted(adapter.sids.get(b.socket.id)),
);
const seen = [];
adapter.rooms.forEach((members, room) => {
  seen.push(`${id(room)}: ${sorted(members)}`);
});
print("forEach:", seen.sort());
print("entries:", [...adapter.rooms].length, [...adapter.rooms.entries()].length, [...adapter.rooms.values()].length);
const live = adapter.rooms.get("one");
b.socket.join("one");
print("live:", sorted(live), live.has(b.socket.id), live.size, live instanceof Set);
b.socket.leave("one");

print("methods");
print("sockets:", sorted(await adapter.sockets(new Set(["one"]))), sorted(await adapter.sockets(new Set())));
print("socketRooms:", sorted(adapter.socketRooms(b.socket.id)), adapter.socketRooms("nobody"));
print(
  "fetchSockets:",
  (await adapter.fetchSockets({ rooms: new Set(["all"]), except: new Set(["one"]) })).map((socket) => name(socket.id)),
);
adapter.addAll(a.socket.id, new Set(["five", "six"]));
adapter.del(a.socket.id, "five");
print("addAll, del:", sorted(a.socket.rooms));
adapter.addSockets({ rooms: new Set(["six"]), except: new Set() }, ["seven"]);
adapter.delSockets({ rooms: new Set(["six"]), except: new Set() }, ["six"]);
print("addSockets, delSockets:", sorted(a.socket.rooms), sorted(b.socket.rooms));

const got = journal("broadcasts of the adapter");
for (const [who, { client }] of Object.entries({ a, b })) client.on("e", (value) => got(who, value));
/** One broadcast, and who had it. */
async function broadcast(value, rooms, except = []) {
  const opts = { rooms: new Set(rooms), except: new Set(except), flags: {} };
  adapter.broadcast({ type: 2, data: ["e", value], nsp: "/n" }, opts);
  await heard(namespace, a.client, b.client);
}
const lines = got.lines;
for (const [title, rooms, except] of [
  ["to all", []],
  ["to one", ["one"]],
  ["to one and seven, once", ["one", "seven"]],
  ["to all but one", [], ["one"]],
  ["to nobody", ["nowhere"]],
]) {
  lines.splice(0);
  await broadcast(title, rooms, except);
  print("broadcast", title, lines.slice().sort());
}
lines.splice(0);
a.client.on("ask", (done) => done("a's answer"));
b.client.on("ask", (done) => done("b's answer"));
const answers = [];
let count;
await new Promise((resolve) =>
  adapter.broadcastWithAck(
    { type: 2, data: ["ask"], nsp: "/n" },
    { rooms: new Set(["all"]), except: new Set(), flags: { timeout: 20_000 } },
    (clients) => (count = clients),
    (answer) => answers.push(answer) === 2 && resolve(),
  ),
);
print("broadcastWithAck:", count, answers.sort());

log("-- disconnecting");
const left = event(a.socket, "disconnect");
a.client.disconnect();
await left;
print("gone:", sorted(adapter.rooms.keys()), adapter.sids.size, live.size, show(sorted(adapter.rooms.get("all"))));
adapter.disconnectSockets({ rooms: new Set(["all"]), except: new Set() }, true);
await event(b.client, "disconnect");
await until(() => adapter.rooms.size === 0);
print("empty again:", adapter.rooms.size, adapter.sids.size);
await server.close();
