// Numbers in both directions over a network that loses packets, holds them up and lets them overtake each other, while the
// transport changes beneath them.
import assert from "node:assert/strict";
import { Client } from "../soak/client.mjs";
import { connectionsLeft, descriptorsLeft, endsWell, everyLifeEndedOnce } from "./census.mjs";
import { HONEST, Link } from "./link.mjs";

export async function losses(face, long) {
  const link = await Link.start();
  try {
    const server = await link.serve(face, "calm");
    await numbers(server, "upgrade", 3);
    await connectionsLeft(server, 0);
    const before = server.descriptors();
    const fault = long ? { loss: 0.05, delay: 0.2, jitter: 0.2 } : { loss: 0.05, delay: 0.01, jitter: 0.02 };
    await link.suffer(null, { up: fault, down: fault });
    const transports = ["upgrade", "upgrade", "upgrade", "websocket", "polling"];
    await Promise.all(Array.from({ length: long ? 20 : 5 }, (_, n) => numbers(server, transports[n % 5], long ? 500 : 30)));
    await link.suffer(null, {});
    await connectionsLeft(server, 0);
    await everyLifeEndedOnce(server);
    await descriptorsLeft(server, before);
    await endsWell(server);
  } finally {
    await link.stop();
  }
}

/** `count` numbers each way; by `upgrade` the WebSocket takes over after a third of ours. */
async function numbers(server, transport, count) {
  const client = await Client.open(server.at(HONEST), { transport: transport === "upgrade" ? "polling" : transport });
  const heard = [];
  const all = new Promise((resolve) => client.on("tick", (n) => (heard.push(n), heard.length === count && resolve())));
  await client.emit("ticks", count, 5);
  for (let n = 0; n < count; n++) {
    if (transport === "upgrade" && n === Math.floor(count / 3)) await client.peer.upgrade();
    await client.emit("seq", n);
  }
  await all;
  const [log] = await client.ask("seq-log");
  const expected = Array.from({ length: count }, (_, n) => n);
  assert.deepEqual(heard, expected, "what the client heard");
  assert.deepEqual(log, expected, "what the server heard");
  await client.end();
}
