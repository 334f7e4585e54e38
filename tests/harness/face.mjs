// A face is a small server program in one language: `<command> <port>`, which prints `ready <port>` and ends on SIGTERM.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// The faces by name. `dialect` says whose answers it gives, `original` that it is the judge and not the judged, `collects`
// that on SIGUSR2 it collects its garbage, and gives back what its allocator keeps, `msgpack` that it can have packets as
// MessagePack (python-socketio's own are none for the client of npm: a nil where nothing should be).
const FACES = {
  socketio: { dialect: "node", original: true, collects: true, msgpack: true, command: () => [process.execPath, here("../faces/socketio.cjs")] },
  "python-socketio": { dialect: "python", original: true, collects: true, command: () => [python(), here("../faces/python_socketio.py")] },
  node: { dialect: "node", collects: true, msgpack: true, command: () => [process.execPath, here("../faces/node.cjs")] },
  python: { dialect: "python", collects: true, msgpack: true, command: () => [python(), here("../faces/python.py")] },
  // Nothing taken over: every request and message goes through the server's own interface.
  "python-framed": pythonUnder("uvicorn", { FERRIO_NO_TAKEOVER: "1" }),
  "python-native": { ...pythonUnder("native"), msgpack: true },
  "python-hosted": pythonUnder("hosted"),
  "python-hypercorn": pythonUnder("hypercorn"),
  "python-granian": pythonUnder("granian"),
  "python-gunicorn": pythonUnder("gunicorn"),
  "python-aiohttp": pythonUnder("aiohttp"),
  "python-tornado": pythonUnder("tornado"),
  rust: { dialect: "node", collects: true, msgpack: true, command: () => [rust()] },
};

function pythonUnder(server, env = {}) {
  return { dialect: "python", collects: true, command: () => [python(), here("../faces/python.py")], env: { FERRIO_TEST_SERVER: server, ...env } };
}

