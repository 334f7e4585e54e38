// Peers that are cut off without a word: nothing reaches them, or nothing reaches them and they do not know.
import assert from "node:assert/strict";
import { Client } from "../soak/client.mjs";
import { Peer } from "../harness/peer.mjs";
import { connectionsLeft, descriptorsLeft, endsWell, everyLifeEndedOnce } from "./census.mjs";
import { HONEST, Link, UNLUCKY } from "./link.mjs";

const DROP = { drop: true };
const TRANSPORTS = ["websocket", "polling", "upgrade"];

export async function vanished(face, long) {
  const link = await Link.start();
  try {
    const server = await link.serve(face, "faults");
    await (await Client.open(server.at(HONEST))).end();
    await connectionsLeft(server, 0);
    const before = server.descriptors();
    const { honest, faults } = await bystanders(server, long ? 1000 : 20);

    let gone = 0;
    for (const [what, ways] of Object.entries({ "both ways": { up: DROP, down: DROP }, "on the way back": { down: DROP } })) {
      const unlucky = await everyKind(server);
      await link.suffer(UNLUCKY, ways);
      await talkAt(unlucky, honest[0]);
      await connectionsLeft(server, honest.length);
      gone += unlucky.joined.length;
      const reasons = await everyLifeEndedOnce(server, honest.length);
      assert.equal(reasons.filter((reason) => reason === "ping timeout").length, gone, `cut off ${what}: ${reasons}`);
      unlucky.drop();
      // The same client, after the network is back.
      await link.suffer(UNLUCKY, {});
      await (await Client.open(server.at(UNLUCKY), { transport: "upgrade" })).end();
    }

    for (const client of honest) assert.deepEqual(await client.ask("ack", "still here"), ["still here"]);
    assert.deepEqual(faults, []);
    await Promise.all(honest.map((client) => client.end()));
    await connectionsLeft(server, 0);
    await descriptorsLeft(server, before);
    await endsWell(server);
  } finally {
    await link.stop();
  }
}

async function bystanders(server, count) {
  const faults = [];
  const honest = [];
  for (let n = 0; n < count; n++) {
    const client = await Client.open(server.at(HONEST), { transport: TRANSPORTS[n % 3] });
    client.onlost = (how) => faults.push(`the honest client ${n} lost its connection: ${how}`);
    honest.push(client);
  }
  return { honest, faults };
}

/** One client in every state that a connection can be cut off in. */
async function everyKind(server) {
  const at = server.at(UNLUCKY);
  const joined = await Promise.all(TRANSPORTS.map((transport) => Client.open(at, { transport })));
  // It has probed and goes on polling.
  const probing = await Client.open(at, { transport: "polling" });
  const candidate = await probing.peer.probe();
  // It has joined and lies between two polls.
  const resting = new Peer(at);
  await resting.open("polling");
  await resting.send(["40"]);
  await resting.next(8000);
  // It has not joined.
  const strangers = [new Peer(at), new Peer(at)];
  await strangers[0].open("websocket");
  await strangers[1].open("polling");
  for (const client of [...joined, probing]) await client.ask("join", "unlucky");
  return {
    joined: [...joined, probing, resting],
    talking: joined[0],
    drop() {
      candidate.drop();
      for (const one of [...joined, probing, resting, ...strangers]) one.drop();
    },
  };
}

/** Who is gone is sent more than the kernel takes for it, and may itself go on sending for as long as it can. */
async function talkAt({ talking }, honest) {
  for (let n = 0; n < 20; n++) await talking.emit("echo", n);
  for (let n = 0; n < 8; n++) await honest.emit("bcast", "unlucky", "x".repeat(500_000));
}
