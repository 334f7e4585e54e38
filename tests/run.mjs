// Plays the scenario files against one face: node tests/run.mjs --face socketio [--filter text] [--suite hostile]
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { findFace, startFace } from "./harness/face.mjs";
import { loadScenarios } from "./harness/load.mjs";
import { play } from "./harness/play.mjs";
import { Report } from "./harness/report.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "socketio" },
    dialect: { type: "string" },
    filter: { type: "string", default: "" },
    suite: { type: "string", multiple: true, default: ["scenarios", "conformance", "hostile"] },
    jobs: { type: "string", default: "6" },
    verbose: { type: "boolean", default: false },
  },
});

const face = findFace(options.face, options.dialect);
const report = new Report(options.verbose);
const scenarios = options.suite
  .flatMap((suite) => loadScenarios(fileURLToPath(new URL(suite, import.meta.url)), face))
  .filter(({ topic, name }) => `${topic}: ${name}`.includes(options.filter));

for (const [profile, group] of groupBy(scenarios)) {
  await playAll(group, await startFace(face, profile), profile);
}
process.exit(report.close(face.name));

/** Side by side, for each has its own connections; those marked `alone` one by one afterwards. */
async function playAll(group, server, profile) {
  // A server under an ASGI server starts its engine with the first request; that is no leak.
  await fetch(`http://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=polling`, { headers: { connection: "close" } });
  const before = server.descriptors();
  report.failedInRow = 0;
  const together = group.filter(({ alone }) => !alone);
  const next = together.values();
  await Promise.all(Array.from({ length: Number(options.jobs) }, async () => {
    for (const scenario of next) await one(scenario, server);
  }));
  for (const scenario of group.filter(({ alone }) => alone)) await one(scenario, server);

  await report.test(`${profile} server: no descriptor is left`, () => settles(server, before));
  await report.test(`${profile} server: nothing was thrown or panicked, and it ends when told`, async () => {
    if (!server.running()) throw new Error(`it is gone\n${server.errors()}`);
    await server.stop();
    if (/panicked|Uncaught|UnhandledPromiseRejection/.test(server.errors())) throw new Error(server.errors());
  });
}

async function one(scenario, server) {
  const title = `${scenario.topic}: ${scenario.name}`;
  if (report.failedInRow >= 20) return report.skip(title, "the server fails in everything");
  if (scenario.skip) return report.skip(title, scenario.skip);
  await report.test(title, () => play(scenario, server));
}

async function settles(server, before) {
  for (const end = Date.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const now = server.descriptors();
    if (now <= before + 3) return;
    if (Date.now() > end) throw new Error(`${before} descriptors before, ${now} after`);
  }
}

function groupBy(all) {
  const groups = new Map();
  for (const scenario of all) groups.set(scenario.server, [...(groups.get(scenario.server) ?? []), scenario]);
  return groups;
}
