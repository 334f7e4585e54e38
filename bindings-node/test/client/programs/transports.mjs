// Polling, WebSocket, from one to the other, and what the engine tells of it.
import { Fetch, NodeWebSocket, NodeXHR } from "socket.io-client";
import { attempt, event, journal, print, start, until } from "./support.mjs";

async function run(title, options, server) {
  const log = journal(title);
  const client = server.client("/", { transports: undefined, ...options, autoConnect: false });
  client.connect();
  const { engine } = client.io;
  engine.on("upgrading", (transport) => log("upgrading", transport.name, engine.transport.name));
  engine.on("upgrade", (transport) => log("upgrade", transport.name, engine.transport.name));
  engine.on("upgradeError", (error) => log("upgradeError", error.message, error.transport));
  await event(client, "connect");
  const { conn } = server.io.sockets.sockets.get(client.id) ?? (await event(server.io, "connection"))[0];
  const wants =
    (options.upgrade ?? true) &&
    (options.transports ?? options.transportImplementations)?.length !== 1 &&
    server.upgrades !== false;
  print(title, "begins with", engine.transport.name === "websocket" || wants ? "…" : engine.transport.name);
  if (wants) await until(() => engine.transport.name === "websocket" && conn.transport.name === "websocket");
  print(engine.transport.name, conn.transport.name, engine.upgrading ?? false, engine.id === conn.id);
  for (const value of ["text", Buffer.from("bytes"), "x".repeat(200_000)]) {
    const heard = new Promise((resolve) => server.io.sockets.sockets.get(client.id).once("echo", resolve));
    client.emit("echo", value);
    const came = await heard;
    print(came.length, typeof came);
  }
  client.disconnect();
  print(engine.readyState);
}

const server = await start();
await run("default", {}, server);
await run("polling", { transports: ["polling"] }, server);
await run("websocket", { transports: ["websocket"] }, server);
await run("no upgrade", { upgrade: false }, server);
await run("websocket first", { transports: ["websocket", "polling"] }, server);
await run("base64", { transports: ["polling"], forceBase64: true }, server);
await run("base64, websocket", { transports: ["websocket"], forceBase64: true }, server);
await run("classes", { transports: [NodeXHR, NodeWebSocket] }, server);
await run("implementations", { transportImplementations: [NodeXHR] }, server);
await run("fetch", { transports: [Fetch] }, server);

print("both kinds of option");
print(attempt(() => server.client("/", { transports: ["polling"], transportImplementations: [NodeXHR] })));
await server.close();

print("a server without one of them");
const deaf = await start({ transports: ["websocket"] });
const polling = deaf.client("/", { transports: ["polling"] });
print((await event(polling, "connect_error"))[0].message, polling.io.engine.readyState);
const all = deaf.client("/", { transports: ["polling", "websocket"], tryAllTransports: true });
await event(all, "connect");
print(all.io.engine.transport.name);
all.disconnect();
await deaf.close();
const shut = await start({ allowUpgrades: false });
shut.upgrades = false;
await run("no upgrades", {}, shut);
await shut.close();

print("a WebSocket is remembered");
const again = await start();
const one = again.client("/", { transports: ["polling", "websocket"], rememberUpgrade: true });
const upgraded = new Promise((resolve) => one.io.on("open", () => one.io.engine.once("upgrade", resolve)));
await event(one, "connect");
await upgraded;
one.disconnect();
const two = again.client("/", { transports: ["polling", "websocket"], rememberUpgrade: true });
await event(two, "connect");
print(two.io.engine.transport.name);
two.disconnect();
await again.close();
