// Servers under a day's traffic in small: node tests/soak/run.mjs --face rust --face node --seconds 3600 --results FILE
//
// Each face is one server. Residents stay all the time; beside them clients live and leave in every way they know. At the end
// all are gone, and the server must be what it was before they came.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { send as request } from "../harness/http.mjs";
import { findFace, startFace } from "../harness/face.mjs";
import { Client } from "./client.mjs";
import { everyLife, lives } from "./lives.mjs";
import { Residents } from "./residents.mjs";
import { table } from "./results.mjs";
import { slope, vitals } from "./vitals.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", multiple: true, default: ["rust", "node", "python"] },
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "5" }, // lives a second that begin on each face
    residents: { type: "string", default: "20" },
    results: { type: "string" },
    samples: { type: "string" }, // all that was measured, as JSON
  },
});

const SECONDS = Number(options.seconds);
// A slope of minutes is noise: it is judged after the first ten minutes of an hour, and shown after the first tenth otherwise.
const WARM = SECONDS >= 3600 ? 600 : SECONDS / 10;
const JUDGED = SECONDS >= 3600;
const PROFILE = SECONDS >= 60 ? "soak" : "soak-brief";

const outcomes = await Promise.all(options.face.map((name) => soak(findFace(name))));
const text = table(outcomes, { seconds: SECONDS, warm: WARM, rate: Number(options.rate), residents: Number(options.residents) });
console.log(text);
if (options.results) writeFileSync(options.results, text);
if (options.samples) writeFileSync(options.samples, JSON.stringify(outcomes));
const failed = outcomes.filter(({ faults }) => faults.length > 0);
for (const { face, faults } of failed) console.log(`FAIL ${face}\n     ${faults.slice(0, 20).join("\n     ")}`);
console.log(`soak: ${outcomes.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length > 0 ? 1 : 0);

async function soak(face) {
  const server = await startFace(face, PROFILE);
  const can = { dynamic: face.dialect === "node" };
  const outcome = { face: face.name, faults: [], lives: 0, samples: [] };
  // A server under an ASGI server starts its engine with the first request.
  await request(server.port, "GET", "/socket.io/?EIO=4&transport=polling").answer;
  const keeper = await Client.open(server.port);
  keeper.onlost = (how) => outcome.faults.push(`the keeper lost its connection: ${how}`);

  // What a server holds on to once: code that was loaded, pools, arenas.
  await Promise.all(everyLife.map((life) => one(life, server, can, outcome)));
  outcome.before = await settled(server, keeper, null);

  const residents = await Residents.settle(server.port, Number(options.residents));
  await Promise.all([crowd(server, can, outcome), stay(residents, outcome), sample(server, keeper, outcome)]);
  await residents.moveOut();
  outcome.heard = residents.heard;
  outcome.faults.push(...residents.faults);

  outcome.after = await settled(server, keeper, outcome.before);
  judge(outcome);
  await keeper.end();
  await server.stop();
  // uvicorn ends by the signal that it was told to end with.
  if (![0, "SIGTERM"].includes(await server.exited)) outcome.faults.push(`it ended with ${await server.exited}`);
  if (/panicked|Uncaught|UnhandledPromiseRejection|Traceback|Warning/.test(server.errors())) outcome.faults.push(server.errors());
  return outcome;
}

/** Clients that come and go at an even rate, until the time is over and the last has gone. */
async function crowd(server, can, outcome) {
  const end = Date.now() + SECONDS * 1000;
  const next = lives();
  const living = new Set();
  while (Date.now() < end && server.running()) {
    const life = one(next.next().value, server, can, outcome).finally(() => living.delete(life));
    living.add(life);
    await pause(1000 / Number(options.rate));
  }
  await Promise.all(living);
}

async function one(life, server, can, outcome) {
  try {
    await Client.together(() => life(server.port, can));
    outcome.lives++;
  } catch (error) {
    outcome.faults.push(`${life.name}: ${error.message}`);
  }
}

async function stay(residents, outcome) {
  const end = Date.now() + SECONDS * 1000;
  while (Date.now() < end) {
    try {
      await residents.turn();
    } catch (error) {
      outcome.faults.push(`a resident: ${error.message}`);
    }
    await pause(1000);
  }
}

async function sample(server, keeper, outcome) {
  const begin = Date.now();
  const every = Math.min(10_000, SECONDS * 50);
  while (Date.now() < begin + SECONDS * 1000) {
    try {
      outcome.samples.push({ at: Date.now() - begin, ...(await vitals(server, keeper)) });
    } catch (error) {
      outcome.faults.push(`the keeper: ${error.message}`);
    }
    await pause(every);
  }
}

/** The vitals once nobody but the keeper is there and, if it was before, as little as before; or those of two minutes later. */
async function settled(server, keeper, before) {
  for (const end = Date.now() + 120_000; ; await pause(500)) {
    const now = await vitals(server, keeper);
    const back = before === null || (now.descriptors <= before.descriptors && now.tasks <= before.tasks);
    if ((now.connections === 0 && back) || Date.now() > end) return now;
  }
}

function judge({ before, after, samples, faults }) {
  for (const what of ["connections", "descriptors", "tasks"]) {
    if (after[what] > before[what]) faults.push(`${what}: ${before[what]} before, ${after[what]} after`);
  }
  const grown = slope(samples.filter(({ at }) => at >= WARM * 1000), "memory");
  if (JUDGED && grown >= 1) faults.push(`memory grows by ${grown.toFixed(2)} MiB an hour`);
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
