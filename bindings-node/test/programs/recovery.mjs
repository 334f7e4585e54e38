// Connection state recovery: who comes back to id, rooms, data and missed events, and who starts anew.
import { event, journal, print, settled, show, start } from "./support.mjs";

const server = await start({ connectionStateRecovery: { maxDisconnectionDuration: 60_000 } });
const { io } = server;
print("option:", io.opts.connectionStateRecovery);
let asked = 0;
io.use((_socket, next) => {
  asked++;
  next();
});

/** A client that has had an event (without one the original does not recover), and its socket. */
async function visitor(transports) {
  const { client, socket } = await server.pair("/", { transports });
  const seen = [];
  client.onAny((name, ...args) => name !== "settled?" && seen.push([name, ...args]));
  const first = event(client, "first");
  socket.emit("first");
  await first;
  return { client, socket, seen };
}

/** Breaks the connection, does something meanwhile, comes back: the new socket. */
async function away({ client, socket }, meanwhile = () => {}) {
  const left = event(socket, "disconnect");
  client.io.engine.close();
  print("left:", ...(await left));
  await meanwhile();
  const back = event(io, "connection");
  const connected = event(client, "connect");
  client.connect();
  const [again] = await back;
  await connected;
  return again;
}

for (const transports of [["websocket"], ["polling"]]) {
  print("over", transports[0]);
  const person = await visitor(transports);
  const { client, socket, seen } = person;
  const before = asked;
  print(socket.recovered, client.recovered);
  socket.join(["kept", "also kept", "left"]);
  socket.data.name = "Ada";
  socket.on("disconnecting", () => socket.leave("left"));
  const again = await away(person, () => {
    print("while away:", io.sockets.sockets.size, io.of("/").adapter.rooms.get("kept"));
    io.emit("everybody", 1);
    io.to("kept").emit("room", { a: [null, "ü"] });
    io.to("left").emit("not a member");
    io.except("kept").emit("excepted");
    io.to(["kept", "also kept"]).emit("once");
    io.to(socket.id).emit("id", Buffer.from("bytes"));
    io.volatile.emit("volatile");
    socket.emit("by the old socket");
    socket.to("kept").emit("not to itself");
  });
  print(
    "recovered:",
    again.recovered,
    client.recovered,
    again !== socket,
    again.id === socket.id,
    client.id === socket.id,
  );
  print(
    "data:",
    again.data,
    again.data === socket.data,
    "rooms:",
    [...again.rooms].filter((room) => room !== again.id).sort(),
  );
  print("middlewares asked again:", asked - before);
  await settled(client, again);
  for (const [name, ...args] of seen) {
    const offset = args.pop();
    print("got", name, ...args.map((arg) => (Buffer.isBuffer(arg) ? `bytes ${arg}` : show(arg))), typeof offset);
  }
  seen.length = 0;
  const hello = event(client, "hello");
  io.to("kept").emit("hello");
  print("still a member:", (await hello).length);

  const third = await away({ client, socket: again });
  print("twice:", third.recovered, third.id === socket.id, third.data);
  client.disconnect();
  await event(third, "disconnect");
  const [fresh] = await Promise.all([event(io, "connection"), client.connect()]);
  print("after leaving:", fresh[0].recovered, fresh[0].id === socket.id, fresh[0].data, asked - before);
  await event(client, "connect");
  const told = event(client, "disconnect");
  fresh[0].disconnect();
  print(...(await told));
  const [other] = await Promise.all([event(io, "connection"), client.connect()]);
  print("after being sent away:", other[0].recovered, other[0].id === fresh[0].id);
  await event(client, "connect");
  client.disconnect();
  await event(other[0], "disconnect");
}

print("offsets on both sides");
const { client, socket } = await visitor(["websocket"]);
const out = [];
socket.onAnyOutgoing((...args) => out.push(args));
const got = [];
client.onAny((...args) => got.push(args));
socket.emit("plain", 1);
io.emit("all");
socket.emit("with ack", 3, () => {});
io.to(socket.id).emit("room");
await settled(client, socket);
const shape = (list) =>
  list
    .filter(([name]) => name !== "settled?")
    .map((args) =>
      args.map((arg, at) => (at === args.length - 1 && typeof arg === "string" && at > 0 ? "offset" : arg)),
    );
print("server:", shape(out));
print(
  "client:",
  shape(got).map((args) => args.map((arg) => (typeof arg === "function" ? "ack" : arg))),
);
const last = (list, name) => list.find(([event]) => event === name).at(-1);
print(
  "the same:",
  ["plain", "all", "room"].map((name) => last(out, name) === last(got, name)),
);

print("strangers");
for (const [title, auth] of Object.entries({
  "an unknown pid": { pid: "nobody", offset: "nothing" },
  "a pid that is no text": { pid: 1, offset: "x" },
  "an offset that is no text": { pid: "nobody", offset: {} },
  "no offset": { pid: "nobody" },
})) {
  const [[stranger], client] = await Promise.all([event(io, "connection"), raw(auth)]);
  const { sid, pid, ...more } = JSON.parse((await client.frame()).slice(2));
  print(title, stranger.recovered, typeof sid, typeof pid, more);
  client.close();
}
await server.close();

async function raw(auth) {
  const client = server.raw();
  await client.frame();
  client.send(`40${JSON.stringify(auth)}`);
  return client;
}

print("asked again if so wished, and refused");
const strict = await start({ connectionStateRecovery: { skipMiddlewares: false } });
print(strict.io.opts.connectionStateRecovery);
const log = journal("middlewares that are asked");
let refuse = false;
strict.io.use((socket, next) => {
  log(socket.recovered, socket.data);
  next(refuse ? new Error("not now") : undefined);
});
const guest = await strict.pair();
const first = event(guest.client, "first");
guest.socket.emit("first");
await first;
guest.socket.data.name = "Bea";
const left = event(guest.socket, "disconnect");
guest.client.io.engine.close();
await left;
refuse = true;
guest.client.connect();
print((await event(guest.client, "connect_error"))[0].message);
await strict.close();
