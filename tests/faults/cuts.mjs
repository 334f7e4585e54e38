// A client's whole life through a relay that resets every connection of it after the nth byte, for each n.
// python-socketio fails this: a POST that was cut off is parsed as if it were whole.
import { startFace } from "../harness/face.mjs";
import { Client } from "../soak/client.mjs";
import { connectionsLeft, descriptorsLeft, endsWell, everyLifeEndedOnce } from "./census.mjs";
import { Relay } from "./relay.mjs";

const JOBS = 8;
const STRIDE = 37; // of the short form; each run begins elsewhere

export async function cuts(face, long) {
  const server = await startFace(face, "faults");
  for (const transport of TRANSPORTS) await life(server.port, transport);
  await connectionsLeft(server, 0);
  const before = server.descriptors();

  const runs = [];
  for (const transport of TRANSPORTS) {
    const { up, down } = await lengths(server, transport);
    const offset = 1 + Math.floor(Math.random() * (long ? 1 : STRIDE));
    for (const [way, length] of Object.entries({ up, down })) {
      for (let n = offset; n < length; n += long ? 1 : STRIDE) runs.push({ transport, cut: { [way]: n } });
    }
  }
  const next = runs.values();
  await Promise.all(Array.from({ length: JOBS }, async () => {
    for (const run of next) await cut(server, run);
  }));

  await connectionsLeft(server, 0);
  await everyLifeEndedOnce(server);
  await descriptorsLeft(server, before);
  // It serves as before.
  for (const transport of TRANSPORTS) await life(server.port, transport);
  await endsWell(server);
}

const TRANSPORTS = ["websocket", "polling", "upgrade"];

/** Handshake, upgrade, polls, frames and an end. */
async function life(port, transport) {
  const client = await Client.open(port, { transport });
  await client.exchange("echo", "echo", "text");
  const back = client.next("echo");
  await client.emitBytes("echo", Buffer.alloc(10, 1));
  await back;
  await client.ask("ack", "x");
  await client.end("leave");
}

async function lengths(server, transport) {
  const relay = await Relay.start(server.port);
  await life(relay.port, transport);
  relay.close();
  return relay;
}

async function cut(server, { transport, cut }) {
  const relay = await Relay.start(server.port, { cut });
  try {
    await life(relay.port, transport);
  } catch (error) {
    // What the client makes of it is the client's affair; that nothing cut it off would be ours.
    if (!relay.over) throw new Error(`by ${transport}, cut at ${JSON.stringify(cut)}: ${error.message}`);
  } finally {
    relay.close();
  }
}
