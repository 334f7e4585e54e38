// What clients may cost, what a program may do to them, and how a server ends: node tests/limits/run.mjs --face node
//
// All of it is ferrio's own: the originals have no such limits, and no such end.
import { parseArgs } from "node:util";
import { findFace } from "../harness/face.mjs";
import { Report } from "../harness/report.mjs";
import * as drain from "./drain.mjs";
import * as files from "./files.mjs";
import * as frozen from "./frozen.mjs";
import * as slow from "./slow.mjs";
import * as stuck from "./stuck.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "node" },
    filter: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});

/** What should come has so long to come, on top of what a program stands still; nothing is asserted about time. */
const PATIENCE = 60_000 + Number(process.env.FERRIO_TEST_STUCK ?? 0);

const face = findFace(options.face);
const report = new Report(options.verbose);
for (const { title, faces, play } of [drain, stuck, frozen, slow, files]) {
  if (!title.includes(options.filter)) continue;
  if (faces(face)) await report.test(`limits: ${title}`, () => play(face, within));
  else report.skip(`limits: ${title}`, "not of this face");
}
process.exit(report.close(face.name));

function within(work, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), PATIENCE);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
