// The official client against a server: node verify.mjs PORT. By WebSocket, by polling and by the upgrade, each small,
// medium and binary, echoed and acknowledged, and a broadcast to a room: 21 checks; fails with the first wrong one.
import assert from "node:assert";
import { io } from "socket.io-client";

const url = `http://127.0.0.1:${process.argv[2]}`;
const PATHS = { websocket: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] };
const PAYLOADS = {
  small: { id: 1234567, txt: "hello wrld" },
  medium: { id: 9, tags: ["a", "β", "😀"], nothing: null, items: Array.from({ length: 8 }, (_, n) => ({ n, price: n + 0.5 })), pad: "x".repeat(600) },
  binary: Buffer.from(Array.from({ length: 1024 }, (_, n) => (n * 31) % 251)),
};

let checks = 0;
for (const [path, transports] of Object.entries(PATHS)) {
  const socket = await connect(transports);
  if (path === "upgrade") await upgraded(socket);

  for (const [name, payload] of Object.entries(PAYLOADS)) {
    const echoed = next(socket, "echo");
    socket.emit("echo", payload);
    same(await echoed, payload, `${path} ${name} echo`);
    same(await socket.timeout(5000).emitWithAck("ack", payload), payload, `${path} ${name} ack`);
  }

  await socket.timeout(5000).emitWithAck("join");
  const other = await connect(transports);
  const heard = next(socket, "bcast");
  other.emit("bcast", PAYLOADS.small);
  same(await heard, PAYLOADS.small, `${path} room`);
  socket.disconnect();
  other.disconnect();
}
console.log(`${checks} checks passed`);

async function connect(transports) {
  const socket = io(url, { forceNew: true, reconnection: false, transports });
  await next(socket, "connect");
  return socket;
}

async function upgraded({ io: { engine } }) {
  if (engine.transport.name !== "websocket") await next(engine, "upgrade");
}

function next(emitter, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${event} did not come in 5 s`)), 5000);
    emitter.once(event, (data) => (clearTimeout(timer), resolve(data)));
  });
}

function same(got, wanted, what) {
  assert.deepStrictEqual(Buffer.isBuffer(wanted) ? Buffer.from(got) : got, wanted, what);
  checks += 1;
}
