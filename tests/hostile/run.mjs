// Attacks one face with the numbered inputs while a bystander looks on: node tests/hostile/run.mjs --face node [--input H-25] [--long]
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { findFace, startFace } from "../harness/face.mjs";
import { Attack, Failure, pause } from "./attack.mjs";
import { standBy } from "./bystander.mjs";
import { INPUTS } from "./inputs/index.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "socketio" },
    dialect: { type: "string" },
    input: { type: "string", multiple: true },
    long: { type: "boolean", default: process.env.FERRIO_HOSTILE_LONG === "1" },
    verbose: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

const face = findFace(options.face, options.dialect);
const servers = new Map(); // by profile: {server, bystander, descriptors}
const verdicts = [];

for (const input of INPUTS) {
  if (options.input && !options.input.includes(input.id)) continue;
  const since = Date.now();
  const verdict = await judge(input);
  verdicts.push({ id: input.id, what: input.what, ...verdict });
  if (verdict.fails) console.log(`FAIL ${input.id} ${input.what}\n     ${verdict.fails}`);
  else if (options.verbose) console.log(`ok   ${input.id} ${input.what} (${Date.now() - since} ms${verdict.skips ? `; not played: ${verdict.skips}` : ""})`);
}
for (const { server, bystander } of servers.values()) await Promise.all([bystander?.stop(), server.stop()]);

const failed = verdicts.filter(({ fails }) => fails).length;
const skipped = verdicts.filter(({ skips }) => skips).length;
if (options.json) writeFileSync(options.json, JSON.stringify({ face: face.name, verdicts }));
console.log(`${face.name}: ${verdicts.length - failed - skipped} passed, ${failed} failed, ${skipped} not played here`);
process.exit(failed > 0 ? 1 : 0);

/** `{}` if the server did what it must, else `{fails: why}`, or `{skips: why}` for an input that is not played on this face. */
async function judge(input) {
  if (input.elsewhere) return { skips: input.elsewhere };
  const profile = input.server ?? "calm";
  if (input.needs === "msgpack" && !face.msgpack) return { skips: "it does not speak MessagePack as npm's client does" };
  const place = await serverOf(profile);
  const { server, bystander } = place;
  const attack = new Attack(server, options.long);
  let fails;
  let skips;
  try {
    skips = await Promise.race([input.run(attack), late()]);
  } catch (error) {
    fails = error instanceof Failure ? error.message : `${error.stack}`;
  }
  attack.end();
  // A server that is gone has failed in nothing else.
  const after = [() => server.running() || `the process is gone: ${lastLine(server.errors())}`, () => bystander.check().then(() => true, (error) => error.message), () => settles(place)];
  for (const check of after) {
    const outcome = await check();
    if (outcome === true) continue;
    fails = fails && server.running() ? `${fails}; and ${outcome}` : outcome;
    servers.delete(profile);
    await Promise.all([bystander.stop(), server.stop()]);
    break;
  }
  return fails ? { fails: fails.slice(0, 400) } : skips ? { skips } : {};
}

/** An attack that comes to no end is one that the server has lost. */
async function late() {
  const seconds = options.long ? 1800 : 60;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000).unref());
  throw new Failure(`it was not over in ${seconds} s`);
}

/** The server of this profile, started if it is not there, with its bystander. */
async function serverOf(profile) {
  if (!servers.has(profile)) {
    const server = await startFace(face, profile);
    const bystander = await standBy(server.port, profile === "msgpack");
    await bystander.check();
    servers.set(profile, { server, bystander, descriptors: server.descriptors() });
  }
  return servers.get(profile);
}

async function settles({ server, descriptors }) {
  for (const end = Date.now() + 5000; ; await pause(20)) {
    const now = server.descriptors();
    if (now <= descriptors + 3) return true;
    if (Date.now() > end) return `${now - descriptors} descriptors are left`;
  }
}

function lastLine(text) {
  return text.trim().split("\n").filter((line) => /Error|panicked|Exception/.test(line)).pop()?.trim().slice(0, 160) ?? text.trim().split("\n").pop();
}
