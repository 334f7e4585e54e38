// One program on the original and on ferrio: their transcripts must be the same, line by line.
//
// The program is run in two projects, whose node_modules differ in nothing but what stands under one name.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * A suite of all programs in a folder.
 *
 * @param source - the folder; a `differences.mjs` in it is no program. `programs/support.mjs` is beside each program
 * @param name - of the package that is replaced
 * @param replacement - lays out, in an empty folder, what stands there instead; gives its path
 * @param differences - what may differ; each entry names the row of DIFFERENCES.md that gives the reason
 */
export function compare(title, { source, name, replacement, differences, skip }) {
  const programs = readdirSync(source)
    .filter((file) => !["support.mjs", "differences.mjs"].includes(file) && /\.[cm]js$/.test(file))
    .sort();
  const place = mkdtempSync(join(tmpdir(), "ferrio-programs-"));
  const [original, ours] = ["original", "ferrio"].map((folder) => join(place, folder));

  describe(title, { concurrency: 2, skip }, () => {
    before(() => {
      project(original, source, name, join(root, "node_modules", name));
      const folder = join(place, "replacement");
      mkdirSync(folder);
      project(ours, source, name, replacement(folder));
    });
    after(() => rmSync(place, { recursive: true }));

    for (const program of programs) {
      test(program, async () => {
        const [expected, actual] = await Promise.all([run(original, program), run(ours, program)]);
        assert.match(expected, /== ended: 0\n$/, "the original itself must come to its end");
        let translated = actual;
        for (const difference of differences.filter((difference) => difference.program === program)) {
          assert.ok(translated.includes(difference.ferrio), `is no longer different, or otherwise:\n${actual}`);
          translated = translated.replaceAll(difference.ferrio, difference[name] ?? difference.socketio);
        }
        assert.equal(translated, expected);
      });
    }

    test("every difference has its reason in DIFFERENCES.md, and a program", () => {
      const reasons = readFileSync(join(root, "DIFFERENCES.md"), "utf8");
      for (const { program, row } of differences) {
        assert.ok(reasons.includes(row), `DIFFERENCES.md says nothing of: ${row}`);
        assert.ok(programs.includes(program), program);
      }
    });
  });
}

/** A project in `folder` with the programs, our dependencies, and the package at `target` in its place. */
function project(folder, source, replaced, target) {
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".") && name !== replaced) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  symlinkSync(target, join(modules, replaced));
  cpSync(join(root, "test", "programs", "support.mjs"), join(folder, "support.mjs"));
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
