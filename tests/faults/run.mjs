// A server on a bad network: node tests/faults/run.mjs --face rust [--long] [--filter text] [--verbose]
import { parseArgs } from "node:util";
import { findFace } from "../harness/face.mjs";
import { Report } from "../harness/report.mjs";
import { cuts } from "./cuts.mjs";
import { missing } from "./link.mjs";
import { log } from "./log.mjs";
import { losses } from "./losses.mjs";
import { slices } from "./slices.mjs";
import { vanished } from "./vanished.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "socketio" },
    filter: { type: "string", default: "" },
    long: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

const face = findFace(options.face);
const report = new Report(options.verbose);
const noLink = missing();
if (noLink) console.log(`${face.name}: no network namespaces, so lost, late and overtaking packets are not tested: ${noLink}`);

const OVER_THE_LINK = {
  "packets that are lost, late and overtaken: order is kept, also across the upgrade (F-03)": losses,
  "a peer that is there no more is noticed, and nobody else is (F-01, F-02)": vanished,
};
const ANYWHERE = {
  "segments of a few bytes change nothing (F-03)": slices,
  "a reset at any byte ends one connection once and leaves nothing (F-04)": cuts,
  "a log that cannot be written is no reason to end (F-17)": log,
};

// There is one link, so what needs it goes one by one; the others go beside it, each with a server of its own.
await Promise.all([oneByOne(OVER_THE_LINK, noLink), oneByOne(ANYWHERE, null)]);
process.exit(report.close(face.name));

async function oneByOne(tests, lacks) {
  for (const [title, test] of Object.entries(tests)) {
    if (!title.includes(options.filter)) continue;
    if (lacks) report.skip(title, lacks);
    else await report.test(title, () => test(face, options.long));
  }
}
