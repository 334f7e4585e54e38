// Attacks the faces of ferrio and both originals, and writes what came of it: node tests/hostile/scoreboard.mjs [--long] [--out FILE]
// With `--from FOLDER` it writes what `run.mjs --json FOLDER/<face>.verdicts.json` has found before.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { INPUTS } from "./inputs/index.mjs";

const FACES = ["rust", "node", "python", "python-native", "socketio", "python-socketio"];
const HEADINGS = ["ferrio: Rust", "Node", "Python, uvicorn", "Python, `serve()`", "socket.io", "python-socketio"];
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values: options } = parseArgs({
  options: { long: { type: "boolean", default: false }, out: { type: "string", default: here("SCOREBOARD.md") }, from: { type: "string" } },
});

const folder = options.from ?? mkdtempSync(join(tmpdir(), "scoreboard-"));
const boards = [];
for (const face of FACES) {
  const json = join(folder, `${face}.verdicts.json`);
  if (!options.from) await attack(face, json);
  boards.push(new Map(JSON.parse(readFileSync(json)).verdicts.map((verdict) => [verdict.id, verdict])));
}
writeFileSync(options.out, page());
if (!options.from) rmSync(folder, { recursive: true });
console.log(`written to ${options.out}`);

async function attack(face, json) {
  const child = spawn(process.execPath, [here("run.mjs"), "--face", face, "--json", json, ...(options.long ? ["--long"] : [])], { stdio: "inherit" });
  await new Promise((resolve) => child.once("exit", resolve));
}

function page() {
  const played = INPUTS.filter(({ elsewhere }) => !elsewhere);
  const lines = [
    "# Scoreboard of the hostile inputs",
    "",
    `Made by \`make hostile-scoreboard\`${options.long ? " with `--long`" : ""}: each input against each server, with an honest client beside it. A server passes (+) if its process lives, the honest`,
    "client is answered in order, descriptors and memory are given back, and the offender gets a refusal, an end or an answer that makes sense. What failed (–) stands",
    `below. socket.io is ${versionOf("socket.io")} with engine.io ${versionOf("engine.io")} and ws ${versionOf("ws")}; python-socketio runs under uvicorn, as ferrio does in the third column. Where an`,
    "input is about HTTP and uvicorn reads the request, the parts that are uvicorn's own affair are left out for both.",
    "",
    `| | input | ${HEADINGS.join(" | ")} |`,
    `| --- | --- | ${HEADINGS.map(() => ":-:").join(" | ")} |`,
    ...played.map(({ id, what }) => `| ${id} | ${what} | ${boards.map((board) => mark(board.get(id))).join(" | ")} |`),
    `| | failures | ${boards.map((board) => played.filter(({ id }) => board.get(id).fails).length).join(" | ")} |`,
    "",
    "## What failed",
    "",
    ...played.flatMap(({ id }) => FACES.flatMap((face, n) => (boards[n].get(id).fails ? [`- ${id}, ${face}: ${oneLine(boards[n].get(id).fails)}`] : []))),
    "",
    "## Played elsewhere",
    "",
    ...INPUTS.filter(({ elsewhere }) => elsewhere).map(({ id, what, elsewhere }) => `- ${id}, ${what}: ${elsewhere}.`),
    "",
  ];
  return lines.join("\n");
}

function mark({ fails, skips }) {
  return fails ? "–" : skips ? "n/a" : "+";
}

function oneLine(text) {
  return text.split("\n")[0].replaceAll(/[^ -~é]/g, "?").slice(0, 200);
}

function versionOf(name) {
  return JSON.parse(readFileSync(here(`../node_modules/${name}/package.json`))).version;
}