// Every server the tests start is configured by one of these. The `quick` one has the intervals of the public
// protocol suites, but waits longer for a pong, for both ends may share a busy machine; in the `calm` one no timer can
// end a connection at all.
const PROFILES = {
  quick: { FERRIO_TEST_PING_TIMEOUT: "700" },
  calm: { FERRIO_TEST_PING_INTERVAL: "25000", FERRIO_TEST_PING_TIMEOUT: "20000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  // Heartbeats that several can miss in a test, on a machine that is busy.
  brisk: { FERRIO_TEST_PING_INTERVAL: "2000", FERRIO_TEST_PING_TIMEOUT: "5000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  // No heartbeat, either.
  patient: { FERRIO_TEST_PING_INTERVAL: "1000000", FERRIO_TEST_PING_TIMEOUT: "1000000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  msgpack: { FERRIO_TEST_SERIALIZER: "msgpack", FERRIO_TEST_PING_INTERVAL: "25000", FERRIO_TEST_PING_TIMEOUT: "20000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  // Frequent heartbeats for somebody who looks on from a busy machine.
  beating: { FERRIO_TEST_PING_TIMEOUT: "3000" },
  recovery: { FERRIO_TEST_RECOVERY: "1", FERRIO_TEST_PING_INTERVAL: "25000", FERRIO_TEST_PING_TIMEOUT: "20000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  eio3: { FERRIO_TEST_EIO3: "1", FERRIO_TEST_PING_TIMEOUT: "700" },
  "eio3-calm": { FERRIO_TEST_EIO3: "1", FERRIO_TEST_PING_INTERVAL: "25000", FERRIO_TEST_PING_TIMEOUT: "20000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  // A client that has vanished is noticed in 4 s, and nobody else is, however busy the machine.
  faults: { FERRIO_TEST_PING_INTERVAL: "1000", FERRIO_TEST_PING_TIMEOUT: "3000", FERRIO_TEST_CONNECT_TIMEOUT: "4000", FERRIO_TEST_UPGRADE_TIMEOUT: "4000" },
  // For a soak: nothing is remembered that grows with the number of clients. A client that has vanished is noticed in 25 s, or 6.
  soak: { FERRIO_TEST_FORGETFUL: "1", FERRIO_TEST_CLEANUP: "1", FERRIO_TEST_PING_INTERVAL: "5000", FERRIO_TEST_PING_TIMEOUT: "20000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  "soak-brief": { FERRIO_TEST_FORGETFUL: "1", FERRIO_TEST_CLEANUP: "1", FERRIO_TEST_PING_INTERVAL: "1000", FERRIO_TEST_PING_TIMEOUT: "5000", FERRIO_TEST_CONNECT_TIMEOUT: "45000" },
  // Heartbeats slow enough for a second-counting client, an upgrade and a CONNECT that may not dawdle.
  hasty: { FERRIO_TEST_PING_INTERVAL: "25000", FERRIO_TEST_PING_TIMEOUT: "20000", FERRIO_TEST_UPGRADE_TIMEOUT: "300" },
};

// glibc gives large blocks back to the system when they are freed, also after many of them, and Python has no allocator of its
// own, which keeps a whole arena for one object: what a server holds is then to be seen.
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072", PYTHONMALLOC: "malloc" };

// They end with us, however we end.
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** The face called `name`, or, with a `dialect`, the program that the command line `name` starts. */
export function findFace(name, dialect) {
  if (FACES[name]) return { name, original: false, env: {}, ...FACES[name] };
  if (!dialect) throw new Error(`no face ${name}; it is one of ${Object.keys(FACES).join(", ")}, or a command with --dialect`);
  return { name: "command", dialect, original: false, env: {}, command: () => name.split(" ") };
}

/** Starts `face` and gives its port once it listens. `port` 0 takes any free one. */
export async function startFace(face, profile = "calm", port = 0) {
  const [program, ...args] = face.command();
  const env = { ...process.env, ...ALLOCATOR, ...PROFILES[profile], ...face.env };
  const chosen = port || (await freePort());
  const child = spawn(program, [...args, String(chosen)], { env, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  let errors = "";
  let written = 0;
  child.stderr.on("data", (data) => {
    errors = (errors + data).slice(-20_000);
    written += data.length;
  });
  const exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));
  await ready(child, exited, () => errors);
  return {
    face,
    port: chosen,
    pid: child.pid,
    collect: () => (face.collects ? child.kill("SIGUSR2") : false),
    exited,
    errors: () => errors,
    written: () => written,
    /** Nobody reads what it writes from now on: a write fails with EPIPE. */
    closeLog() {
      child.stderr.destroy();
      child.stdout.destroy();
    },
    running: () => child.exitCode === null && child.signalCode === null,
    descriptors: () => readdirSync(`/proc/${child.pid}/fd`).length,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await exited;
      clearTimeout(timer);
    },
  };
}

function ready(child, exited, errors) {
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why) => reject(new Error(`the face ${why}\n${errors()}`));
    const timer = setTimeout(() => fail("was not ready in 30 s"), 30_000);
    child.once("error", (error) => fail(`did not start: ${error.message}`));
    exited.then((status) => fail(`ended with ${status} before it was ready`));
    child.stdout.on("data", (data) => {
      output += data;
      if (!/^ready \d+$/m.test(output)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** One that nobody has, below those that the system gives to clients: it stays free while its server is away. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function python() {
  const own = here("../../.venv/bin/python");
  return process.env.FERRIO_TEST_PYTHON ?? (existsSync(own) ? own : "python3");
}

/** The newest build of the Rust face: a debug build made a minute ago is meant, not last week's release. */
function rust() {
  if (process.env.FERRIO_TEST_RUST) return process.env.FERRIO_TEST_RUST;
  const built = ["debug", "fast", "release"].map((profile) => here(`../../target/${profile}/examples/ferrio-face`)).filter(existsSync);
  if (built.length === 0) throw new Error("the Rust face is not built: no target/*/examples/ferrio-face");
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}
