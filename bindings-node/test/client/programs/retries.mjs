// The option retries: one event at a time, until it is acknowledged or given up.
import { answer, journal, pause, print, settle, start, until } from "./support.mjs";

const server = await start();
const { io } = server;
const log = journal("server");

print("in order, once each when they are answered");
io.of("/plain").on("connection", (socket) => {
  socket.on("order", (n, done) => {
    log("order", n, typeof done);
    done("got", n);
  });
});
const plain = server.client("/plain", { retries: 3, ackTimeout: 20_000 });
plain.emit("order", 0);
print(plain._queue.length, plain._queue[0].tryCount, plain._queue[0].pending);
print(...(await Promise.all([1, 2].map((n) => answer((done) => plain.emit("order", n, done))))));
print(await plain.emitWithAck("order", 3), plain._queue.length);
print("volatile events do not queue");
plain.volatile.emit("nobody listens");
print(plain._queue.length);
plain.disconnect();

print("as often as it says, and once more");
const times = {};
io.of("/never").on("connection", (socket) => {
  socket.on("deaf", (n) => {
    times[n] = (times[n] ?? 0) + 1;
  });
  socket.on("fine", (done) => done("fine"));
});
const never = server.client("/never", { retries: 2, ackTimeout: 300 });
const failed = answer((done) => never.emit("deaf", 1, done));
const promised = settle(never.emitWithAck("deaf", 2));
const fine = settle(never.emitWithAck("fine"));
print((await failed)[0].message, await promised, await fine, times);
never.disconnect();

print("it is sent again when the connection is back");
let first = true;
io.of("/away").on("connection", (socket) => {
  socket.on("again", (n, done) => {
    log("again", n, first);
    if (first) socket.conn.close();
    else done(n);
    first = false;
  });
});
const away = server.client("/away", { retries: 5, ackTimeout: 20_000, reconnection: true, reconnectionDelay: 5 });
const order = journal("client");
away.on("connect", () => order("connect", away._queue.length));
away.on("disconnect", (reason) => order("disconnect", reason, away._queue.length));
print(await away.emitWithAck("again", 1), away._queue.length);
away.disconnect();

print("what is emitted offline waits its turn");
const late = server.client("/plain", { retries: 1, ackTimeout: 20_000, autoConnect: false });
late.emit("order", 10);
late.emit("order", 11);
print(
  late._queue.length,
  late.sendBuffer.length,
  late._queue.map(({ tryCount, pending }) => [tryCount, pending]),
);
late.connect();
await until(() => late._queue.length === 0);
late.disconnect();
await pause(5);
await server.close();
