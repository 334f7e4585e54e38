// The programs in ../examples/node: each is started as its README says, and used.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { io as connect } from "socket.io-client";
import { event, isOriginal, start } from "./support.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const original = join(root, "node_modules", "socket.io");
let folder;
/** The programs that were started. */
const started = [];

/** The examples, with what `npm install` would give them, and "ferrio" and "socket.io" for the module under test. */
before(() => {
  folder = mkdtempSync(join(tmpdir(), "ferrio-examples-"));
  cpSync(join(root, "../examples/node"), folder, { recursive: true });
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  const place = (name, target) => symlinkSync(target, join(modules, name));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "socket.io" && !name.startsWith(".")) place(name, join(root, "node_modules", name));
  }
  for (const name of ["ferrio", "socket.io"]) place(name, isOriginal ? original : root);
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts an example; it is over when the test is. Its address. */
async function run(t, file) {
  const child = spawn(process.execPath, [join(folder, file)], { env: { ...process.env, PORT: "0" } });
  started.push(child);
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  t.after(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await event(child, "exit");
  });
  const [line] = await Promise.race([event(child.stdout, "data"), event(child, "exit").then(() => [errors])]);
  assert.match(String(line), /^listening on \d+\n$/);
  return `http://localhost:${String(line).match(/\d+/)[0]}`;
}

async function client(t, url, options) {
  const socket = connect(url, { forceNew: true, reconnection: false, ...options });
  t.after(() => socket.disconnect());
  await event(socket, "connect");
  return socket;
}

test("express.mjs", async (t) => {
  const url = await run(t, "express.mjs");
  const [one, two] = [await client(t, url), await client(t, url)];
  const told = Promise.all([event(one, "news"), event(two, "news")]);
  const answer = await fetch(`${url}/news`, { method: "POST", body: "hello" });
  assert.deepEqual(await answer.json(), { told: 2 });
  assert.deepEqual(await told, [["hello"], ["hello"]]);
  assert.match(await (await fetch(url)).text(), /socket\.io\.js/);
});

test("koa.mjs", async (t) => {
  const url = await run(t, "koa.mjs");
  const socket = await client(t, `${url}/news`);
  const told = event(socket, "news");
  await socket.emitWithAck("news", "hello");
  assert.deepEqual(await told, ["hello"]);
  assert.deepEqual(await (await fetch(url)).json(), { online: 1 });
});

test("fastify.mjs", async (t) => {
  const url = await run(t, "fastify.mjs");
  const socket = await client(t, url);
  const told = event(socket, "news");
  await socket.emitWithAck("news", "hello");
  assert.deepEqual(await told, ["hello"]);
  assert.deepEqual(await (await fetch(url)).json(), { online: 1 });
});

test("sessions.mjs", async (t) => {
  const url = await run(t, "sessions.mjs");
  await assert.rejects(
    new Promise((_, reject) => connect(url, { forceNew: true, reconnection: false }).on("connect_error", reject)),
  );
  const { headers } = await fetch(`${url}/login/ada`, { method: "POST" });
  const extraHeaders = { cookie: headers.get("set-cookie").split(";")[0] };
  for (const [transport, visits] of [
    ["polling", 1],
    ["websocket", 2],
  ]) {
    const socket = await client(t, url, { transports: [transport], extraHeaders });
    const answer = await new Promise((resolve) => socket.emit("visits", (...all) => resolve(all)));
    assert.deepEqual(answer, ["ada", visits]);
  }
});

test("native-listener.mjs", { skip: isOriginal && "socket.io has none" }, async (t) => {
  const url = await run(t, "native-listener.mjs");
  const socket = await client(t, url);
  const parts = [];
  socket.on("part", (n, { length }) => parts.push(length === 64 * 1024 ? n : -1));
  assert.equal(await socket.emitWithAck("download", 100), 100);
  assert.deepEqual(
    parts,
    Array.from({ length: 100 }, (_, n) => n),
  );
});

test("nest", async (t) => {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", join(folder, "nest")], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
  const url = await run(t, "nest/dist/main.js");
  const one = connect(`${url}/news`, { forceNew: true, reconnection: false });
  t.after(() => one.disconnect());
  const [id] = await event(one, "welcome");
  assert.equal(id, one.id);
  const two = await client(t, `${url}/news`);
  const told = event(one, "news");
  assert.deepEqual(await two.emitWithAck("news", "hello"), { told: true });
  assert.deepEqual(await told, ["hello"]);
});

test("client.mjs", { skip: isOriginal && "a client" }, async (t) => {
  const server = await start(t);
  server.io.on("connection", (socket) => socket.on("echo", (word, done) => done(word.toUpperCase())));
  const child = spawn(process.execPath, [join(folder, "client.mjs"), server.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  assert.deepEqual(await event(child, "close"), [0, null]);
  assert.match(output, /^connected as \S{20}\nONE\nTWO\nTHREE\nio client disconnect: for good\n$/);
});

test("drain.mjs", { skip: isOriginal && "only here" }, async (t) => {
  const url = await run(t, "drain.mjs");
  const ready = async () => (await fetch(`${url}/ready`)).status;
  assert.equal(await ready(), 200);
  const one = await client(t, url, { transports: ["websocket"] });
  const left = event(one, "disconnect");
  assert.deepEqual(await one.timeout(20_000).emitWithAck("say", "hello"), undefined);
  started.at(-1).kill("SIGTERM");
  const [reason, details] = await left;
  assert.equal(reason, "transport close"); // it would come back
  assert.deepEqual([details.context.code, details.context.reason], [1012, "update"]);
  assert.equal(started.at(-1).exitCode ?? (await event(started.at(-1), "exit"))[0], 0);
});
