// The outcome of a soak as a page.
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { slope } from "./vitals.mjs";

/** A table of all faces, and how each one's memory went. */
export function table(outcomes, { seconds, warm, rate, residents }) {
  const rows = outcomes.map((outcome) => {
    const { face, lives, heard, before, after, samples, faults } = outcome;
    const judged = samples.filter(({ at }) => at >= warm * 1000);
    return [
      face,
      lives,
      heard,
      faults.length,
      `${mib(judged[0]?.memory)} → ${mib(samples.at(-1)?.memory)}`,
      slope(judged, "memory").toFixed(2),
      heap(face, judged, samples),
      `${before.descriptors} / ${after.descriptors}`,
      `${before.tasks} / ${after.tasks}`,
      `${before.connections} / ${after.connections}`,
      `${(after.cpu - before.cpu).toFixed(0)} s`,
    ];
  });
  const head = ["face", "lives", "heard in order", "faults", "memory, MiB", "MiB an hour", "heap", "descriptors", "tasks", "connections", "CPU"];
  return `${[
    "# Soak",
    "",
    `\`make soak SECONDS=${seconds}\` at ${commit()}, ${new Date().toISOString().slice(0, 16)} UTC, on ${cpus().length} × ${cpus()[0].model}:`,
    `${rate} lives a second on each face, ${residents} residents. Memory is private bytes after the first ${warm} s; its slope is that of the`,
    "floor (see vitals.mjs). Descriptors, tasks and connections: before the first client, and after the last.",
    "",
    row(head),
    row(head.map(() => "---")),
    ...rows.map(row),
    "",
    "Memory over time, MiB, in twelfths:",
    "",
    ...outcomes.map(({ face, samples }) => `- ${face}: ${course(samples)}`),
  ].join("\n")}\n`;
}

/** What the host language says of itself, at the begin and the end of what is judged. */
function heap(face, judged, samples) {
  const [first, last] = [judged[0]?.heap, samples.at(-1)?.heap];
  if (first == null || last == null) return "–";
  return face.startsWith("python") ? `${first} → ${last} blocks` : `${mib(first)} → ${mib(last)} MiB`;
}

function course(samples) {
  return Array.from({ length: 12 }, (_, n) => samples[Math.floor((n * (samples.length - 1)) / 11)])
    .map((one) => mib(one?.memory))
    .join(" ");
}

function commit() {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", cwd: new URL(".", import.meta.url) }).trim();
  } catch {
    return "an unknown commit";
  }
}

const mib = (bytes) => (bytes === undefined ? "–" : (bytes / (1 << 20)).toFixed(1));
const row = (cells) => `| ${cells.join(" | ")} |`;
