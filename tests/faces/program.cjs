// The test server in JavaScript. What it must do is written in ../scenarios/README.md; the Python and the Rust
// program do the same. The module under test comes in as an argument, so the original and ferrio run one text.
const http = require("node:http");
const { setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");

const number = (name, fallback) => Number(process.env[name] ?? fallback);
const on = (name) => process.env[name] === "1";
const NAMESPACES = ["/", "/custom", "/admin", "/slow", "/silent", /^\/dyn-\d+$/];

module.exports = ({ Server }) => {
  const server = http.createServer((_, response) => response.writeHead(404).end());
  const io = new Server(server, {
    path: "/socket.io/",
    pingInterval: number("FERRIO_TEST_PING_INTERVAL", 300),
    pingTimeout: number("FERRIO_TEST_PING_TIMEOUT", 200),
    connectTimeout: number("FERRIO_TEST_CONNECT_TIMEOUT", 1000),
    upgradeTimeout: number("FERRIO_TEST_UPGRADE_TIMEOUT", 10000),
    maxHttpBufferSize: 1e6,
    cors: { origin: "*" },
    ...(process.env.FERRIO_TEST_SERIALIZER === "msgpack" && { parser: require("socket.io-msgpack-parser") }),
    allowEIO3: on("FERRIO_TEST_EIO3"),
    cleanupEmptyChildNamespaces: on("FERRIO_TEST_CLEANUP"),
    ...(on("FERRIO_TEST_RECOVERY") && { connectionStateRecovery: {} }),
    ...JSON.parse(process.env.FERRIO_TEST_LIMITS ?? "{}"),
  });

  const reasons = []; // [sid, namespace, reason] of every disconnect, oldest first
  const lives = new Map(); // sid -> what happened to it, in order

  for (const name of NAMESPACES) io.of(name).on("connection", (socket) => serve(io, socket, reasons, lives));
  io.of("/admin").use((socket, next) => {
    if (socket.handshake.auth.token !== "bad") return next();
    next(Object.assign(new Error("refused"), { data: { code: 401 } }));
  });
  io.of("/slow").use((_, next) => setTimeout(next, 200));
  io.of("/silent").use(() => {});

  server.listen(Number(process.argv[2] ?? 0), process.env.FERRIO_TEST_HOST ?? "127.0.0.1", () => console.log(`ready ${server.address().port}`));
  // Memory is measured without the garbage that has not been collected yet.
  process.on("SIGUSR2", collect);
  const drain = process.env.FERRIO_TEST_DRAIN;
  process.on("SIGTERM", () => {
    if (drain) io.drain(JSON.parse(drain)).then(() => process.exit(0));
    else io.close(() => process.exit(0));
  });
};

let gc;

/** Collects the garbage, which needs a flag that not every Node takes from its environment. */
function collect() {
  if (!gc) {
    setFlagsFromString("--expose-gc");
    gc = runInNewContext("gc"); // once: a context is large
  }
  gc();
}

function serve(io, socket, reasons, lives) {
  const namespace = socket.nsp;
  const life = ["connection"];
  lives.set(socket.id, life);

  socket.emit("auth", socket.handshake.auth);

  // What comes in goes back.
  socket.on("message", (...args) => socket.emit("message-back", ...args));
  socket.on("echo", (...args) => socket.emit("echo", ...args));
  socket.on("message-with-ack", (...args) => {
    const ack = args.pop();
    if (typeof ack === "function") ack(...args); // who asks for no ack gets none
  });
  socket.on("ack", (first, ack) => ack?.(first));

  // Rooms and targets.
  socket.on("join", (rooms, ack) => (socket.join(rooms), ack?.()));
  socket.on("leave", (room, ack) => (socket.leave(room), ack?.()));
  socket.on("rooms", (ack) => ack?.([...socket.rooms]));
  socket.on("fetch", async (room, ack) => ack?.((await namespace.in(room).fetchSockets()).map(({ id }) => id)));
  socket.on("bcast", (rooms, data) => namespace.to(rooms).emit("bcast", data));
  socket.on("to", (rooms, data) => socket.to(rooms).emit("to", data));
  socket.on("except", (rooms, excepted, data) => namespace.to(rooms).except(excepted).emit("except", data));
  socket.on("broadcast", (...args) => socket.broadcast.emit("broadcast", ...args));
  socket.on("volatile", (...args) => socket.volatile.emit("volatile", ...args));

  // The program stands still, and nothing else of it runs.
  socket.on("block", (ms, ack) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    ack?.();
  });

  // The server asks.
  socket.on("emit-ack", (ms, ...args) =>
    socket.timeout(ms).emit("question", ...args, (late, ...answers) => socket.emit("answer", late ? "timeout" : "ok", ...answers)),
  );
  socket.on("bcast-ack", (room, ms, ...args) =>
    namespace.to(room).timeout(ms).emit("question", ...args, (late, answers) => socket.emit("answers", late ? "timeout" : "ok", answers)),
  );

  // Order: `burst` sends at once, `ticks` over time, `seq` remembers what came.
  const seen = [];
  socket.on("burst", (count) => {
    for (let n = 0; n < count; n++) socket.emit("burst", n);
  });
  socket.on("ticks", (count, ms) => {
    let n = 0;
    const timer = setInterval(() => (n < count ? socket.emit("tick", n++) : clearInterval(timer)), ms);
    socket.on("disconnect", () => clearInterval(timer));
  });
  socket.on("seq", (n) => seen.push(n));
  socket.on("seq-log", (ack) => ack?.(seen));

  // The whole program stands still.
  socket.on("block", (ms, ack) => (Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms), ack?.()));

  // What the server knows.
  socket.on("transport", (ack) => ack?.(socket.conn.transport.name));
  socket.on("handshake", (ack) => {
    const { auth, query, headers } = socket.handshake;
    ack?.({ auth, x: query.x ?? null, header: headers["x-test"] ?? null });
  });
  socket.on("vitals", (ack) => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    ack?.({ connections: io.engine.clientsCount, tasks: process.getActiveResourcesInfo().length, heap: heapUsed + external });
  });
  socket.on("reasons", (ack) => ack?.(reasons));
  socket.on("lives", (ack) => ack?.(Object.fromEntries(lives)));
  socket.on("life", (sid, ack) => ack?.(lives.get(sid) ?? []));

  // The end.
  socket.on("server-disconnect", (close) => socket.disconnect(close));
  socket.on("disconnecting", (reason) => life.push(`disconnecting ${reason} rooms=${socket.rooms.size}`));
  socket.on("disconnect", (reason) => {
    life.push(`disconnect ${reason} rooms=${socket.rooms.size}`);
    if (on("FERRIO_TEST_FORGETFUL")) return lives.delete(socket.id);
    reasons.push([socket.id, namespace.name, reason]);
  });
}
