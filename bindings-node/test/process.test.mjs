// What the addon owes the process it lives in: when it ends, when it stays, workers, and clear words.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { isOriginal, Server } from "./support.mjs";

const directory = new URL("..", import.meta.url);
const ours = { skip: isOriginal && "ferrio's own" };

/** Runs a program; `start` and friends are imported. */
function run(program, args = []) {
  const prelude = `import { event, start, settled, Server } from "./test/support.mjs"; const t = { after() {} };`;
  return spawnSync(process.execPath, [...args, "--input-type=module", "-e", prelude + program], {
    encoding: "utf8",
    cwd: directory,
    timeout: 60_000,
  });
}

test("a process ends by itself once everything is closed", () => {
  const { status, stdout, stderr } = run(`
    const server = await start(t);
    const { client, socket } = await server.pair();
    await settled(client, socket);
    await server.io.close();
    console.log("closed");
  `);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "closed\n", stderr: "" });
});

test("a process ends by itself when its http server is closed and its clients have left", () => {
  const { status, stdout } = run(`
    const server = await start(t);
    const { client } = await server.pair();
    server.http.close(() => console.log("closed"));
    client.disconnect();
  `);
  assert.deepEqual({ status, stdout }, { status: 0, stdout: "closed\n" });
});

test("a process stays while a client is connected, and hears it", async (t) => {
  // Two processes, or the client's own socket would keep the server's alive.
  const server = spawn(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `
      import { start } from "./test/support.mjs";
      const server = await start({ after() {} });
      server.io.on("connection", (socket) => {
        server.http.close();
        socket.on("hello", (done) => done("still here"));
      });
      console.log(server.port);
      `,
    ],
    { cwd: directory, stdio: ["ignore", "pipe", "inherit"] },
  );
  t.after(() => server.kill());
  const exited = new Promise((resolve) => server.once("exit", resolve));
  const port = await new Promise((resolve) => server.stdout.once("data", (data) => resolve(Number(data))));
  const { io } = await import("socket.io-client");
  const client = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], reconnection: false });
  t.after(() => client.disconnect());
  await new Promise((resolve) => client.once("connect", resolve));
  await new Promise((resolve) => setTimeout(resolve, 200)); // time to end, if it were to
  assert.equal(await new Promise((resolve) => client.emit("hello", resolve)), "still here");
  client.disconnect();
  assert.equal(await exited, 0);
});

test("process.exit in a handler gives its code", () => {
  const { status, stderr } = run(`
    const server = await start(t);
    const { client, socket } = await server.pair();
    socket.on("exit", () => process.exit(7));
    client.emit("exit");
    await new Promise(() => {});
  `);
  assert.deepEqual({ status, stderr }, { status: 7, stderr: "" });
});

test("an exception nobody catches ends the process as it always does", () => {
  const { status, stderr } = run(`
    const server = await start(t);
    const { client, socket } = await server.pair();
    socket.on("boom", () => { throw new Error("mine"); });
    client.emit("boom");
    await new Promise(() => {});
  `);
  assert.equal(status, 1);
  assert.match(stderr, /Error: mine/);
});

test("workers have servers of their own, and may be terminated", () => {
  const { status, stdout, stderr } = run(`
    import { Worker } from "node:worker_threads";
    import { io } from "socket.io-client";
    const program = \`
      const { Server } = require(\${JSON.stringify(process.env.FERRIO_TEST_MODULE ?? process.cwd())});
      const { parentPort } = require("node:worker_threads");
      const server = new Server(0);
      server.on("connection", (socket) => socket.on("who", (done) => done(require("node:worker_threads").threadId)));
      server.httpServer.on("listening", () => parentPort.postMessage(server.httpServer.address().port));
    \`;
    const main = await start(t);
    const workers = [];
    for (let n = 0; n < 3; n++) workers.push(new Worker(program, { eval: true, execArgv: [] }));
    const ports = await Promise.all(workers.map((worker) => event(worker, "message")));
    const clients = ports.map(([port]) => io("http://127.0.0.1:" + port, { forceNew: true, transports: ["websocket"] }));
    const ids = await Promise.all(clients.map((client) => client.emitWithAck("who")));
    console.log(new Set(ids).size);
    await Promise.all(workers.map((worker) => worker.terminate()));
    for (const client of clients) client.disconnect();
    const { client, socket } = await main.pair();
    await settled(client, socket);
    console.log("alive");
    process.exit(0);
  `);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "3\nalive\n", stderr: "" });
});

test("many servers come and go in one process", () => {
  const { status, stdout, stderr } = run(`
    for (let n = 0; n < 30; n++) {
      const server = await start(t, {}, { path: n % 2 ? "websocket" : "polling" });
      const { client, socket } = await server.pair();
      await settled(client, socket);
      client.disconnect();
      await server.io.close();
    }
    console.log("done");
  `);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "done\n", stderr: "" });
});

test("what is not supported says so", ours, async () => {
  for (const [options, what] of [
    [{ wsEngine: class {} }, 'the option "wsEngine"'],
    [{ transports: ["websocket", "webtransport"] }, 'the transport "webtransport"'],
  ]) {
    assert.throws(() => new Server(options), { message: `ferrio does not support ${what} yet` });
    assert.throws(() => new Server().attach(0, options), { message: `ferrio does not support ${what} yet` });
  }
  assert.throws(() => new Server().attachApp({}), /does not support/);
});

test("perMessageDeflate is warned of, once", ours, () => {
  const { stderr } = run("for (let i = 0; i < 2; i++) new Server({ perMessageDeflate: true }).attach(0).close();");
  assert.equal(stderr.split("FERRIO_NO_DEFLATE").length, 2);
});

test("an impossible option is named, and nothing is left listening", ours, () => {
  assert.throws(() => new Server(0, { pingInterval: "soon" }), /pingInterval/);
});
