// A process without a file left: those who come are turned away instead of waiting for nothing, those who are in notice nothing,
// and when files are given back the port works as before.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { startFace } from "../harness/face.mjs";
import { joined } from "./peer.mjs";

/** Files that the server may have open. */
const FILES = 256;
const CONNECTIONS = 600;

export const title = `no more than ${FILES} files`;
/** On the engine's own ports: another server's port is its own business. */
export const faces = ({ name }) => ["rust", "python-native", "python-hosted"].includes(name);

export async function play(face, within) {
  const server = await startFace(face, "calm");
  const sockets = [];
  try {
    const bystander = await within(joined(server.port), "a client");
    execFileSync("prlimit", ["--pid", String(server.pid), `--nofile=${FILES}:${FILES}`]);
    // Each is accepted, or closed at once: none is left hanging in the backlog of the kernel. (A few at a time, for what is
    // turned away must have come to be accepted.)
    let turnedAway = 0;
    for (let n = 0; n < CONNECTIONS; n++) {
      const socket = connect(server.port, "127.0.0.1");
      sockets.push(socket);
      socket.on("error", () => {}); // its close follows
      socket.on("close", () => turnedAway++);
      socket.resume();
      await within(Promise.race([once(socket, "connect"), once(socket, "close")]), "a connection");
    }
    const full = async () => {
      while (turnedAway < CONNECTIONS - FILES) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await within(full(), "those who are too many to be turned away");
    assert.deepEqual(await within(bystander.ask('["message-with-ack",1]'), "an answer"), [1]);
    // Nothing has to be restarted: the first that leaves makes room.
    for (const socket of sockets) socket.destroy();
    const again = async () => {
      for (;;) {
        try {
          return await joined(server.port);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const newcomer = await within(again(), "the port to work again");
    assert.deepEqual(await within(newcomer.ask('["message-with-ack",2]'), "an answer"), [2]);
    assert.deepEqual(await within(bystander.ask('["message-with-ack",3]'), "an answer"), [3]);
    newcomer.drop();
    bystander.drop();
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  }
}
