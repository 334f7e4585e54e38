// The network of link.py, and a face at its other end.
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startFace } from "../harness/face.mjs";

/** The clients' addresses: faults can be had by one and not by the other. */
export const HONEST = "10.203.77.1";
export const UNLUCKY = "10.203.77.9";
const SERVER = "10.203.77.100";

/** Why there can be no link here, or null. */
export function missing() {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid() !== 0) return "a network namespace and a TUN device need root";
  for (const tool of ["ip", "nsenter", "python3"]) {
    if (spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0) return `${tool} is not here`;
  }
  const tried = spawnSync("python3", [fileURLToPath(new URL("link.py", import.meta.url))], { input: "", encoding: "utf8" });
  return tried.status === 0 ? null : tried.stderr.trim();
}

export class Link {
  #process;
  #lines;

  static async start() {
    const link = new Link();
    link.#process = spawn("python3", [fileURLToPath(new URL("link.py", import.meta.url))], { stdio: ["pipe", "pipe", "inherit"] });
    link.#lines = createInterface({ input: link.#process.stdout })[Symbol.asyncIterator]();
    await link.#said("ready");
    return link;
  }

  /** Starts a face at the other end. Its `at(address)` is where it is for a client with that address. */
  async serve(face, profile) {
    const there = ["nsenter", `--net=/proc/${this.#process.pid}/ns/net`, "--"];
    const server = await startFace({ ...face, command: () => [...there, ...face.command()], env: { ...face.env, FERRIO_TEST_HOST: "0.0.0.0" } }, profile);
    return { ...server, at: (localAddress) => ({ host: SERVER, port: server.port, localAddress }) };
  }

  /** From now on packets of `client` suffer `up` on their way to the server and `down` on their way from it. */
  async suffer(client, { up = {}, down = {} }) {
    this.#process.stdin.write(`${JSON.stringify({ client, up, down })}\n`);
    await this.#said("done");
  }

  async stop() {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin.end();
    await ended;
  }

  async #said(word) {
    const { value } = await this.#lines.next();
    if (value !== word) throw new Error(`the link said ${value} and not ${word}`);
  }
}
