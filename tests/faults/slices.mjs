// Everything that clients do, in segments of one and of a few bytes.
import { startFace } from "../harness/face.mjs";
import { burst, namespaces, rooms, talk } from "../soak/lives.mjs";
import { connectionsLeft, descriptorsLeft, endsWell, everyLifeEndedOnce } from "./census.mjs";
import { Relay } from "./relay.mjs";

export async function slices(face, long) {
  const server = await startFace(face, "calm");
  await talk(server.port);
  await connectionsLeft(server, 0);
  const before = server.descriptors();
  for (const slice of long ? [1, 2, 3, 5, 7, 11, 64, 125] : [1, 7]) {
    const relay = await Relay.start(server.port, { slice });
    for (let round = 0; round < (long ? 10 : 2); round++) {
      // Three of the first, for it chooses among three transports.
      await Promise.all([talk, talk, talk, rooms, namespaces, burst].map((life) => life(relay.port, { dynamic: false })));
    }
    await connectionsLeft(server, 0);
    relay.close();
  }
  await everyLifeEndedOnce(server);
  await descriptorsLeft(server, before);
  await endsWell(server);
}
