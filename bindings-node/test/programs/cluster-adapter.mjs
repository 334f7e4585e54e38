// Three servers that npm's ClusterAdapter connects, by a bus in this process: what crosses, and what answers.
import { ClusterAdapter } from "socket.io-adapter";
import { answer, attempt, event, journal, print, settle, start, until } from "./support.mjs";

const nodes = new Set();
class Bus extends ClusterAdapter {
  constructor(nsp) {
    super(nsp);
    nodes.add(this);
  }
  close() {
    nodes.delete(this);
  }
  serverCount() {
    return Promise.resolve([...nodes].filter(({ nsp }) => nsp.name === this.nsp.name).length);
  }
  async doPublish(message) {
    const copy = structuredClone(message);
    setImmediate(() => {
      for (const node of nodes) if (node !== this) node.onMessage(structuredClone(copy));
    });
    return "";
  }
  async doPublishResponse(uid, message) {
    const copy = structuredClone(message);
    setImmediate(() => {
      for (const node of nodes) if (node.uid === uid) node.onResponse(copy);
    });
  }
}

const servers = [];
for (let n = 0; n < 3; n++) servers.push(await start({ adapter: Bus }));
const [one, two, three] = servers.map(({ io }) => io);
print("servers:", await one.of("/").adapter.serverCount(), one.of("/").adapter instanceof Bus);

print("serverSideEmit");
const logs = { one: journal("one hears"), two: journal("two hears"), three: journal("three hears") };
for (const [name, io] of Object.entries({ one, two, three })) {
  io.on("hello", (...args) => logs[name]("hello", ...args));
  io.of("/n").on("in a namespace", (...args) => logs[name]("in a namespace", ...args));
}
print(one.serverSideEmit("hello", 1, "two", { three: [3] }));
two.of("/n").serverSideEmit("in a namespace", null);
await until(() => logs.one.lines.length === 1 && logs.two.lines.length === 1 && logs.three.lines.length === 2);
for (const name of ["connect", "connection", "new_namespace"]) {
  print(
    name,
    attempt(() => one.serverSideEmit(name)),
  );
}

print("with answers");
two.on("ask", (n, done) => done(n + 2));
three.on("ask", (n, done) => done(n + 3));
print("promise:", (await one.serverSideEmitWithAck("ask", 10)).sort());
const [error, answers] = await answer((done) => one.serverSideEmit("ask", 20, done));
print("callback:", error, answers.sort());
one.on("ask", (n, done) => done(n + 1));
print("from another:", (await two.serverSideEmitWithAck("ask", 30)).sort());
print("alone in a namespace:", await answer((done) => one.of("/alone").serverSideEmit("ask", done)));

print("broadcasts");
const people = {};
for (const [n, name] of ["a", "b", "c"].entries()) {
  const { client, socket } = await servers[n].pair();
  const got = journal(`${name} hears`);
  client.on("e", (...args) => got(...args.map((arg) => (Buffer.isBuffer(arg) ? `bytes ${arg}` : arg))));
  client.on("who", (done) => done(name));
  socket.data.name = name;
  people[name] = { client, socket, got };
}
const { a, b, c } = people;
a.socket.join(["x", "y"]);
b.socket.join("x");
c.socket.join("y");
const count = (...numbers) => until(() => Object.values(people).every(({ got }, n) => got.lines.length === numbers[n]));
one.emit("e", "everybody");
await count(1, 1, 1);
two.to("x").emit("e", "room x", Buffer.from("b"));
await count(2, 2, 1);
three.to("x").to("y").emit("e", "x and y, once");
await count(3, 3, 2);
three.except("y").emit("e", "without y");
await count(3, 4, 2);
a.socket.broadcast.emit("e", "everybody but a");
await count(3, 5, 3);
one.to(c.socket.id).emit("e", "an id");
await count(3, 5, 4);
one.local.emit("e", "local");
await count(4, 5, 4);

print("acks:", (await one.timeout(20_000).emitWithAck("who")).sort());
print("acks of a room:", (await two.to("y").timeout(20_000).emitWithAck("who")).sort());
b.client.off("who");
const late = await settle(three.timeout(200).emitWithAck("who"));
print("late:", late);

print("sockets of all servers");
const sockets = await one.fetchSockets();
print(sockets.map(({ data }) => data.name).sort());
const remote = (await one.in("x").fetchSockets()).find(({ data }) => data.name === "b");
print(
  remote.id === b.socket.id,
  remote.constructor.name,
  [...remote.rooms].includes("x"),
  remote.handshake.address.length > 0,
);
print(
  "no answer:",
  await c.socket.nsp
    .to(b.socket.id)
    .timeout(100)
    .emitWithAck("nobody listens")
    .catch((error) => error.message),
);
const joined = event(two.of("/").adapter, "join-room");
remote.join("far");
print("join:", (await joined)[0], b.socket.rooms.has("far"));
const left = event(two.of("/").adapter, "leave-room");
one.in("far").socketsLeave("far");
print("leave:", (await left)[0], b.socket.rooms.has("far"));
three.in("y").socketsJoin("z");
await until(() => a.socket.rooms.has("z"));
print((await two.in("z").fetchSockets()).map(({ data }) => data.name).sort());
const gone = event(b.client, "disconnect");
remote.disconnect(true);
print("disconnect:", ...(await gone));
const all = [a, c].map(({ client }) => event(client, "disconnect"));
two.disconnectSockets();
print("all:", (await Promise.all(all)).flat());

for (const server of servers) await server.close();
print("closed:", nodes.size);
