// `socket.conn`: the packets of a connection as listeners of `io.engine`'s `connection` see them, and packets of one's own.
import { answer, attempt, event, journal, print, settled, show, start, until } from "./support.mjs";

/** Listens to a connection's packets, in and out, each in a journal of its own. */
function watch(conn, title) {
  const log = { in: journal(`${title}: in`), out: journal(`${title}: out`) };
  const hide = (data) => (typeof data === "string" ? data.replace(/"sid":"[\w-]{20}"/, '"sid":"…"') : data);
  const known = (data) => !(typeof data === "string" && data.includes("settled?")) && !/^4?[36]\d*\[\]$/.test(data);
  conn.on("packet", ({ type, data }) => known(data) && log.in("packet", type, show(hide(data))));
  conn.on("data", (data) => known(data) && log.in("data", show(hide(data))));
  conn.on("message", (data) => known(data) && log.in("message", show(hide(data))));
  conn.on("packetCreate", ({ type, data }) => known(data) && log.out("packetCreate", type, show(hide(data))));
  return log;
}

for (const transports of [["websocket"], ["polling"]]) {
  const server = await start();
  const { io } = server;
  const opened = event(io.engine, "connection");
  io.engine.once("connection", (conn) => watch(conn, transports[0]));
  const { client, socket } = await server.pair("/", { transports });
  const [conn] = await opened;
  print(transports[0], conn === socket.conn, conn.id === client.io.engine.id, conn.protocol, conn.readyState);
  print(
    conn.transport.name,
    conn.upgraded,
    conn.upgrading,
    conn.remoteAddress.replace("::ffff:", ""),
    conn.request === socket.request,
  );
  print(io.engine.clientsCount, Object.keys(io.engine.clients).length, io.engine.clients[conn.id] === conn);
  socket.on("echo", (value, done) => done(value));
  client.emit("text", "ü", 1);
  client.emit("bytes", Buffer.from([1, 2, 3]));
  await answer((done) => client.emit("echo", "back", done));
  await answer((done) => client.emit("echo", { deep: Buffer.from("b") }, done));
  socket.emit("down", 1);
  socket.emit("down", Buffer.from([4]));
  io.emit("all", 2);
  await settled(client, socket);
  const closing = journal(`${transports[0]}: the end`);
  conn.on("close", (reason, description) => closing("close", reason, show(description), conn.readyState));
  socket.on("disconnect", (reason) => closing("disconnect", reason));
  client.disconnect();
  await until(() => closing.lines.length === 2);
  print(io.engine.clientsCount, conn.readyState, conn.transport.name);
  await server.close();
}

print("heartbeats");
const beating = await start({ pingInterval: 50 });
const beat = journal("heartbeat");
const [conn] = await Promise.all([event(beating.io.engine, "connection"), beating.pair()]).then(([conn]) => conn);
const seen = { out: event(conn, "packetCreate"), in: event(conn, "packet"), beat: event(conn, "heartbeat") };
beat("out", (await seen.out)[0].type, "in", (await seen.in)[0].type, "heartbeat", (await seen.beat).length);
await beating.close();

print("packets of one's own, beside Socket.IO's");
const server = await start();
const bare = server.raw();
const got = new Promise((resolve) =>
  server.io.engine.once("connection", (conn) => conn.once("message", (...args) => resolve(args))),
);
const [own] = await event(server.io.engine, "connection");
await bare.frame();
print(own.send("text") === own, await bare.frame());
own.write(Buffer.from([1, 2]));
print(await bare.frame());
own.write(new Uint8Array([3, 4]).buffer);
print(await bare.frame());
print((await answer((done) => own.send("with a callback", done)))[0] === own.transport, await bare.frame());
print((await answer((done) => own.send("with options", { compress: false }, done))).length, await bare.frame());
bare.send("40");
print("message:", ...(await got));
print("connect:", (await bare.frame()).replace(/"[\w-]{20}"/, '"…"'));
const over = event(own, "close");
own.close();
print("close:", ...(await over).map(show), own.readyState);
await bare.closed;
print(
  attempt(() => own.send("too late") === own),
  attempt(() => own.close() === undefined || own.close() === own),
);
await server.close();

print("a bad packet, a heartbeat the wrong way round");
for (const frame of ["x", "2"]) {
  const server = await start();
  const bare = server.raw();
  const [conn] = await event(server.io.engine, "connection");
  await bare.frame();
  const over = event(conn, "close");
  bare.send(frame);
  const [reason] = await over;
  print(show(frame), reason);
  await server.close();
}
