// A Node client that does what it is told: commands on stdin, what happens on stdout. What the words mean stands in ../README.md.
//
// FERRIO_TEST_MODULE names the client: ferrio/client, or socket.io-client, whose program is the same text.
const { createInterface } = require("node:readline");
const { join } = require("node:path");

const module_ = process.env.FERRIO_TEST_MODULE ?? "ferrio/client";
const ours = module_ === "ferrio/client";
const bindings = join(__dirname, "../../../bindings-node");
const { Manager } = require(ours ? join(bindings, "dist/client/index.js") : require.resolve(module_, { paths: [bindings] }));

/** Options of a command `client` that this program knows. */
const KNOWN = new Set(
  (
    "do client url namespace transports auth query headers path timeout reconnection attempts delay retries ackTimeout " +
    "recovery share"
  ).split(" "),
);
const clients = new Map();
const questions = new Map();
let lastQuestion = 0;

function tell(client, event, more) {
  process.stdout.write(`${JSON.stringify({ client, event, ...more })}\n`);
}

const COMMANDS = {
  client(command) {
    const unknown = Object.keys(command).find((name) => !KNOWN.has(name));
    if (unknown !== undefined) throw new Error(`no option ${unknown}`);
    const { client: name, namespace = "/", share, auth, retries, ackTimeout } = command;
    const manager = share === undefined ? connection(name, command) : clients.get(share).io;
    const socket = manager.socket(namespace, { auth, retries, ackTimeout });
    clients.set(name, socket);
    socket.on("connect", () => tell(name, "connect", { id: socket.id, recovered: socket.recovered === true }));
    socket.on("connect_error", (error) => {
      const refused = !socket.active;
      tell(name, "connect_error", { message: error.message, refused, ...(error.data !== undefined && { data: encode(error.data) }) });
    });
    socket.on("disconnect", (reason) => tell(name, "disconnect", { reason }));
    socket.onAny((...args) => hear(name, args));
    socket.connect();
  },
  auth({ client, auth }) {
    clients.get(client).auth = auth;
  },
  emit({ client, args, volatile }) {
    const socket = clients.get(client);
    (volatile ? socket.volatile : socket).emit(...decode(args));
  },
  ask({ client, args, ask, timeout }) {
    const socket = clients.get(client);
    const answered = (answer) => tell(client, "answer", { ask, ...answer });
    (timeout === undefined ? socket : socket.timeout(timeout)).emit(
      ...decode(args),
      withError((error, ...answer) => answered(error ? { error: WORDS[error.message] } : { args: encode(answer) })),
    );
  },
  answer({ asked, args }) {
    questions.get(asked)(...decode(args));
    questions.delete(asked);
  },
  replies({ client, event, args }) {
    const socket = clients.get(client);
    socket.replies ??= new Map();
    socket.replies.set(event, decode(args));
  },
  disconnect({ client }) {
    clients.get(client).disconnect();
  },
  connect({ client }) {
    clients.get(client).connect();
  },
  break({ client }) {
    clients.get(client).io.engine.close();
  },
  state({ client }) {
    const socket = clients.get(client);
    const { engine } = socket.io;
    global.gc?.();
    tell(client, "state", {
      connected: socket.connected,
      active: socket.active,
      id: socket.id ?? null,
      transport: engine?.readyState === "open" ? engine.transport.name : null,
      buffered: socket.sendBuffer.length + (socket._queue?.length ?? 0) + (engine?.writeBuffer.length ?? 0),
      memory: process.memoryUsage().rss,
    });
  },
  end() {
    for (const socket of clients.values()) socket.disconnect();
    process.stdin.destroy();
  },
};

/** What a question's callback is told when nobody answers. */
const WORDS = { "operation has timed out": "timeout", "socket has been disconnected": "disconnected" };

/** A callback that gets an error first, also without a timeout: as that of a promise does. */
function withError(callback) {
  callback.withError = true;
  return callback;
}

/** A connection, of which its first client tells. */
function connection(name, command) {
  const { url, transports, query, headers, path, timeout, reconnection, attempts, delay = [1000, 5000] } = command;
  const manager = new Manager(url, {
    autoConnect: false,
    transports,
    query,
    extraHeaders: headers,
    path,
    timeout,
    reconnection,
    reconnectionAttempts: attempts,
    reconnectionDelay: delay[0],
    reconnectionDelayMax: delay[1],
    randomizationFactor: 0,
  });
  manager.on("reconnect_attempt", (attempt) => tell(name, "reconnect_attempt", { attempt }));
  manager.on("reconnect", (attempt) => tell(name, "reconnect", { attempt }));
  manager.on("reconnect_failed", () => tell(name, "reconnect_failed"));
  manager.on("open", () => manager.engine.once("upgrade", () => tell(name, "upgrade")));
  return manager;
}

function hear(name, args) {
  const socket = clients.get(name);
  const done = typeof args.at(-1) === "function" ? args.pop() : undefined;
  const reply = socket.replies?.get(args[0]);
  let asked;
  if (done !== undefined && reply !== undefined) {
    done(...reply);
  } else if (done !== undefined) {
    asked = ++lastQuestion;
    questions.set(asked, done);
  }
  tell(name, "message", { args: encode(args), ...(asked !== undefined && { asked }) });
}

/** Bytes are `{"$bytes": BASE64}`. */
function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decode(each)]));
}

function encode(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("base64") };
  if (Array.isArray(value)) return value.map((each) => (each === undefined ? null : encode(each)));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each)]));
}

process.stdout.write(`${JSON.stringify({ ready: true, cannot: [] })}\n`);
createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (COMMANDS[command.do] === undefined) throw new Error(`no command ${command.do}`);
  COMMANDS[command.do](command);
});
