// Why a socket was disconnected: what both sides are told, for every way that it can happen.
import { Manager } from "socket.io-client";
import { event, journal, print, start, until } from "./support.mjs";

const errors = (value) => (value instanceof Error ? `${value.constructor.name}: ${value.message}` : value);
const clients = journal("client");

for (const transports of [["websocket"], ["polling"]]) {
  const [name] = transports;
  const server = await start({ pingInterval: 20_000 });
  const { io } = server;
  const log = journal(`server, ${name}`);
  const both = async (title, end) => {
    const { client, socket } = await server.pair("/", { transports });
    const told = event(client, "disconnect");
    const heard = event(socket, "disconnect");
    socket.on("disconnecting", (...args) => log(`${title}: disconnecting`, args.map(errors), socket.connected));
    const closed = event(socket.conn, "close");
    await end(client, socket);
    log(`${title}: disconnect`, (await heard).map(errors), socket.connected);
    const [reason, details] = await told;
    clients(
      name,
      `${title}:`,
      reason,
      errors(details?.description ?? details)
        ?.toString()
        .split("\n")[0] ?? "-",
    );
    log(`${title}: conn close`, (await closed)[0], socket.conn.readyState);
  };
  await both("client.disconnect()", (client) => client.disconnect());
  await both("socket.disconnect()", (_, socket) => socket.disconnect());
  await both("socket.disconnect(true)", (_, socket) => socket.disconnect(true));
  await both("the client's transport closes", (client) => client.io.engine.close());
  await both("socket.conn.close()", (_, socket) => socket.conn.close());
  await both("disconnectSockets(true)", () => io.disconnectSockets(true));
  if (name === "websocket") {
    await both(
      "the connection is cut",
      (client) => client.io.engine.transport.ws.terminate?.() ?? client.io.engine.transport.ws.close(),
    );
    await both("an invalid packet", (client) => client.io.engine.write('2{"no":"event"}'));
    await both("a packet that is no packet", (client) => client.io.engine.write("9abc"));
  }
  await server.close();
}

print("ping timeout");
const silent = await start({ pingInterval: 50, pingTimeout: 50 });
const gone = journal("ping timeout");
silent.io.on("connection", (socket) => socket.on("disconnect", (...args) => gone(args.map(errors))));
const raw = silent.raw();
await raw.opened;
raw.send("40");
gone("close code", await raw.closed);
await until(() => gone.lines.length === 2);
gone.lines.sort();
await silent.close();

print("io.close()");
const closing = await start();
const last = journal("io.close()");
for (const transports of [["websocket"], ["polling"]]) {
  const { client, socket } = await closing.pair("/", { transports });
  socket.on("disconnect", (...args) => last("server", transports[0], args.map(errors)));
  client.on("disconnect", (reason) => clients("io.close():", transports[0], reason));
}
await closing.io.close();
await until(() => closing.clients.every(({ disconnected }) => disconnected));
clients.lines.splice(-2, 2, ...clients.lines.slice(-2).sort());

print("every namespace of a connection hears it");
const many = await start();
many.io.of("/b");
const heard = journal("two namespaces");
const manager = new Manager(many.url, { reconnection: false, transports: ["websocket"] });
for (const name of ["/", "/b"]) {
  many.io.of(name).on("connection", (socket) => {
    socket.on("disconnecting", (reason) => heard("disconnecting", name, reason));
    socket.on("disconnect", (reason) => heard("disconnect", name, reason));
  });
  const client = manager.socket(name);
  client.on("disconnect", (reason) => clients("two namespaces:", name, reason));
  await event(client, "connect");
}
await until(() => many.io.of("/b").sockets.size === 1);
[...many.io.sockets.sockets.values()][0].disconnect(true);
await until(() => many.io.engine.clientsCount === 0);
await many.close();
