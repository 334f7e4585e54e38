// ferrio's own clients against one server: node tests/clients/run.mjs --face socketio [--client rust]
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findFace, startFace } from "../harness/face.mjs";
import { Report } from "../harness/report.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "socketio" },
    dialect: { type: "string" },
    client: { type: "string", default: "rust" },
    verbose: { type: "boolean", default: false },
  },
});

// Each plays its cases against the port it is given, and says how they went.
const CLIENTS = { rust: () => [rust(), []] };

const face = findFace(options.face, options.dialect);
const report = new Report(options.verbose);
let server = await startFace(face);
const [program, args] = CLIENTS[options.client]();
const client = spawn(program, [...args, String(server.port)], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((resolve) => client.once("close", (code, signal) => resolve(signal ?? code)));

let played = 0;
for await (const line of createInterface({ input: client.stdout })) {
  if (line === "restart") {
    server = await restarted(server);
    client.stdin.write("restarted\n");
    continue;
  }
  // The way, the case and, if it failed, the reason.
  const [, outcome, name, why] = line.match(/^(ok|failed) (\w+: [\w ]+)(?:: (.*))?$/) ?? [];
  if (!outcome) throw new Error(`the client says ${JSON.stringify(line)}`);
  played++;
  await report.test(`clients: ${options.client} by ${name}`, async () => {
    if (outcome === "failed") throw new Error(why ?? line);
  });
}
await report.test(`clients: ${options.client} plays to its end`, async () => {
  const end = await ended;
  if (end !== 0 || played === 0) throw new Error(`it ended with ${end} after ${played} cases`);
});
await server.stop();
process.exit(report.close(face.name));

/** Killed, not stopped: nobody is told. */
async function restarted({ pid, port, exited }) {
  process.kill(pid, "SIGKILL");
  await exited;
  return startFace(face, "calm", port);
}

/** The newest build of core/ferrio/examples/clients.rs. */
function rust() {
  if (process.env.FERRIO_TEST_RUST_CLIENT) return process.env.FERRIO_TEST_RUST_CLIENT;
  const target = fileURLToPath(new URL("../../target", import.meta.url));
  const built = (existsSync(target) ? readdirSync(target) : [])
    .map((profile) => `${target}/${profile}/examples/ferrio-clients`)
    .filter((path) => existsSync(path))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (!built.length) throw new Error("the Rust client is not built: no target/*/examples/ferrio-clients");
  return built[0];
}
