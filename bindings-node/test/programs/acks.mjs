// Acknowledgements in both directions: callbacks, promises, timeouts, several arguments, binary, twice, never, too late.
import { answer, event, journal, pause, print, settle, settled, start, until } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair();

const log = journal("server");
socket.on("none", (...args) => log("none:", args.length));
socket.on("one", (value, done) => {
  log("one:", value, typeof done, done.length);
  log("done returns", done(value + 1));
  done("again");
});
socket.on("many", (done) => done(1, "two", null, { four: 4 }, [5]));
socket.on("nothing", (done) => done());
socket.on("undefined", (done) => done(undefined, undefined, 3));
socket.on("bytes", (done) => done(Buffer.from([1, 2, 3]), { deep: [Buffer.from("x")] }));
socket.on("error-first", (done) => done(new Error("as JSON")));
socket.on("later", (done) => setTimeout(done, 20, "late"));
socket.on("not last", (first, second) => log("not last:", typeof first, second));
socket.on("never", () => {});

print("client asks");
client.emit("none", 1);
print(await answer((done) => client.emit("one", 1, done)));
print(await answer((done) => client.emit("many", done)));
print(await answer((done) => client.emit("nothing", done)));
print(await answer((done) => client.emit("undefined", done)));
print(await answer((done) => client.emit("bytes", done)));
print(await answer((done) => client.emit("error-first", done)));
print(await client.emitWithAck("later"));
client.emit("not last", () => {}, "second");
print(await settle(client.timeout(50).emitWithAck("never")));
print(await client.timeout(20_000).emitWithAck("many"));
await settled(client, socket);

print("server asks");
client.on("one", (value, done) => {
  done(value + 1);
  done("again");
});
client.on("many", (done) => done(1, "two", null, { four: 4 }));
client.on("nothing", (done) => done());
client.on("bytes", (bytes, done) => done(bytes, Buffer.from("reply")));
client.on("later", (done) => setTimeout(done, 60, "late"));
client.on("never", () => {});
print("emit returns", socket.emit("plain"));
print(await answer((done) => socket.emit("one", 1, done)));
print(await answer((done) => socket.emit("many", done)));
print(await answer((done) => socket.emit("nothing", done)));
print(await answer((done) => socket.emit("bytes", Buffer.from([9]), done)));
print(await socket.emitWithAck("many"), await socket.emitWithAck("nothing"));
print(await answer((done) => socket.timeout(20_000).emit("many", done)));
print(await socket.timeout(20_000).emitWithAck("many"));
print("timeout returns", socket.timeout(20_000) === socket, await socket.emitWithAck("later"));

print("too late");
const calls = journal("callbacks with a timeout");
for (const ms of [0, 1, 20]) {
  await answer((done) =>
    socket.timeout(ms).emit("never", (...args) => {
      calls(ms, args.length, String(args[0]), args[0]?.constructor.name, Object.keys(args[0]));
      done();
    }),
  );
}
print(await settle(socket.timeout(10).emitWithAck("never")));
let called = 0;
socket.timeout(10).emit("later", () => called++);
await pause(150);
await settled(client, socket);
print("called once although the answer came later:", called);

print(
  "this of the callback",
  await new Promise((resolve) => {
    socket.emit("nothing", function () {
      resolve(this === socket);
    });
  }),
);

print("who leaves answers nobody");
const left = journal("after the client has left");
socket.emit("never", () => left("plain called"));
socket.timeout(50).emit("never", (error) => left("timed:", error.message));
socket.emitWithAck("never").then(
  () => left("promise resolved"),
  (error) => left("promise rejected:", error.message),
);
client.disconnect();
await event(socket, "disconnect");
socket.emit("never", () => left("plain after the end called"));
socket.timeout(20).emit("never", (error) => left("timed after the end:", error.message));
await until(() => left.lines.length === 2);
left.lines.sort();
await pause(50);
await server.close();
