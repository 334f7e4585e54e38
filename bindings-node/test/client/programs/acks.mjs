// Answers in both directions, as the client sees them.
import { answer, event, journal, pause, print, settle, start } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair();
const log = journal("server");
socket.on("echo", (...args) => args.pop()(...args));
socket.on("twice", (done) => {
  done("first");
  done("second");
});
socket.on("never", () => {});
socket.on("late", (done) => setTimeout(done, 40, "late"));

print("the client asks");
print(await answer((done) => client.emit("echo", done)));
print(await answer((done) => client.emit("echo", 1, "two", null, { four: [5] }, undefined, done)));
print(await answer((done) => client.emit("echo", Buffer.from([1, 2]), { deep: [Buffer.from("x")] }, done)));
print(await answer((done) => client.emit("twice", done)));
print(await client.emitWithAck("echo", "a", "b"), await client.emitWithAck("echo"));
print(await answer((done) => client.timeout(20_000).emit("echo", 1, done)));
print(await client.timeout(20_000).emitWithAck("echo", 1));
print(
  "this",
  await new Promise((resolve) => {
    client.emit("echo", function () {
      resolve(this === client);
    });
  }),
);
print("a function that is not last is nothing:", await answer((done) => client.emit("echo", () => {}, 2, done)));
print("promise of an answer that looks like an error", await settle(client.emitWithAck("echo", "x")));
print(Object.keys(client.acks));

print("too late");
print(await settle(client.timeout(5).emitWithAck("never")));
for (const ms of [0, 1, 10]) {
  await answer((done) =>
    client.timeout(ms).emit("never", (...args) => {
      print(args.length, String(args[0]), args[0].constructor.name, Object.keys(args[0]));
      done();
    }),
  );
}
let calls = 0;
client.timeout(5).emit("late", () => calls++);
await pause(80);
await client.emitWithAck("echo");
print("called", calls);

print("the client answers");
client.on("one", (value, done) => {
  log(typeof done, done.length);
  log(done(value + 1));
  done("again");
});
client.on("many", (done) => done(1, "two", null, undefined, Buffer.from("3")));
client.on("later", (done) => setTimeout(done, 5, "later"));
print(await answer((done) => socket.emit("one", 1, done)));
print(await answer((done) => socket.emit("many", done)));
print(await socket.timeout(20_000).emitWithAck("later"));

print("on a disconnect");
const left = journal("left");
client.emit("never", (...args) => left("plain", args.length));
client.timeout(20_000).emit("never", (error, ...rest) => left("timed:", error.message, rest.length));
client.emitWithAck("never").catch((error) => left("promise:", error.message));
client.on("disconnect", () => left("disconnect", Object.keys(client.acks).length));
let reply;
client.on("keep", (done) => {
  reply = done;
});
socket.emit("keep", () => log("a reply after the end arrived"));
await event(client, "keep");
client.disconnect();
left("after", Object.keys(client.acks));
reply("nobody hears");
await pause(30);
await server.close();
