// socket.io.engine: what it has, and what it emits.
import { answer, event, journal, print, start, turn, until } from "./support.mjs";

for (const transport of ["websocket", "polling"]) {
  const server = await start({ pingInterval: 40, pingTimeout: 20_000 });
  const log = journal(`engine, ${transport}`);
  const client = server.client("/", { transports: [transport], autoConnect: false });
  let pings = 0;
  client.io.on("ping", () => pings++);
  client.connect();
  const { engine } = client.io;
  print(engine.readyState, engine.transport.name, engine.transport.writable, engine.writeBuffer.length);
  const made = journal(`packets that were made, ${transport}`);
  engine.on(
    "packet",
    ({ type, data }) =>
      type === "ping" ||
      log(
        "packet",
        type,
        type === "message" ? (Buffer.isBuffer(data) ? data : data.replace(/"[\w-]{20}"/, '"…"')) : "",
      ),
  );
  engine.on("packetCreate", ({ type, data }) => type === "pong" || made("packetCreate", type, typeof data));
  const count = { heartbeat: 0, data: 0, message: 0, ping: 0, pong: 0, drain: 0, flush: 0 };
  for (const name of Object.keys(count)) engine.on(name, () => count[name]++);
  engine.on("open", () => log("open"));
  engine.on("handshake", (data) => log("handshake", Object.keys(data), typeof data.sid, data.sid === engine.id));
  engine.on("close", (reason) => log("close", reason, engine.readyState, engine.id));
  await event(client, "connect");
  await until(() => server.io.sockets.sockets.size === 1);
  const [[, socket]] = server.io.sockets.sockets;
  await turn();
  print(engine.readyState, engine.transport.name, typeof engine.id, engine.id === socket.conn.id);
  socket.on("echo", (...args) => args.pop()(...args));
  print(await answer((done) => client.emit("echo", "x", Buffer.from("y"), done)));
  await until(() => engine.writeBuffer.length === 0 && engine.transport.writable);
  let many = 0;
  socket.on("many", () => many++);
  client.emit("many");
  client.emit("many");
  print("writable at once", engine.transport.writable);
  await until(() => engine.writeBuffer.length === 0);
  await until(() => pings >= 2 && many === 2);
  print(
    count.data === count.message,
    count.data >= 4,
    count.heartbeat > count.data,
    count.ping >= 2,
    count.ping === count.pong,
  );
  print(count.drain > 0, count.flush > 0);
  const raw = event(socket.conn, "data");
  print(engine.write('2["raw",1]') === engine, await raw);
  const told = await new Promise((resolve) => engine.send('2["raw",2]', {}, () => resolve("told")));
  print(told);
  await until(() => made.lines.length === 7);
  const closed = event(engine, "close");
  print(engine.close() === engine);
  print(await closed, engine.readyState, engine.close() === engine);
  const after = engine.write("nobody") === engine;
  print(after, engine.writeBuffer.length);
  client.disconnect();
  await server.close();
}
