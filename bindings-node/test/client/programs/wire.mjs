// The very frames that the client sends.
import { createServer } from "node:http";
import { io as connect } from "socket.io-client";
import { WebSocketServer } from "ws";
import { event, journal, print, until } from "./support.mjs";

const http = createServer().listen(0, "127.0.0.1");
await event(http, "listening");
const raw = new WebSocketServer({ server: http });
const opened = event(raw, "connection");
const client = connect(`http://127.0.0.1:${http.address().port}/chat?x=1`, {
  transports: ["websocket"],
  reconnection: false,
  auth: { token: "ü" },
});
client.emit("buffered", 1);
const [socket] = await opened;
const frames = [];
socket.on("message", (data, binary) => frames.push(binary ? data : data.toString()));
socket.send('0{"sid":"x","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
await until(() => frames.length === 1);
socket.send('40/chat,{"sid":"me"}');
await event(client, "connect");
client.emit("plain");
client.emit("values", 1, "two", null, undefined, { a: [true] });
client.emit("ack", () => {});
client.emit("bytes", Buffer.from([1, 2]), { deep: Buffer.from([3]) });
client.emit("bytes with ack", Buffer.from([4]), () => {});
client.send("text");
client.compress(false).emit("flagged");
client.emit('quote"d', "\u0000\u2028☕");
client.emit(7, 8);
client.on("ask", (done) => done("yes", Buffer.from([5])));
socket.send('42/chat,12["ask"]');
await until(() => frames.length === 16);
socket.send("2");
await until(() => frames.at(-1) === "3");
client.io.socket("/", { auth: (done) => done(undefined) });
client.io.socket("/deep/er", { auth: {} });
await until(() => frames.length === 19);
client.disconnect();
await until(() => frames.length === 20);
print(client.active, client.io._readyState);
const log = journal("frames");
for (const frame of frames) log(frame);
socket.terminate();
client.io._close();
raw.close();
http.close();
