// A process that gets no CPU for longer than a heartbeat may take: everybody who is still there when it goes on stays.
import assert from "node:assert/strict";
import { startFace } from "../harness/face.mjs";
import { joined } from "./peer.mjs";

/** Longer than interval and timeout of the profile together, which are four seconds. */
const FROZEN = 6000;
const PEERS = 20;

export const title = `${FROZEN} ms without CPU`;
export const faces = () => true;

export async function play(face, within) {
  const server = await startFace(face, "faults");
  const peers = [];
  try {
    for (let n = 0; n < PEERS; n++) peers.push(await within(joined(server.port), "a client"));
    process.kill(server.pid, "SIGSTOP");
    for (const [n, peer] of peers.entries()) peer.send(`42["seq",${n}]`);
    await new Promise((resolve) => setTimeout(resolve, FROZEN));
    process.kill(server.pid, "SIGCONT");
    for (const [n, peer] of peers.entries()) {
      assert.deepEqual(await within(peer.ask('["seq-log"]'), "what was sent meanwhile"), [[n]]);
    }
    // Each has two more heartbeats: the first that was late is followed by others that are not.
    const beats = (peer) => peer.next((packet) => packet === "2");
    for (let beat = 0; beat < 2; beat++) await within(Promise.all(peers.map(beats)), "a heartbeat");
    assert.deepEqual(await within(peers[0].ask('["reasons"]'), "the reasons"), [[]]);
  } finally {
    for (const peer of peers) peer.drop();
    await server.stop();
  }
}
