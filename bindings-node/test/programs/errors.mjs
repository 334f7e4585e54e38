// Names that are reserved, the event "error", and calls that cannot be.
import { attempt, event, journal, print, settled, start } from "./support.mjs";

const server = await start();
const { io } = server;
const { client, socket } = await server.pair();
const seen = journal("client");
client.onAny((...args) => String(args[0]).endsWith("?") || seen(args));

const NAMES = [
  "connect",
  "connection",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
  "error",
  "new_namespace",
  "message",
  "ping",
  "reconnect",
];
for (const name of NAMES) {
  print(
    `${name}:`,
    ...[socket, io, io.of("/"), io.to("x"), socket.broadcast].map((target) => attempt(() => target.emit(name))),
  );
}
for (const name of ["connect", "connection", "new_namespace"]) {
  print(
    `serverSideEmit ${name}:`,
    attempt(() => io.serverSideEmit(name)),
    attempt(() => io.of("/").serverSideEmit(name)),
  );
}
await settled(client, socket);

print("names of other types");
print(
  attempt(() => socket.emit(1, "a number")),
  attempt(() => socket.emit("", "none")),
);
await settled(client, socket);
const odd = await server.pair();
for (const name of [undefined, null, true, {}])
  print(
    String(name),
    attempt(() => odd.socket.emit(name)),
  );
client.offAny();

print("the event error from the client");
const log = journal("server");
client.emit("error", { from: "client" });
await settled(client, socket);
print("unheard:", socket.connected);
socket.on("error", (error) => log("error:", error));
client.emit("error", "text");
client.emit("error", { from: "client" }, 2);
await settled(client, socket);
print("heard:", socket.connected);

print("values that cannot be sent");
const cycle = {};
cycle.self = cycle;
const { name: CycleError } = TypeError;
for (const [what, value] of [
  ["a cycle", cycle],
  ["a bigint", 1n],
  [
    "a toJSON that throws",
    {
      toJSON() {
        throw new RangeError("mine");
      },
    },
  ],
  [
    "a getter that throws",
    {
      get x() {
        throw new RangeError("getter");
      },
    },
  ],
]) {
  for (const target of [socket, io]) {
    const result = attempt(() => target.emit("x", value));
    print(what, typeof result === "string" ? result.split("\n")[0] : result);
  }
}
void CycleError;
print("and afterwards:", socket.emit("fine"), (await event(client, "fine")).length);

print("strange arguments of attach");
const { Server } = await import("socket.io");
const app = () => {};
print(attempt(() => new Server().attach(app)));
print(attempt(() => new Server(app)));
print(attempt(() => new Server().listen(app)));
await server.close();
