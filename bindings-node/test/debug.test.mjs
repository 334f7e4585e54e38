// `DEBUG`: what goes on, under the names that socket.io gives it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = `
  import { start, settled, event } from "./test/support.mjs";
  const after = [];
  const server = await start({ after: (done) => after.push(done) }, {}, { path: "upgrade" });
  server.io.of(/^\\/made/);
  const { client, socket } = await server.pair();
  socket.join("room");
  await settled(client, socket);
  const child = server.client("/made-here", { transports: ["polling"] });
  await event(child, "connect");
  client.disconnect();
  child.disconnect();
  await event(socket, "disconnect");
  await fetch(server.url + "/socket.io/socket.io.js");
  for (const done of after) await done();
`;

function run(DEBUG) {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, DEBUG, DEBUG_COLORS: "0", NODE_OPTIONS: "" },
    timeout: 20_000,
  });
  assert.equal(status, 0, stderr);
  return new Set(stderr.match(/(?<= )(?:engine|socket\.io)[a-z:-]*(?= )/g));
}

test("each part tells under its name", () => {
  const told = run("engine*,socket.io:*");
  for (const name of [
    "engine",
    "engine:socket",
    "engine:transport",
    "engine:polling",
    "engine:ws",
    "socket.io:server",
    "socket.io:client",
    "socket.io:namespace",
    "socket.io:parent-namespace",
    "socket.io:socket",
  ]) {
    assert.ok(told.has(name), `${name} is not among ${[...told]}`);
  }
});

test("only what is asked for is told", () => {
  assert.deepEqual([...run("socket.io:namespace")], ["socket.io:namespace"]);
  assert.deepEqual([...run("")], []);
});
