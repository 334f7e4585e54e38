// One of many clients stops reading while a megabyte a second is broadcast to all: the others get everything in order, the
// server's memory stays where docs/limits.md says, and the slow one is disconnected. The long form of the specification has a
// thousand of them, and moves ten gigabytes: FERRIO_TEST_SLOW_CLIENTS=1000.
//
// How long the others wait for it is measured by the benchmark (bench/), not here.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { startFace } from "../harness/face.mjs";
import { joined } from "./peer.mjs";

const CLIENTS = Number(process.env.FERRIO_TEST_SLOW_CLIENTS ?? 150);
const LIMIT = 1 << 20;
const PIECE = 20_000;
/** So many a second are a megabyte. */
const PER_SECOND = 50;
/** For one that is just slow: what a busy machine may hold back from every client for a moment. */
const SECONDS = 30;

const EVENT = '42["broadcast","';

export const title = `one of ${CLIENTS} clients stops reading`;
export const faces = () => true;

export async function play(face, within) {
  process.env.FERRIO_TEST_LIMITS = JSON.stringify({ hardLimit: LIMIT });
  const server = await startFace(face, "patient");
  delete process.env.FERRIO_TEST_LIMITS;
  const peers = [];
  try {
    // A few at a time: the backlog of a port is not what is tested.
    for (let n = 0; n < CLIENTS; n += 50) {
      const some = Array.from({ length: Math.min(50, CLIENTS - n) }, () => joined(server.port));
      peers.push(...(await within(Promise.all(some), "the clients")));
    }
    const [slow, speaker, ...others] = peers;
    const got = new Map(others.map((peer) => [peer, 0]));
    const wrong = [];
    for (const peer of got.keys()) {
      peer.heard = (packet) => {
        if (!packet.startsWith(EVENT)) return;
        const expected = got.get(peer);
        if (Number.parseInt(packet.slice(EVENT.length), 10) !== expected) wrong.push(`${packet.slice(0, 30)} for ${expected}`);
        got.set(peer, expected + 1);
      };
    }
    const before = memory(server.pid);
    slow.stopReading();
    const padding = "x".repeat(PIECE);
    let [sent, most] = [0, 0];
    const gone = async () => (await speaker.ask('["reasons"]'))[0].length > 0;
    while (!(await within(gone(), "an answer"))) {
      assert.ok(sent < PER_SECOND * SECONDS, `the slow one is still there after ${sent} pieces`);
      const began = Date.now();
      for (let n = 0; n < PER_SECOND / 10; n++) speaker.send(`${EVENT}${sent++}:${padding}"]`);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + 100 - Date.now())));
      most = Math.max(most, memory(server.pid));
    }
    const [[, , reason]] = (await speaker.ask('["reasons"]'))[0];
    assert.equal(reason, "slow consumer");
    // Everybody else, to the last piece.
    const everything = async () => {
      while ([...got.values()].some((count) => count < sent)) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await within(everything(), "the others");
    assert.deepEqual(wrong, []);
    assert.ok(others.every((peer) => !peer.closed));
    assert.equal((await speaker.ask('["reasons"]'))[0].length, 1);
    // The slow one's queue, which is also what the others may be behind by, twice for the allocator; what each connection's
    // buffers have come to; and the host's own heap, which encodes every piece.
    const grown = most - before;
    const bound = 2 * LIMIT + CLIENTS * 16384 + (64 << 20);
    assert.ok(grown < bound, `${grown} bytes more than before, of ${sent} pieces`);
  } finally {
    for (const peer of peers) peer.drop();
    await server.stop();
  }
}

function memory(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
}
