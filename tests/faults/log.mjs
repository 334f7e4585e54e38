// A log that nobody takes any more: each write to it fails. What would be logged is no reason to end, nor is the failure.
import { Attack } from "../hostile/attack.mjs";
import { startFace } from "../harness/face.mjs";
import { descriptorsLeft, endsWell } from "./census.mjs";

export async function log(face, long) {
  const server = await startFace(face, "calm");
  const attack = new Attack(server, long);
  const honest = await attack.peer();
  await attack.echoes(honest);
  const before = server.descriptors();
  server.closeLog();
  for (let n = 0; n < (long ? 200 : 20); n++) {
    await attack.request("GET", "/socket.io/?EIO=9&transport=none");
    const peer = await attack.peer();
    await peer.send(['42["deep",']);
    await attack.closed(peer);
    await attack.echoes(honest);
  }
  await descriptorsLeft(server, before);
  attack.end();
  await endsWell(server);
}
