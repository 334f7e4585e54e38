// What a long-polling client gets: payloads, overlaps, aborted requests, bodies that are too large or no payload.
import { request } from "node:http";
import { journal, print, start, until } from "./support.mjs";

const server = await start({ maxHttpBufferSize: 1000, pingInterval: 20_000 });
const { io } = server;
const P = "/socket.io/?EIO=4&transport=polling";
const log = journal("server");
let title = "";
io.on("connection", (socket) => {
  const name = title;
  socket.on("disconnect", (reason, description) => log(`${name}:`, reason, description?.message));
  socket.onAny((...args) => log(`${name}:`, args));
});
/** A session that has joined; `poll` and `post` give `[status, body]`. */
async function session(name) {
  title = name;
  const open = await server.get(P);
  const path = `${P}&sid=${JSON.parse(open.body.slice(1)).sid}`;
  const brief = ({ status, body }) => [status, body.replace(/"sid":"[\w-]{20}"/g, '"sid":"…"')];
  const self = {
    path,
    poll: async (more = "", options) => brief(await server.get(path + more, options)),
    post: async (body, headers = { "content-type": "text/plain;charset=UTF-8" }) =>
      brief(await server.get(path, { method: "POST", body, headers })),
  };
  await self.post("40");
  print(`${name}:`, await self.poll());
  return self;
}
const plain = await session("plain");
print(await plain.post('42["a",1]\x1e42["b"]\x1e420["c"]'));
print(await plain.post("bAQI="), await plain.poll());

const binary = await session("binary");
print(await binary.post(`451-["a",{"_placeholder":true,"num":0}]\x1eb${Buffer.from("bytes").toString("base64")}`));
const [socket] = [...io.sockets.sockets.values()].slice(-1);
socket.emit("to you", Buffer.from("x"), 1);
socket.emit("and more", "☕");
print(await binary.poll());

const overlap = await session("two polls");
const first = overlap.poll();
await until(() => [...io.sockets.sockets.values()].at(-1).conn.transport.writable !== false);
print("second:", await overlap.poll("&x=1"), "first:", await first);

const pong = await session("a ping from the client");
print(await pong.post("2"));
const garbage = await session("garbage");
print(await garbage.post("abc"), await garbage.post('42["late"]'));
const empty = await session("empty");
print(await empty.post(""));
const invalid = await session("an invalid event");
print(await invalid.post("42{}"), await invalid.poll());
const twice = await session("a second CONNECT");
print(await twice.post("40"), await twice.poll());
const stranger = await session("a namespace that was not joined");
print(await stranger.post('42/x,["a"]'), await stranger.poll());
const octets = await session("octet-stream");
print(await octets.post("x", { "content-type": "application/octet-stream" }));
const large = await session("too large");
print((await large.post("x".repeat(1001))).slice(0, 1), await large.post('42["still there"]'));
const closing = await session("the client closes");
print(await closing.post("1"), (await closing.poll())[0]);
const leaving = await session("the client leaves");
print(await leaving.post("41"), await leaving.poll("", { method: "POST", body: '42["x"]' }));

const aborted = await session("an aborted poll");
const req = request({ host: "127.0.0.1", port: server.port, path: aborted.path });
req.on("error", () => {});
req.end();
await until(
  () => io.sockets.sockets.size > 0 && [...io.sockets.sockets.values()].at(-1).conn.transport.writable !== false,
);
await new Promise((resolve) => setTimeout(resolve, 50));
req.destroy();
await until(() => log.lines.some((line) => line.startsWith("an aborted poll")));
print(await aborted.poll());

print("a connection that ends by the server while a poll waits");
const ending = await session("server ends it");
const waiting = ending.poll();
await new Promise((resolve) => setTimeout(resolve, 50));
[...io.sockets.sockets.values()].at(-1).disconnect(true);
print((await waiting)[1].split("\x1e")[0]);
log.lines.sort();
await server.close();
