// The honest client that must not notice an attack: it emits numbered events and checks that each is answered, in order. It
// lives on a thread of its own, for the attacker keeps his busy.
import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { openWebSocket } from "../harness/websocket.mjs";
import { eventOf, packet } from "./msgpack.mjs";

const EVERY = 40; // ms between two events
const PATIENCE = 20_000; // ms for an answer: as long as an honest client waits for a sign of life

/** Starts a bystander of the server on `port`; `msgpack` where the server speaks that. */
export async function standBy(port, msgpack = false) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { port, msgpack } });
  const ask = async (question) => {
    worker.postMessage(question);
    const [{ error, ...answer }] = await once(worker, "message");
    if (error) throw new Error(error);
    return answer;
  };
  await ask("start");
  // Waits until all that was emitted so far is answered. Gives the slowest answer since the last time, in ms.
  return { check: async () => (await ask("check")).slowest, stop: () => worker.terminate() };
}

class Bystander {
  #json = { connect: "40", echo: (n) => `42${JSON.stringify(["echo", n])}` };
  #msgpack = { connect: packet({ type: 0, nsp: "/" }), echo: (n) => packet({ type: 2, nsp: "/", data: ["echo", n] }) };
  #socket;
  #sent = []; // the moments of those that wait for their answer
  #answered = 0;
  #slowest = 0;
  #wrong = null;

  async start({ port, msgpack }) {
    const words = msgpack ? this.#msgpack : this.#json;
    let connected;
    const welcome = new Promise((resolve) => (connected = resolve));
    const onItem = (item) => {
      if (item.closed !== undefined) this.#wrong ??= `its connection was closed (${item.closed})`;
      else if (item.text === "2") this.#socket.send("3");
      else if (item.text?.[0] === "0") this.#socket.send(words.connect);
      else this.#take(msgpack ? item.binary && eventOf(item.binary) : eventOfText(item.text), connected);
    };
    const { socket, refused } = await openWebSocket(port, "/socket.io/?EIO=4&transport=websocket", { onItem: (item) => setImmediate(onItem, item) });
    if (refused) throw new Error(`it was refused with ${refused.status}`);
    this.#socket = socket;
    await Promise.race([welcome, pause(PATIENCE).then(() => Promise.reject(new Error("it was not let in")))]);
    setInterval(() => {
      this.#sent.push(Date.now());
      socket.send(words.echo(this.#answered + this.#sent.length - 1));
    }, EVERY);
  }

  #take(event, connected) {
    if (event?.[0] === "auth") return connected();
    if (event?.[0] !== "echo") return;
    if (event[1] !== this.#answered) this.#wrong ??= `it got ${event[1]} where ${this.#answered} was due`;
    this.#slowest = Math.max(this.#slowest, Date.now() - this.#sent.shift());
    this.#answered++;
  }

  async check() {
    const due = this.#answered + this.#sent.length;
    for (const end = Date.now() + PATIENCE; this.#answered < due && !this.#wrong && Date.now() < end; ) await pause(5);
    if (this.#answered < due) this.#wrong ??= `it had no answer for ${PATIENCE} ms`;
    if (this.#wrong) throw new Error(`the bystander: ${this.#wrong}`);
    const slowest = this.#slowest;
    this.#slowest = 0;
    return { slowest };
  }
}

const eventOfText = (text) => (text?.startsWith("42[") ? JSON.parse(text.slice(2)) : undefined);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

if (workerData?.port) {
  const bystander = new Bystander();
  parentPort.on("message", async (question) => {
    try {
      parentPort.postMessage((await (question === "start" ? bystander.start(workerData) : bystander.check())) ?? {});
    } catch (error) {
      parentPort.postMessage({ error: error.message });
    }
  });
}
