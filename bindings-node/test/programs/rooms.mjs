// Rooms: joining, leaving, targets of every kind, and each receiver once.
import { heard, journal, print, settled, show, start } from "./support.mjs";

const server = await start();
const { io } = server;
const names = ["a", "b", "c", "d"];
const people = {};
for (const name of names) {
  const { client, socket } = await server.pair();
  const got = [];
  client.onAny((event, value) => event === "e" && got.push(value));
  people[name] = { client, socket, got, name };
  await settled(client, socket);
}
const { a, b, c, d } = people;
const named = (ids) => [...ids].map((id) => Object.values(people).find(({ socket }) => socket.id === id)?.name ?? id);

print("join returns", a.socket.join("one"), a.socket.join(["two", "three"]), "leave returns", a.socket.leave("three"));
print("rooms", named(a.socket.rooms), a.socket.rooms instanceof Set, a.socket.rooms.has("two"), a.socket.rooms.size);
b.socket.join(["one", "two"]);
c.socket.join("two");
d.socket.join("four");
d.socket.join("four");
print("joined twice", named(d.socket.rooms));

let round = 0;
/** Who receives it when this emits. */
async function who(title, emit) {
  const value = ++round;
  emit(value);
  await heard(io, ...server.clients);
  print(
    `${title}:`,
    Object.values(people)
      .filter(({ got }) => got.includes(value))
      .map(({ name, got }) => name + (got.filter((v) => v === value).length > 1 ? " twice" : "")),
  );
}
await who("io", (v) => io.emit("e", v));
await who("to one", (v) => io.to("one").emit("e", v));
await who("in one", (v) => io.in("one").emit("e", v));
await who("to one and two", (v) => io.to("one").to("two").emit("e", v));
await who("to a list", (v) => io.to(["one", "two"]).emit("e", v));
await who("to one except two", (v) => io.to("one").except("two").emit("e", v));
await who("except two", (v) => io.except("two").emit("e", v));
await who("except a list", (v) => io.except(["one", "four"]).emit("e", v));
await who("except, twice", (v) => io.except("one").except("four").emit("e", v));
await who("to nothing", (v) => io.to([]).emit("e", v));
await who("to an unknown room", (v) => io.to("nowhere").emit("e", v));
await who("to an id", (v) => io.to(c.socket.id).emit("e", v));
await who("except an id", (v) => io.except(c.socket.id).emit("e", v));
await who("local", (v) => io.local.emit("e", v));
await who("socket.to", (v) => a.socket.to("one").emit("e", v));
await who("socket.in", (v) => a.socket.in(["one", "four"]).emit("e", v));
await who("socket.except", (v) => a.socket.except("two").emit("e", v));
await who("socket.broadcast", (v) => a.socket.broadcast.emit("e", v));
await who("socket.broadcast.to", (v) => a.socket.broadcast.to("two").emit("e", v));
await who("socket.local", (v) => a.socket.local.emit("e", v));
await who("socket.to own id", (v) => a.socket.to(a.socket.id).emit("e", v));
await who("socket.emit", (v) => a.socket.emit("e", v));
await who("of the namespace", (v) => io.of("/").to("four").emit("e", v));

print("somebody else's id as a room");
b.socket.join(a.socket.id);
await who("io.to(a)", (v) => io.to(a.socket.id).emit("e", v));
await who("a.broadcast leaves out who is in that room", (v) => a.socket.broadcast.emit("e", v));
b.socket.leave(a.socket.id);

print("leaving one's own room");
c.socket.leave(c.socket.id);
print(named(c.socket.rooms));
await who("io.to(c)", (v) => io.to(c.socket.id).emit("e", v));
await who("c.broadcast", (v) => c.socket.broadcast.emit("e", v));
await who("c.emit", (v) => c.socket.emit("e", v));
c.socket.join(c.socket.id);

print("numbers are rooms of their own");
d.socket.join(42);
b.socket.join("42");
await who("to 42", (v) => io.to(42).emit("e", v));
await who('to "42"', (v) => io.to("42").emit("e", v));
print([...d.socket.rooms].includes(42), [...d.socket.rooms].includes("42"), d.socket.rooms.has(42));
d.socket.leave("42");
print(d.socket.rooms.has(42));

print("operators are values");
const operator = io.to("one");
const more = operator.to("four");
await who("the first", (v) => operator.emit("e", v));
await who("the second", (v) => more.emit("e", v));
await who("the first again", (v) => operator.emit("e", v));

print("membership changes between emits of one tick");
await who("joined before, left after", (v) => {
  c.socket.join("tick");
  io.to("tick").emit("e", v);
  c.socket.leave("tick");
  io.to("tick").emit("e", `${v}`);
});
await who("left before", (v) => {
  a.socket.leave("one");
  io.to("one").emit("e", v);
});

print("adapter.rooms and adapter.sids");
const { rooms, sids } = io.of("/").adapter;
print(
  rooms instanceof Map,
  [...rooms.keys()]
    .filter((room) => String(room).length < 20)
    .map((room) => show(room))
    .sort(),
  named(rooms.get("two")),
);
print(rooms.has("nowhere"), rooms.get("nowhere"), rooms.size, sids.size, named(sids.get(b.socket.id)).sort());

print("after the end");
d.client.disconnect();
await new Promise((resolve) => d.socket.on("disconnect", resolve));
print(d.socket.rooms, d.socket.join("late"), d.socket.rooms, d.socket.leave("late"));
print(io.of("/").adapter.rooms.has("four"), io.of("/").adapter.sids.has(d.socket.id));
await server.close();
journal("done")("done");
