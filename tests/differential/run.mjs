// Asks npm's parsers and ferrio's what they make of the same packets: node tests/differential/run.mjs [--seconds 10] [--seed N]
//
// Packets are written by chance, around what is legal. Both must accept or refuse, and find equal values. Where ferrio differs on
// purpose, `intended.mjs` says so and why; anything else fails, with the packet.
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { intended } from "./intended.mjs";
import { npmAnswer } from "./npm.mjs";
import { Writer } from "./writer.mjs";

const { values: options } = parseArgs({ options: { seconds: { type: "string", default: "10" }, seed: { type: "string", default: String(Date.now() % 1e6) } } });
const BATCH = 2000;
const MAX_SHOWN = 20;

const decoder = spawn(program(), [], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: decoder.stdout })[Symbol.asyncIterator]();
const writer = new Writer(Number(options.seed));
const seen = new Map(); // intended differences by name, how often
let compared = 0;
let failures = 0;

console.log(`seed ${options.seed}`);
for (const end = Date.now() + Number(options.seconds) * 1000; Date.now() < end && failures < MAX_SHOWN; ) {
  const questions = Array.from({ length: BATCH }, () => writer.question());
  decoder.stdin.write(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  for (const question of questions) {
    const { value, done } = await answers.next();
    if (done) throw new Error(`ferrio-decode ended at ${JSON.stringify(question)}`);
    compare(question, JSON.parse(value));
  }
}
decoder.stdin.end();

for (const [name, count] of [...seen].sort()) console.log(`intended: ${name} (${count})`);
console.log(`differential: ${compared} packets, ${failures} unintended differences`);
process.exit(failures > 0 ? 1 : 0);

function compare(question, raw) {
  compared++;
  const [theirs, ours] = [npmAnswer(question), read(question, raw)];
  if (theirs.refused !== undefined && ours.refused !== undefined) return;
  if (isDeepStrictEqual(theirs, ours)) return;
  const reason = intended(question, theirs, ours);
  if (reason) return seen.set(reason, (seen.get(reason) ?? 0) + 1);
  failures++;
  console.log(`FAIL ${JSON.stringify(question)}\n     npm:    ${shown(theirs)}\n     ferrio: ${shown(ours)}`);
}

/** ferrio's answer with its JSON opened, as the Node package does it. */
function read([kind], raw) {
  if (kind !== "sio" || raw.json === undefined) return raw;
  const { type, nsp, id, json, attachments } = raw;
  const packet = { type, nsp };
  if (id !== null) packet.id = id;
  if (json !== null) packet.data = JSON.stringify(attachments.length ? open(JSON.parse(json), attachments) : JSON.parse(json));
  return packet;
}

function open(value, attachments) {
  if (Array.isArray(value)) return value.map((one) => open(one, attachments));
  if (typeof value !== "object" || value === null) return value;
  if (value._placeholder === true) return { bytes: attachments[value.num] };
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, open(one, attachments)]));
}

function shown(value) {
  const text = JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

/** The newest build of `core/protocol/examples/decode.rs`. */
function program() {
  if (process.env.FERRIO_TEST_DECODE) return process.env.FERRIO_TEST_DECODE;
  const built = ["debug", "fast", "release"].map((profile) => fileURLToPath(new URL(`../../target/${profile}/examples/ferrio-decode`, import.meta.url))).filter(existsSync);
  if (built.length === 0) throw new Error("cargo build -p ferrio-protocol --example ferrio-decode makes the program that is asked");
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}
