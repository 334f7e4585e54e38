// Where servers live: workers that are terminated, clusters, forks, signals, other Nodes.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isOriginal } from "./support.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const sio = JSON.stringify(isOriginal ? "socket.io" : root);

/** Runs a CommonJS program to its end. `sio`, `connect` and `until` are there. */
function run(t, program, { node = process.execPath, timeout = 120_000 } = {}) {
  const { status, signal, stdout, stderr } = spawnSync(node, [file(t, program)], {
    cwd: root,
    encoding: "utf8",
    timeout,
  });
  return { status, signal, stdout, stderr };
}

/** The program in a file, for it may start itself again. */
function file(t, program) {
  const folder = mkdtempSync(join(tmpdir(), "ferrio-environment-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "program.cjs");
  writeFileSync(
    path,
    `require = require("node:module").createRequire(${JSON.stringify(join(root, "x.js"))});
     const sio = require(${sio});
     const connect = (port, options) =>
       require("socket.io-client").io("http://127.0.0.1:" + port, { forceNew: true, transports: ["websocket"], ...options });
     const heard = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));
     ${program}`,
  );
  return path;
}

// FERRIO_TEST_ROUNDS=200 takes its time.
test("workers are terminated with clients connected, round after round, beside a server that stays", (t) => {
  const rounds = Number(process.env.FERRIO_TEST_ROUNDS ?? 3);
  const result = run(
    t,
    `
    const { Worker, isMainThread, parentPort } = require("node:worker_threads");
    if (isMainThread) main(); else serve((port) => parentPort.postMessage(port));
    function serve(listening) {
      const io = new sio.Server(0);
      io.on("connection", (socket) => {
        socket.on("echo", (value, done) => done(value));
        setInterval(() => io.emit("tick", Buffer.alloc(100)), 1).unref();
      });
      io.httpServer.on("listening", () => listening(io.httpServer.address().port));
    }
    async function main() {
      const stays = connect(await new Promise(serve));
      stays.on("disconnect", (reason) => console.log("who stays was disconnected:", reason));
      for (let round = 0; round < ${rounds}; round++) {
        const workers = Array.from({ length: 8 }, () => new Worker(__filename));
        const ports = await Promise.all(workers.map((worker) => heard(worker, "message")));
        const clients = ports.flatMap((port) => [
          connect(port, { reconnection: false }),
          connect(port, { reconnection: false, transports: ["polling"] }),
        ]);
        for (const client of clients) if (await client.emitWithAck("echo", round) !== round) throw new Error("echo");
        const gone = clients.map((client) => heard(client, "disconnect"));
        await Promise.all(workers.map((worker) => worker.terminate()));
        await Promise.all(gone);
        if (await stays.emitWithAck("echo", round) !== round) throw new Error("echo of who stays");
      }
      console.log("done");
      process.exit();
    }`,
    { timeout: 120_000 + 10_000 * rounds },
  );
  assert.deepEqual(result, { status: 0, signal: null, stdout: "done\n", stderr: "" });
});

test("a cluster without sticky sessions, websocket only", (t) => {
  const result = run(
    t,
    `
    const cluster = require("node:cluster");
    if (cluster.isPrimary) main(); else worker();
    function worker() {
      const http = require("node:http").createServer();
      const io = new sio.Server(http, { transports: ["websocket"] });
      io.on("connection", (socket) => socket.on("who", (done) => done(process.pid)));
      http.listen(0);
      process.on("message", () => io.close().then(() => process.disconnect()));
    }
    async function main() {
      const workers = [cluster.fork(), cluster.fork()];
      const [{ port }] = await Promise.all(workers.map((worker) => heard(worker, "listening")));
      const clients = Array.from({ length: 6 }, () => connect(port));
      const pids = await Promise.all(clients.map((client) => client.emitWithAck("who")));
      console.log(new Set(pids).size, workers.every((worker) => pids.includes(worker.process.pid)));
      for (const client of clients) client.disconnect();
      const ended = workers.map((worker) => heard(worker, "exit"));
      for (const worker of workers) worker.send("close");
      console.log(await Promise.all(ended));
    }`,
  );
  assert.deepEqual(result, { status: 0, signal: null, stdout: "2 true\n[ 0, 0 ]\n", stderr: "" });
});

for (const loadBalancingMethod of ["random", "round-robin", "least-connection"]) {
  test(`a cluster with sticky sessions: polling, and from there to a WebSocket, ${loadBalancingMethod}`, (t) => {
    const result = run(
      t,
      `
    const cluster = require("node:cluster");
    const http = require("node:http");
    const { setupMaster, setupWorker } = require("@socket.io/sticky");
    if (cluster.isPrimary) main(); else worker();
    function worker() {
      const io = new sio.Server(http.createServer());
      setupWorker(io);
      io.on("connection", (socket) => {
        socket.on("who", (value, done) => done(process.pid, value));
        socket.on("transport", (done) => done(socket.conn.transport.name));
      });
      process.on("message", (message) => {
        if (message !== "close") return;
        const empty = setInterval(() => {
          if (io.engine.clientsCount > 0) return;
          clearInterval(empty);
          io.close(() => process.disconnect());
        }, 5);
      });
      process.send("ready");
    }
    async function main() {
      const server = http.createServer();
      setupMaster(server, { loadBalancingMethod: "${loadBalancingMethod}" });
      cluster.setupPrimary({ serialization: "advanced" }); // chunks of requests are buffers
      const workers = [cluster.fork(), cluster.fork(), cluster.fork()];
      await Promise.all(workers.map((worker) => heard(worker, "message")));
      // It tells a worker of requests that break off, also one that is gone.
      for (const worker of workers) worker.on("error", () => {});
      await new Promise((resolve) => server.listen(0, resolve));
      const served = new Set();
      const clients = [];
      for (let n = 0; n < 9; n++) {
        const transports = n % 3 === 0 ? ["polling"] : ["polling", "websocket"];
        // A second request may be here before the first one's worker has told whose session it is: then once more.
        const client = connect(server.address().port, { transports, reconnectionDelay: 10 });
        clients.push(client);
        const moved = new Promise((resolve) => client.io.on("open", () => {
          client.io.engine.once("upgrade", () => resolve(true));
          client.io.engine.once("upgradeError", () => resolve(false));
        }));
        await heard(client, "connect");
        client.io.reconnection(false);
        if (transports.length > 1 && !(await moved)) {
          client.disconnect();
          n--;
          continue;
        }
        const [first] = await answered(client, "x");
        served.add(first);
        for (const value of ["y", "z".repeat(100_000), Buffer.alloc(70_000, 1)]) {
          const [pid, echo] = await answered(client, value);
          if (pid !== first) throw new Error("served by another worker");
          if (Buffer.from(echo).compare(Buffer.from(value)) !== 0) throw new Error("changed on the way");
        }
        if (await client.emitWithAck("transport") !== transports.at(-1)) throw new Error("no " + transports.at(-1));
      }
      const pids = workers.map((worker) => worker.process.pid);
      console.log([...served].every((pid) => pids.includes(pid)), "${loadBalancingMethod}" === "random" || served.size === 3);
      for (const client of clients) client.disconnect();
      const ended = workers.map((worker) => heard(worker, "exit"));
      for (const worker of workers) worker.send("close");
      console.log(await Promise.all(ended));
      server.close();
    }
    function answered(client, value) {
      return new Promise((resolve) => client.emit("who", value, (...args) => resolve(args)));
    }`,
    );
    const stdout = "true true\n[ 0, 0, 0 ]\n";
    assert.deepEqual(result, { status: 0, signal: null, stdout, stderr: "" });
  });
}

test("child_process.fork: a server in the parent, another in the child", (t) => {
  const result = run(
    t,
    `
    const { fork } = require("node:child_process");
    const io = new sio.Server(0);
    io.on("connection", (socket) => socket.on("who", (done) => done(process.send ? "child" : "parent")));
    if (process.send) {
      io.httpServer.on("listening", () => process.send(io.httpServer.address().port));
      process.on("disconnect", () => io.close());
    } else {
      (async () => {
        await heard(io.httpServer, "listening");
        const before = connect(io.httpServer.address().port);
        console.log(await before.emitWithAck("who"));
        const child = fork(__filename);
        const other = connect(await heard(child, "message"));
        console.log(await other.emitWithAck("who"), await before.emitWithAck("who"));
        before.disconnect();
        other.disconnect();
        const ended = heard(child, "exit");
        child.disconnect();
        console.log(await ended);
        await io.close();
      })();
    }`,
  );
  assert.deepEqual(result, { status: 0, signal: null, stdout: "parent\nchild parent\n0\n", stderr: "" });
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  for (const handled of [false, true]) {
    test(`${signal}, ${handled ? "with a handler that closes" : "which ends the process"}`, async (t) => {
      const program = file(
        t,
        `
        const io = new sio.Server(0);
        ${handled ? `process.once("${signal}", () => io.close(() => console.log("closed")));` : ""}
        io.httpServer.on("listening", () => {
          const client = connect(io.httpServer.address().port, { reconnection: false });
          client.on("connect", () => console.log("connected"));
        });`,
      );
      const child = spawn(process.execPath, [program], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
      t.after(() => child.kill("SIGKILL"));
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        output += text;
        if (output === "connected\n") child.kill(signal);
      });
      const ended = await new Promise((resolve) => child.once("close", (code, signal) => resolve([code, signal])));
      assert.deepEqual([ended, output], handled ? [[0, null], "connected\nclosed\n"] : [[null, signal], "connected\n"]);
    });
  }
}

test("SIGINT twice: the first closes, the second does not wait for that", async (t) => {
  const program = file(
    t,
    `
    const io = new sio.Server(0);
    setInterval(() => {}, 1000); // something that keeps the process
    process.once("SIGINT", () => io.close(() => console.log("closed")));
    io.httpServer.on("listening", () => {
      const client = connect(io.httpServer.address().port, { reconnection: false });
      client.on("connect", () => console.log("connected"));
    });`,
  );
  const child = spawn(process.execPath, [program], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
    if (["connected\n", "connected\nclosed\n"].includes(output)) child.kill("SIGINT");
  });
  const ended = await new Promise((resolve) => child.once("close", (code, signal) => resolve([code, signal])));
  assert.deepEqual([ended, output], [[null, "SIGINT"], "connected\nclosed\n"]);
});

test("node --watch starts it anew, and its client comes back", async (t) => {
  const program = file(
    t,
    `
    const io = new sio.Server(Number(process.env.PORT));
    io.on("connection", (socket) => socket.on("who", (done) => done(process.pid)));
    io.httpServer.on("listening", () => console.log("listening on", io.httpServer.address().port));`,
  );
  const { once } = await import("node:events");
  const { createServer } = await import("node:net");
  const { io } = await import("socket.io-client");
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address();
  await new Promise((resolve) => holder.close(resolve));

  const env = { ...process.env, PORT: port };
  const child = spawn(process.execPath, ["--watch", program], { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let starts = 0;
  const started = new Promise((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text) => {
      starts += text.split("listening on").length - 1;
      if (starts > 0) resolve();
    });
  });
  await started;
  const client = io(`http://127.0.0.1:${port}`, {
    transports: ["websocket"],
    reconnectionDelay: 20,
    reconnectionDelayMax: 100,
  });
  t.after(() => client.disconnect());
  const first = await client.emitWithAck("who");
  const again = new Promise((resolve) => client.on("connect", resolve));
  appendFileSync(program, "\n");
  await again;
  assert.notEqual(await client.emitWithAck("who"), first);
  const ended = once(child, "close");
  child.kill("SIGINT");
  await ended;
});

/** The binary of another Node, out of its npm package; undefined where that cannot be had. */
function otherNode(t, version) {
  const folder = mkdtempSync(join(tmpdir(), "ferrio-node-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "package.json"), "{}");
  try {
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
    execFileSync("npm", ["install", `node@${version}`, ...quiet], { cwd: folder, stdio: "ignore", timeout: 120_000 });
  } catch {
    return undefined;
  }
  const binary = join(folder, "node_modules/node/bin/node");
  return existsSync(binary) ? binary : undefined;
}

for (const version of ["18", "22", "24"]) {
  test(`Node ${version}`, (t) => {
    const node = otherNode(t, version);
    if (node === undefined) return t.skip(`npm has no binary of Node ${version} for this machine`);
    const result = run(
      t,
      `
      const { Worker, isMainThread } = require("node:worker_threads");
      const io = new sio.Server(0);
      io.on("connection", (socket) => {
        socket.on("echo", (...args) => args.pop()(...args));
        socket.conn.on("upgrade", () => socket.emit("upgraded"));
      });
      io.httpServer.on("listening", async () => {
        const port = io.httpServer.address().port;
        for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
          const client = connect(port, { transports });
          if (transports.length === 2) await heard(client, "upgraded");
          const [text, bytes] = await new Promise((resolve) => client.emit("echo", "☕", Buffer.from("x"), (...args) => resolve(args)));
          console.log(text, bytes.toString());
          client.disconnect();
        }
        await io.close();
        if (isMainThread) new Worker(__filename).on("exit", (code) => console.log("worker", code));
        else process.exit(0);
      });`,
      { node },
    );
    const lines = "☕ x\n☕ x\n☕ x\n";
    assert.deepEqual(result, { status: 0, signal: null, stdout: `${lines}${lines}worker 0\n`, stderr: "" });
    assert.match(execFileSync(node, ["--version"], { encoding: "utf8" }), new RegExp(`^v${version}\\.`));
  });
}
