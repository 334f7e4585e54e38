// Managers that are opened, closed and stopped by hand.
import { Manager } from "socket.io-client";
import { event, journal, pause, print, start } from "./support.mjs";

const server = await start();
const { url } = server;
const make = (options) =>
  new Manager(url, { transports: ["websocket"], reconnectionDelay: 5, randomizationFactor: 0, ...options });
const log = journal("events");
const follow = (title, manager) => {
  for (const name of ["open", "close", "error", "reconnect_attempt", "reconnect", "reconnect_failed"]) {
    manager.on(name, (value) => log(title, name, value?.message ?? value));
  }
};

print("it opens by itself, without any socket");
const first = make();
follow("first", first);
await event(first, "open");
print(first._readyState, first.engine.readyState, Object.keys(first.nsps));
first._close();
print(first._readyState, first.engine.readyState);
first._close();

print("by hand, with a callback");
const second = make({ autoConnect: false });
follow("second", second);
print(second._readyState, second.engine === undefined);
const opened = new Promise((resolve) => second.open((...args) => resolve(args)));
print(second._readyState, await opened);
const socket = second.socket("/");
print("no autoConnect, no connect", socket.active, socket.connected);
socket.connect();
await event(socket, "connect");
socket.disconnect();
print("the last socket closes it", second._readyState);

print("closed while it opens");
const third = make();
follow("third", third);
const never = third.socket("/");
never.on("connect", () => log("third connected"));
never.on("disconnect", (reason) => log("third disconnected", reason));
never.disconnect();
await pause(30);
print(third._readyState, never.active);

print("told not to come back, while it waits");
const fourth = make({ reconnectionDelay: 30, reconnectionDelayMax: 30 });
follow("fourth", fourth);
const waits = fourth.socket("/");
await event(waits, "connect");
const away = event(waits, "disconnect");
fourth.engine.close();
await away;
print(!!fourth._reconnecting, fourth._readyState, fourth.reconnection(), waits.active);
fourth.reconnection(false);
await pause(60);
print(!!fourth._reconnecting, fourth._readyState, fourth.reconnection(), waits.active);

print("closed by a listener of the attempt");
const fifth = make();
follow("fifth", fifth);
const sixth = fifth.socket("/");
await event(sixth, "connect");
fifth.on("reconnect_attempt", () => sixth.disconnect());
fifth.engine.close();
await event(fifth, "reconnect_attempt");
await pause(30);
print(!!fifth._reconnecting, fifth._readyState, sixth.active);

print("a timeout of false waits");
const seventh = make({ timeout: false });
await event(seventh, "open");
seventh._close();
await server.close();
process.exit(0);
