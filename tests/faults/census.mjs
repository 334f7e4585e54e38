// What a server must have come to once its clients are gone.
import { Client } from "../soak/client.mjs";

const PATIENCE = 60_000;

/** Asks the server over a connection of its own. */
export async function ask(server, ...event) {
  const observer = await Client.open(server.at ? server.at(undefined) : server.port);
  const [answer] = await observer.ask(...event);
  await observer.end();
  return answer;
}

/** Waits until only `count` connections are left beside the one that asks. */
export async function connectionsLeft(server, count) {
  const observer = await Client.open(server.at ? server.at(undefined) : server.port);
  for (const end = Date.now() + PATIENCE; ; await pause(100)) {
    const [{ connections }] = await observer.ask("vitals");
    if (connections === count + 1) return observer.end();
    if (Date.now() > end) throw new Error(`${connections - 1} connections are left, and not ${count}`);
  }
}

/** Waits until the descriptors are as before. */
export async function descriptorsLeft(server, before) {
  for (const end = Date.now() + PATIENCE; ; await pause(100)) {
    const now = server.descriptors();
    if (now <= before) return;
    if (Date.now() > end) throw new Error(`${before} descriptors before, ${now} after`);
  }
}

/** Every socket that there was has had one end, but for `alive` of them and the one that asks. Gives the reasons. */
export async function everyLifeEndedOnce(server, alive = 0) {
  const lives = Object.entries(await ask(server, "lives"));
  const reasons = [];
  let open = 0;
  for (const [id, life] of lives) {
    const ends = life.filter((what) => what.startsWith("disconnect "));
    if (life[0] !== "connection" || ends.length > 1) throw new Error(`the life of ${id}: ${life.join(", ")}`);
    if (ends.length === 0) open++;
    else reasons.push(/^disconnect (.*) rooms=/.exec(ends[0])[1]);
  }
  if (open !== alive + 1) throw new Error(`${open - 1} sockets have not been told their end, and not ${alive}`);
  return reasons;
}

/** The server has not fallen over its clients' misfortune, and ends as it should. */
export async function endsWell(server) {
  if (!server.running()) throw new Error(`the server is gone\n${server.errors()}`);
  await server.stop();
  if (/panicked|Uncaught|UnhandledPromiseRejection|Traceback/.test(server.errors())) throw new Error(server.errors());
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
