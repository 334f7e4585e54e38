// A server that is told to end while another takes over.
//
// npm's clients on two servers of one face, and a SIGTERM for the first: each of its clients comes to the second, by itself, and
// nothing that was asked stays without an answer.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { startFace } from "../harness/face.mjs";

const WAYS = [["polling"], ["websocket"], ["polling", "websocket"]];
const EACH = 4;
/** Longer than any test. */
const GRACE = 600_000;

export const title = "SIGTERM drains: clients go to another server, newcomers are turned away, answers arrive";
/** `sio.serve()` alone leaves signals to the program; `ferrio.serve()` and what stands under uvicorn are tried. */
export const faces = ({ name }) => name !== "python-native";

export async function play(face, within) {
  process.env.FERRIO_TEST_DRAIN = JSON.stringify({ grace: GRACE, spread: 500, reason: "upgrade" });
  const [first, second] = [await startFace(face), await startFace(face)];
  delete process.env.FERRIO_TEST_DRAIN;
  const clients = [];
  try {
    for (const transports of WAYS)
      for (let n = 0; n < EACH; n++) clients.push(await client(first.port, second.port, transports, within));
    // A question of the server's that keeps it waiting until we answer.
    const { socket } = clients[EACH];
    const asked = new Promise((resolve) => socket.once("question", (...args) => resolve(args.pop())));
    socket.emit("emit-ack", GRACE, "?");
    const answer = await within(asked, "the question");
    process.kill(first.pid, "SIGTERM");

    let refused;
    do refused = await fetch(`http://127.0.0.1:${first.port}/socket.io/?EIO=4&transport=polling`);
    while (refused.status === 200);
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    const answers = clients.map(({ socket }, n) => new Promise((resolve) => socket.emit("message-with-ack", n, resolve)));
    assert.deepEqual(await within(Promise.all(answers), "answers"), [...clients.keys()]);
    assert.ok(clients.every(({ reasons }) => reasons.length === 0), "nobody is sent away before the answer");

    answer("yes");
    await within(Promise.all(clients.map(({ back }) => back)), "the clients to come to the other server");
    assert.equal(await within(first.exited, "the end of the first server"), 0, first.errors());
    // Of a broken connection, not of a namespace that they were sent away from: then they would stay away.
    for (const { reasons } of clients) assert.deepEqual(reasons, ["transport close"]);
    const left = await within(new Promise((resolve) => socket.emit("reasons", resolve)), "the other server's reasons");
    assert.deepEqual(left, []);
  } finally {
    for (const { socket } of clients) socket.disconnect();
    await first.stop();
    await second.stop();
  }
}

/** A client that comes back to another port, as behind a load balancer that knows who is ready. */
async function client(port, other, transports, within) {
  const socket = io(`http://127.0.0.1:${port}`, { forceNew: true, transports, reconnectionDelay: 50, reconnectionDelayMax: 100 });
  const reasons = [];
  const upgraded = new Promise((resolve) => socket.io.once("open", () => socket.io.engine.once("upgrade", resolve)));
  await within(new Promise((resolve) => socket.once("connect", resolve)), "a client");
  if (transports.length > 1) await within(upgraded, "an upgrade");
  socket.on("disconnect", (reason) => {
    reasons.push(reason);
    socket.io.uri = `http://127.0.0.1:${other}`;
  });
  const back = new Promise((resolve) => socket.once("connect", resolve));
  return { socket, reasons, back };
}
