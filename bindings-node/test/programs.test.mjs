// The same programs on socket.io and on ferrio: their transcripts must be the same, line by line.
//
// Every program in programs/ imports "socket.io". It is run in two projects, whose node_modules differ in nothing but what
// stands under that name. What may differ is listed in programs/differences.mjs, and each entry there names the row of
// DIFFERENCES.md that gives the reason.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DIFFERENCES } from "./programs/differences.mjs";
import { isOriginal } from "./support.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "test", "programs");
const programs = readdirSync(source)
  .filter((name) => !["support.mjs", "differences.mjs"].includes(name) && /\.[cm]js$/.test(name))
  .sort();

const place = mkdtempSync(join(tmpdir(), "ferrio-programs-"));
const [original, ours] = ["socket.io", "ferrio"].map((name) => join(place, name));

/** A project in `folder` with the programs, our dependencies, and `socket.io` at `target`. */
function project(folder, target) {
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  rmSync(join(modules, "socket.io"));
  symlinkSync(target, join(modules, "socket.io"));
  cpSync(source, folder, { recursive: true });
  cpSync(join(root, "test", "tls"), join(folder, "tls"), { recursive: true });
}

/** Runs a program to its end; gives what it printed and how it ended. */
function run(folder, program) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8");
      child[stream].on("data", (text) => {
        output[stream] += text;
      });
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve(`${output.stdout}${output.stderr && `== stderr\n${output.stderr}`}== ended: ${code ?? signal}\n`);
    });
  });
}

describe("programs", { concurrency: 2, skip: isOriginal && "they are compared with it anyway" }, () => {
  before(() => {
    project(original, join(root, "node_modules", "socket.io"));
    project(ours, root);
  });
  after(() => rmSync(place, { recursive: true }));

  for (const program of programs) {
    test(program, async () => {
      const [expected, actual] = await Promise.all([run(original, program), run(ours, program)]);
      assert.match(expected, /== ended: 0\n$/, "the original itself must come to its end");
      let translated = actual;
      for (const difference of DIFFERENCES.filter((difference) => difference.program === program)) {
        const { socketio, ferrio } = difference;
        assert.ok(translated.includes(ferrio), `is no longer different, or otherwise:\n${ferrio}\n\n${actual}`);
        translated = translated.replaceAll(ferrio, socketio);
      }
      assert.equal(translated, expected);
    });
  }

  test("every difference has its reason in DIFFERENCES.md, and a program", () => {
    const reasons = readFileSync(join(root, "DIFFERENCES.md"), "utf8");
    for (const { program, row } of DIFFERENCES) {
      assert.ok(reasons.includes(row), `DIFFERENCES.md says nothing of: ${row}`);
      assert.ok(programs.includes(program), program);
    }
  });
});
