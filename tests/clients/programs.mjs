// The client programs by name, and how one is talked to. What they must do stands in README.md.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// `original`: it judges the scenarios and is not judged.
const PROGRAMS = {
  rust: { command: () => [rust()] },
  node: { command: () => ["node", "--expose-gc", here("programs/node.cjs")], env: { FERRIO_TEST_MODULE: "ferrio/client" } },
  python: { command: () => [python(), here("programs/python.py")], env: { FERRIO_TEST_MODULE: "ferrio" } },
  "python-sync": { command: () => [python(), here("programs/python_sync.py")], env: { FERRIO_TEST_MODULE: "ferrio" } },
  "socket.io-client": {
    command: () => ["node", "--expose-gc", here("programs/node.cjs")],
    env: { FERRIO_TEST_MODULE: "socket.io-client" },
    original: true,
  },
  "python-socketio": {
    command: () => [python(), here("programs/python.py")],
    env: { FERRIO_TEST_MODULE: "socketio" },
    original: true,
  },
};

/** What should come has this long to come. */
const PATIENCE = 20_000;

/** The program called `name`. */
export function findProgram(name) {
  if (PROGRAMS[name]) return { name, ...PROGRAMS[name] };
  throw new Error(`no client program ${name}; it is one of ${Object.keys(PROGRAMS).join(", ")}`);
}

/** A client program that runs. */
export class Program {
  #child;
  #actors = new Map();
  #ended;
  #ready;
  #lastName = 0;
  cannot = [];

  constructor({ command, env = {} }) {
    const [program, ...args] = command();
    this.#child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "inherit"] });
    // Its end is what tells; a pipe that is broken then says nothing new.
    this.#child.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) => this.#child.once("close", (code, signal) => resolve(signal ?? code)));
    this.#ready = new Promise((resolve, reject) => {
      this.#listen(resolve);
      this.#ended.then((end) => reject(new Error(`the client program ended with ${end}`)));
    });
    this.#ready.catch(() => {});
    this.#ended.then((end) => this.#actors.forEach((actor) => actor._ended(end)));
  }

  async #listen(ready) {
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const happening = JSON.parse(line);
      if (happening.ready) {
        this.cannot = happening.cannot;
        ready();
      } else {
        const { client, ...rest } = happening;
        const actor = this.#actors.get(client);
        if (!actor) throw new Error(`the client program tells of ${client}: ${line}`);
        actor._happened(rest);
      }
    }
  }

  get pid() {
    return this.#child.pid;
  }

  async ready() {
    await this.#ready;
    return this;
  }

  /** A client that begins to connect. */
  client(options) {
    const name = `c${++this.#lastName}`;
    const actor = new Actor(name, (command) => this.send(command));
    this.#actors.set(name, actor);
    const { share, ...rest } = options;
    this.send({ do: "client", client: name, ...rest, ...(share && { share: share.name }) });
    return actor;
  }

  send(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** Ends it as a program ends by itself; gives its status. */
  async end() {
    this.send({ do: "end" });
    return within(this.#ended, "the program ends");
  }

  /** Ends it in any case. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** One client of a program. */
class Actor {
  #send;
  #happened = [];
  #waiting = [];
  #lastAsk = 0;

  constructor(name, send) {
    this.name = name;
    this.#send = send;
  }

  #tell(what, rest = {}) {
    this.#send({ do: what, client: this.name, ...rest });
  }

  emit(...args) {
    this.#tell("emit", { args });
  }

  volatile(...args) {
    this.#tell("emit", { args, volatile: true });
  }

  /** The server's answer; an error called `timeout` or `disconnected` if there is none. */
  async ask(...args) {
    return this.askWithin(undefined, ...args);
  }

  async askWithin(timeout, ...args) {
    const ask = ++this.#lastAsk;
    this.#tell("ask", { ask, args, ...(timeout !== undefined && { timeout }) });
    const answer = await this.next("answer", (happening) => happening.ask === ask);
    if (answer.error) throw Object.assign(new Error(answer.error), { code: answer.error });
    return answer.args;
  }

  answer(asked, ...args) {
    this.#tell("answer", { asked, args });
  }

  replies(event, ...args) {
    this.#tell("replies", { event, args });
  }

  disconnect() {
    this.#tell("disconnect");
  }

  connect() {
    this.#tell("connect");
  }

  break() {
    this.#tell("break");
  }

  auth(auth) {
    this.#tell("auth", { auth });
  }

  async state() {
    this.#tell("state");
    return this.next("state");
  }

  /** The next thing of this kind that happens (or has happened and was not taken yet). */
  next(event, matches = () => true) {
    const fits = (happening) => happening.event === event && matches(happening);
    const index = this.#happened.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.#happened.splice(index, 1)[0]);
    const came = new Promise((resolve, reject) => this.#waiting.push({ fits, resolve, reject }));
    return within(came, `${this.name} gets ${event}`, () => `; it had ${JSON.stringify(this.#happened).slice(0, 600)}`);
  }

  /** The arguments of the next event of this name. */
  async message(name) {
    const { args } = await this.next("message", (happening) => happening.args[0] === name);
    return args.slice(1);
  }

  /** What has happened and was not taken. */
  seen(event) {
    return this.#happened.filter((happening) => happening.event === event);
  }

  _happened(happening) {
    const index = this.#waiting.findIndex(({ fits }) => fits(happening));
    if (index < 0) this.#happened.push(happening);
    else this.#waiting.splice(index, 1)[0].resolve(happening);
  }

  _ended(end) {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the client program ended with ${end}`));
  }
}

async function within(promise, what, more = () => "") {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it does not come that ${what}${more()}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The newest build of core/ferrio/examples/clients.rs. */
function rust() {
  if (process.env.FERRIO_TEST_RUST_CLIENT) return process.env.FERRIO_TEST_RUST_CLIENT;
  const target = here("../../target");
  const built = (existsSync(target) ? readdirSync(target) : [])
    .map((profile) => `${target}/${profile}/examples/ferrio-clients`)
    .filter((path) => existsSync(path))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (!built.length) throw new Error("the Rust client is not built: no target/*/examples/ferrio-clients");
  return built[0];
}

function python() {
  return process.env.FERRIO_TEST_PYTHON ?? here("../../.venv/bin/python");
}
