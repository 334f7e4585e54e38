// The clients of npm, versions 4 and 2, against one face: node tests/interop/run.mjs --face socketio [--filter text]
import { parseArgs } from "node:util";
import { findFace, startFace } from "../harness/face.mjs";
import { Report } from "../harness/report.mjs";
import { cases } from "./cases.mjs";
import { packed, version2, version4 } from "./clients.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "socketio" },
    dialect: { type: "string" },
    filter: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});

const face = findFace(options.face, options.dialect);
// Python's original does not let clients of version 2 in, and ferrio's Python does not promise it.
const clients = face.dialect === "node" ? [version4, version2] : [version4];
if (face.msgpack) clients.push(packed);
const report = new Report(options.verbose);

for (const client of clients) {
  const server = await startFace(face, client.profile);
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    for (const [name, body] of Object.entries(cases)) {
      const title = `interop: ${client.name} by ${transports.length > 1 ? "upgrade" : transports[0]}: ${name}`;
      if (!title.includes(options.filter)) continue;
      const stage = client.stage(server, transports, face);
      await report.test(title, () => withDeadline(body(stage)).finally(() => stage.clear()));
    }
  }
  await server.stop();
}
process.exit(report.close(face.name));

function withDeadline(work) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it took more than 20 s")), 20_000)));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
