// Answers to a broadcast: all of them, some of them, none; by callback and by promise.
import { answer, event, print, settle, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const names = ["a", "b", "c"];
const pairs = [];
for (const name of names) {
  const { client, socket } = await server.pair();
  pairs.push({ client, socket });
  socket.join(name === "c" ? ["c", "last"] : [name, "early"]);
  client.on("who", (done) => done(name, "more"));
  client.on("echo", (value, done) => done({ name, value }));
  client.on("bytes", (done) => done(Buffer.from(name)));
  client.on("nothing", (done) => done());
  client.on("silent c", (done) => name !== "c" && done(name));
  client.on("silent", () => {});
}
const sorted = ([error, answers]) => [error, answers.map((answer) => JSON.stringify(answer)).sort()];

print("io:", sorted(await answer((done) => io.timeout(20_000).emit("who", done))));
print("room:", sorted(await answer((done) => io.to("early").timeout(20_000).emit("echo", 1, done))));
print("except:", sorted(await answer((done) => io.except("a").timeout(20_000).emit("who", done))));
print("socket.broadcast:", sorted(await answer((done) => pairs[0].socket.broadcast.timeout(20_000).emit("who", done))));
print(
  "socket.timeout.broadcast:",
  sorted(await answer((done) => pairs[0].socket.timeout(20_000).to("last").emit("who", done))),
);
print("binary:", sorted(await answer((done) => io.timeout(20_000).emit("bytes", done))));
print("no argument:", sorted(await answer((done) => io.timeout(20_000).emit("nothing", done))));
print("promise:", (await io.timeout(20_000).emitWithAck("who")).sort());
print(
  "promise of a room:",
  (await io.in("early").timeout(20_000).emitWithAck("echo", { x: 1 })).map(({ name }) => name).sort(),
);

print("nobody:", await answer((done) => io.to("nowhere").timeout(20_000).emit("who", done)));
print("nobody, promise:", await io.to("nowhere").timeout(20_000).emitWithAck("who"));

const late = await answer((done) => io.timeout(100).emit("silent c", done));
print("one is silent:", late[0].constructor.name, late[0].message, Object.keys(late[0]), late[1].sort());
const rejected = await io
  .timeout(100)
  .emitWithAck("silent c")
  .catch((error) => error);
print("promise:", rejected.message, Object.keys(rejected), rejected.responses.sort());
print(
  "all are silent:",
  sorted(await answer((done) => io.timeout(30).emit("silent", (error, answers) => done(error.message, answers)))),
);

const hasty = await answer((done) => io.to("a").emit("silent", (error, answers) => done(error.message, answers)));
print("without a timeout the wait is over at once:", hasty);
print("promise without a timeout:", await settle(io.to("a").emitWithAck("silent")));

print("one leaves meanwhile");
const leaving = answer((done) =>
  io.timeout(200).emit("silent c", (error, answers) => done(error?.message, answers.sort())),
);
await Promise.all(pairs.map(({ client }) => event(client, "silent c")));
pairs[2].client.disconnect();
print(await leaving);
await until(() => io.sockets.sockets.size === 2);
print("and is asked no more:", sorted(await answer((done) => io.timeout(20_000).emit("who", done))));
print(
  "the last argument must be the function:",
  attempt(() => io.timeout(10).emit("who", () => {}, 1)),
);
await server.close();

function attempt(call) {
  try {
    return call();
  } catch (error) {
    return error.message;
  }
}
