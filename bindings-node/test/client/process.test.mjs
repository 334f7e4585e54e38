// When a process with clients ends, and what of the engine is left behind.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { event, isOriginal, start, until } from "./support.mjs";

const directory = new URL("../..", import.meta.url);
const ours = { skip: isOriginal && "ferrio's own" };

/** Runs a program with a client of the server at `url`; `connect`, `Manager` and `event` are there. Resolves when it has ended. */
function run(url, program) {
  const prelude = `
    import { connect, event, Manager, turn, until } from "./test/client/support.mjs";
    const url = ${JSON.stringify(url)};
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", prelude + program], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  const ended = new Promise((resolve) =>
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve([code ?? signal, output]);
    }),
  );
  return { child, ended };
}

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  const options = JSON.stringify({ transports });

  test(`a process ends when its client has disconnected: ${transports}`, async (t) => {
    const { url, io } = await start(t);
    const reasons = [];
    io.on("connection", (socket) => {
      socket.on("last", (value, done) => {
        reasons.push(value);
        done();
      });
      socket.on("disconnect", (reason) => reasons.push(reason));
    });
    const { ended } = run(
      url,
      `const client = connect(url, ${options});
       client.on("connect", () => {
         // npm's server may drop an event that it reads together with a DISCONNECT, hence the answer.
         client.emit("last", "word", () => {
           client.disconnect();
           console.log("left");
         });
       });`,
    );
    assert.deepEqual(await ended, [0, "left\n"]);
    await until(() => reasons.length === 2);
    assert.deepEqual(reasons, ["word", "client namespace disconnect"]);
  });

  test(`a process stays while its client is connected: ${transports}`, async (t) => {
    const { url, io } = await start(t);
    const connected = event(io, "connection");
    const { ended } = run(url, `connect(url, ${options}).on("bye", function () { this.disconnect(); });`);
    const [socket] = await connected;
    await new Promise((resolve) => setTimeout(resolve, 300)); // time to end, if it were to
    assert.equal(socket.connected, true);
    socket.emit("bye");
    assert.deepEqual(await ended, [0, ""]);
  });
}

test("a process stays while its client tries to come back, and ends when it is told not to", async () => {
  const { ended } = run(
    "http://127.0.0.1:9",
    `const manager = new Manager(url, { reconnectionDelay: 20, reconnectionDelayMax: 20 });
     manager.socket("/");
     manager.on("reconnect_attempt", (n) => {
       if (n < 3) return;
       console.log("enough");
       manager.reconnection(false);
       manager._close();
     });`,
  );
  assert.deepEqual(await ended, [0, "enough\n"]);
});

test("with autoUnref a process ends though its client is connected, connecting or waiting", async (t) => {
  const { url } = await start(t);
  const connected = run(
    url,
    `const client = connect(url, { autoUnref: true, transports: ["websocket"] });
     const timer = setInterval(() => client.connected && clearInterval(timer), 5);
     process.on("exit", () => console.log(client.connected));`,
  );
  assert.deepEqual(await connected.ended, [0, "true\n"]);
  const waiting = run(
    "http://127.0.0.1:9",
    `const client = connect(url, { autoUnref: true });
     const timer = setInterval(() => {}, 1000);
     client.io.on("reconnect_attempt", () => clearInterval(timer));`,
  );
  assert.deepEqual(await waiting.ended, [0, ""]);
});

test("workers have clients of their own, and may be terminated", async (t) => {
  const { url, io } = await start(t);
  let left = 0;
  io.on("connection", (socket) => {
    socket.on("echo", (value, done) => done(value));
    socket.on("disconnect", () => left++);
  });
  const { ended } = run(
    url,
    `import { Worker } from "node:worker_threads";
     const program = \`
       const { parentPort } = require("node:worker_threads");
       const { io } = require("\${process.cwd()}/${isOriginal ? "node_modules/socket.io-client" : "dist/client/index.js"}");
       const clients = [["websocket"], ["polling"]].map((transports) => io("\${url}", { transports, forceNew: true }));
       Promise.all(clients.map((client, n) => client.emitWithAck("echo", n))).then((answers) => parentPort.postMessage(answers));
     \`;
     for (let round = 0; round < 3; round++) {
       const workers = [1, 2].map(() => new Worker(program, { eval: true, execArgv: [] }));
       const answers = await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
       await Promise.all(workers.map((worker) => worker.terminate()));
       console.log(JSON.stringify(answers));
     }`,
  );
  assert.deepEqual(await ended, [0, "[[0,1],[0,1]]\n".repeat(3)]);
  if (isOriginal) return; // its polling clients leave without a word
  await until(() => left >= 6);
});

test("one engine for all clients of a process, however often they come and go", ours, async (t) => {
  if (process.platform !== "linux") return t.skip("counts threads in /proc");
  const { url } = await start(t);
  const threads = () => readdirSync("/proc/self/task").length;
  const once = async () => {
    const { connect } = await import("./support.mjs");
    const clients = Array.from({ length: 10 }, () => connect(url, { forceNew: true, transports: ["websocket"] }));
    await Promise.all(clients.map((client) => event(client, "connect")));
    for (const client of clients) client.disconnect();
  };
  await once();
  const before = threads();
  for (let round = 0; round < 10; round++) await once();
  assert.equal(threads(), before);
});
