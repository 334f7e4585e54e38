// Clients against one server: node tests/clients/run.mjs --client rust --face socketio [--filter words] [--verbose]
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { findFace, startFace } from "../harness/face.mjs";
import { Report } from "../harness/report.mjs";
import { findProgram, Program } from "./programs.mjs";

const { values: options } = parseArgs({
  options: {
    face: { type: "string", default: "socketio" },
    dialect: { type: "string" },
    client: { type: "string", default: "rust" },
    filter: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});

const WAYS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

/** What a scenario has at hand. */
class Stage {
  #face;
  #server;

  constructor(face, server, program, way) {
    this.#face = face;
    this.#server = server;
    this.program = program;
    this.way = way;
    this.transports = WAYS[way];
  }

  /** A client that begins to connect, by the way that is played. */
  client(namespace = "/", options = {}) {
    const url = `http://127.0.0.1:${this.#server.port}`;
    return this.program.client({ url, namespace, transports: this.transports, delay: [20, 200], ...options });
  }

  /** One that is connected. */
  async connected(namespace, options) {
    const client = this.client(namespace, options);
    await client.next("connect");
    return client;
  }

  get server() {
    return this.#server;
  }

  /** Killed, not stopped: nobody is told. */
  async kill() {
    process.kill(this.#server.pid, "SIGKILL");
    await this.#server.exited;
  }

  /** At the same port. */
  async startAgain() {
    this.#server = await startFace(this.#face, "calm", this.#server.port);
  }
}

const face = findFace(options.face, options.dialect);
const found = findProgram(options.client);
const report = new Report(options.verbose);
const files = readdirSync(new URL("scenarios", import.meta.url)).sort();
let server = await startFace(face);
let program;
for (const way of Object.keys(WAYS)) {
  for (const file of files) {
    const { default: scenarios, needs = {}, differs = {} } = await import(new URL(`scenarios/${file}`, import.meta.url));
    for (const [name, play] of Object.entries(scenarios)) {
      const title = `clients: ${options.client} by ${way}: ${name}`;
      if (!title.includes(options.filter)) continue;
      program ??= await new Program(found).ready();
      const missing = (needs[name] ?? []).find((word) => program.cannot.includes(word));
      if (missing) {
        report.skip(title, `this client has no ${missing}`);
        continue;
      }
      const why = differs[name]?.[options.client];
      if (why) {
        report.skip(title, why);
        continue;
      }
      const stage = new Stage(face, server, program, way);
      let good = false;
      await report.test(title, async () => {
        await play(stage);
        good = true;
      });
      server = stage.server;
      if (good) continue;
      // What a failed one has left behind is nobody else's concern.
      await program.kill();
      program = undefined;
      if (!server.running()) server = await startFace(face, "calm", server.port);
    }
  }
}
if (program) {
  await report.test(`clients: ${options.client} ends by itself`, async () => {
    const end = await program.end();
    if (end !== 0) throw new Error(`it ended with ${end}`);
  });
}
await server.stop();
process.exit(report.close(`${options.client} and ${face.name}`));
