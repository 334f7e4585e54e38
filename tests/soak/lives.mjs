// The ways in which clients live and leave. Each is a function of the server's port and what the face can; it ends when the
// client is gone, and throws when the server did something else than it should.
import assert from "node:assert/strict";
import { send as request } from "../harness/http.mjs";
import { Client } from "./client.mjs";

const MANNERS = ["leave", "leave", "close", "cut", "reset"];

/** [weight, life]: the weights of one round. A round is played in random order, so that every life comes up. */
const LIVES = [
  [30, talk],
  [12, rooms],
  [10, namespaces],
  [8, owesAnswers],
  [8, burst],
  [4, abandonsUpgrade],
  [4, vanishes],
  [4, isRefused],
  [2, readsSlowly],
  [1, readsNothing],
];

/** Lives without end, in rounds. */
export function* lives() {
  for (;;) yield* shuffled(LIVES.flatMap(([weight, life]) => Array(weight).fill(life)));
}

/** One of each. */
export const everyLife = LIVES.map(([, life]) => life);

/** Text, bytes, and answers both ways, by every transport. */
export async function talk(port) {
  const client = await Client.open(port, { transport: pick(["websocket", "polling", "upgrade"]) });
  for (let n = 0; n < 5; n++) assert.deepEqual(await client.exchange("echo", "echo", n, "☕".repeat(n * 40)), [n, "☕".repeat(n * 40)]);
  const back = client.next("echo");
  await client.emitBytes("echo", Buffer.alloc(2000, 7));
  assert.deepEqual(await back, [{ _placeholder: true, num: 0 }]);
  assert.deepEqual(await client.ask("ack", "x"), ["x"]);
  assert.deepEqual(await client.exchange("answer", "emit-ack", 60_000, "what?"), ["ok", "an answer"]);
  await client.end(pick(MANNERS));
}

/** Three who share a room that nobody had before; two leave it by going. */
export async function rooms(port) {
  const room = unique("room");
  const all = await Promise.all(["websocket", "websocket", "polling"].map((transport) => Client.open(port, { transport })));
  for (const client of all) await client.ask("join", [room, unique("own")]);
  const heard = all.map((client) => client.next("bcast"));
  await all[0].emit("bcast", [room], "hello");
  assert.deepEqual(await Promise.all(heard), [["hello"], ["hello"], ["hello"]]);
  const others = all.slice(1).map((client) => client.next("to"));
  await all[0].emit("to", [room], "you");
  await Promise.all(others);
  await all[0].ask("leave", room);
  await Promise.all(all.map((client) => client.end(pick(MANNERS))));
}

/** Namespaces on one connection, some of them made by their name; one refuses. */
export async function namespaces(port, { dynamic }) {
  const client = await Client.open(port, { transport: pick(["websocket", "upgrade"]) });
  const names = ["/custom", dynamic ? `/dyn-${Math.floor(Math.random() * 1e12)}` : `/dyn-${Math.floor(Math.random() * 100)}`];
  for (const name of names) assert.equal(await client.join(name), null);
  assert.equal((await client.join("/admin", { token: "bad" })).message, "refused");
  assert.notEqual(await client.join("/nowhere"), null);
  if (Math.random() < 0.5) for (const name of names) await client.leave(name);
  assert.deepEqual(await client.ask("ack", "still here"), ["still here"]);
  await client.end(pick(MANNERS));
}

/** It is asked fifty things and goes without a word; before that, two answers came too late. */
async function owesAnswers(port) {
  const client = await Client.open(port);
  client.answers = false;
  for (let n = 0; n < 2; n++) assert.deepEqual(await client.exchange("answer", "emit-ack", 20, n), ["timeout"]);
  for (let n = 0; n < 50; n++) await client.emit("emit-ack", 10_000, n);
  assert.deepEqual(await client.ask("ack", "all asked"), ["all asked"]);
  await client.end(pick(MANNERS));
}

/** Five hundred events at once come in their order. */
export async function burst(port) {
  const client = await Client.open(port, { transport: pick(["websocket", "polling", "upgrade"]) });
  const seen = [];
  const all = new Promise((resolve) => client.on("burst", (n) => (seen.push(n), n === 499 && resolve())));
  await client.emit("burst", 500);
  await all;
  assert.deepEqual(seen, Array.from({ length: 500 }, (_, n) => n));
  await client.end(pick(MANNERS));
}

/** It probes by WebSocket, drops that, and goes on by polling. */
async function abandonsUpgrade(port) {
  const client = await Client.open(port, { transport: "polling" });
  (await client.peer.probe()).drop();
  assert.deepEqual(await client.ask("ack", "polling on"), ["polling on"]);
  await client.end();
}

/** It answers no heartbeat: the server has to notice. */
async function vanishes(port) {
  const client = await Client.open(port, { transport: "websocket", pings: "manual" });
  await client.end("vanish");
  while (!client.closed) await new Promise((resolve) => setTimeout(resolve, 500));
}

async function isRefused(port) {
  const asked = (query) => request(port, "GET", `/socket.io/?${query}`).answer;
  assert.equal((await asked("EIO=4&transport=carrier-pigeon")).status, 400);
  assert.equal((await asked("EIO=4&transport=polling&sid=unknown")).status, 400);
  assert.equal((await request(port, "POST", "/socket.io/?EIO=4&transport=polling", { body: "40" }).answer).status, 400);
}

/** It lets a thousand events wait, reads them all the same, and is none the worse for it. */
async function readsSlowly(port) {
  const client = await Client.open(port);
  client.peer.socket.pause();
  const last = new Promise((resolve) => client.on("burst", (n) => n === 999 && resolve()));
  await client.emit("burst", 1000);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  client.peer.socket.resume();
  await last;
  await client.end(pick(MANNERS));
}

/** It has megabytes sent back to it and reads none of them, then goes. */
async function readsNothing(port) {
  const client = await Client.open(port);
  client.stopReading();
  const text = "x".repeat(900_000);
  for (let n = 0; n < 6; n++) await client.emit("echo", text);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  client.drop();
}

let count = 0;
const unique = (what) => `${what}-${process.pid}-${++count}`;
const pick = (list) => list[Math.floor(Math.random() * list.length)];

function shuffled(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
