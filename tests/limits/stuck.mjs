// A program that stands still: heartbeats go on, nobody is dropped, and what comes in meanwhile is bounded.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { io } from "socket.io-client";
import { startFace } from "../harness/face.mjs";
import { joined } from "./peer.mjs";

/** The long form of the specification is a minute: FERRIO_TEST_STUCK=60000. */
const STUCK = Number(process.env.FERRIO_TEST_STUCK ?? 12_000);
const MAILBOX = 256 << 10;
const FLOODERS = 8;

export const title = `${STUCK} ms without the program`;
/** In Rust the handlers are the engine's own: who blocks there blocks it. */
export const faces = ({ name }) => name !== "rust";

export async function play(face, within) {
  process.env.FERRIO_TEST_LIMITS = JSON.stringify({ mailboxBytes: MAILBOX });
  // A client that hears nothing for seven seconds goes away, and so does the server's side of it.
  const server = await startFace(face, "brisk");
  delete process.env.FERRIO_TEST_LIMITS;
  const own = face.name === "python-native" || face.name === "python-hosted";
  // Where the host has the port, whoever polls waits for the host: nobody else could answer.
  const ways = own ? [["websocket"], ["polling"]] : [["websocket"]];
  const sockets = ways.flatMap((transports) =>
    [1, 2, 3, 4].map(() => io(`http://127.0.0.1:${server.port}`, { forceNew: true, transports, reconnection: false })),
  );
  const lost = [];
  const flooders = [];
  const connected = sockets.map((socket) => {
    socket.on("disconnect", (reason, details) => lost.push(`${reason} ${details?.description ?? ""}`));
    return new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  });
  try {
    await within(Promise.all(connected), "the clients");
    for (let n = 0; n < FLOODERS; n++) flooders.push(await joined(server.port));
    const before = memory(server.pid);
    const stands = new Promise((resolve) => sockets[0].emit("block", STUCK, resolve));
    // Long enough that the flood finds the program asleep, whatever else this machine does.
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Each sends until the server takes no more: then nothing of it is in our hands nor in the server's, but in the kernel's.
    const sent = await within(Promise.all(flooders.map((flooder) => flood(flooder))), "the flood to be stopped");
    const grown = memory(server.pid) - before;
    const total = sent.reduce((sum, { bytes }) => sum + bytes, 0);
    // The mailbox, what a read of each connection brings on top of it, and some for the allocator; without a bound it would be
    // everything that was sent, several times.
    const bound = 4 * (MAILBOX + (FLOODERS + sockets.length) * (64 << 10)) + (8 << 20);
    assert.ok(grown < bound, `${grown} bytes more, ${total} sent`);
    await within(stands, "the program to go on");
    // Everything arrives, in order, and everybody is still there.
    for (const [n, flooder] of flooders.entries()) {
      const log = await within(flooder.ask('["seq-log"]'), "what the program has heard");
      assert.deepEqual(log, [[...Array(sent[n].count).keys()]]);
    }
    for (const socket of sockets) {
      const echo = new Promise((resolve) => socket.once("echo", resolve));
      socket.emit("echo", "there");
      assert.equal(await within(echo, `an echo (lost: ${lost})`), "there");
    }
    assert.deepEqual(lost, []);
    const reasons = await within(new Promise((resolve) => sockets[0].emit("reasons", resolve)), "the reasons");
    assert.deepEqual(reasons, []);
  } catch (error) {
    // Who was dropped, and why, is what one wants to know.
    const asks = joined(server.port).then((peer) => peer.ask('["reasons"]'));
    const reasons = await within(asks, "the reasons").catch(() => "nothing");
    throw new Error(`${error.message} ${JSON.stringify([lost, reasons])}`);
  } finally {
    for (const socket of sockets) socket.disconnect();
    for (const flooder of flooders) flooder.drop();
    await server.stop();
  }
}

/** Sends numbers, each behind something heavy that nobody handles, until the connection takes no more for a while (or enough is enough). */
async function flood(flooder) {
  const weight = "x".repeat(2000);
  let [count, bytes] = [0, 0];
  while (bytes < 20e6) {
    flooder.send(`42["noise","${weight}"]`);
    bytes += weight.length;
    if (!flooder.send(`42["seq",${count++}]`) && !(await flooder.drains(500))) break;
  }
  return { count, bytes };
}

function memory(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
}
