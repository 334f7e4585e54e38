// Plays one scenario: its steps in order, with the peers, remembered texts and requests in flight that belong to it.
import { connect } from "node:net";
import { exchange, send as request } from "./http.mjs";
import { data, fill, match, show } from "./match.mjs";
import { Peer } from "./peer.mjs";
import { encodeFrame } from "./websocket.mjs";

const DEADLINE = 8000; // for anything that should come at once; generous, for the machine may be busy
const PREFIX = "/socket.io/";

export async function play(scenario, server) {
  const stage = new Stage(scenario, server);
  try {
    const bystander = scenario.bystander ? await stage.join("bystander") : null;
    await stage.run(scenario.steps);
    if (bystander) await stage.answersEcho("bystander");
    if (!server.running()) throw new Error("the server is gone");
  } finally {
    stage.clear();
  }
}

class Stage {
  vars = {};
  peers = new Map();
  requests = new Map();
  candidates = new Map(); // WebSockets that probe and have not taken over

  constructor(scenario, server) {
    this.scenario = scenario;
    this.server = server;
  }

  async run(steps) {
    for (const step of steps) {
      try {
        await this.step(typeof step === "string" ? { [step]: true } : step);
      } catch (error) {
        throw new Error(`${error.message}\n    at ${show(step)}`, { cause: error });
      }
    }
  }

  async step(step) {
    if (step.use) return this.run(this.scenario.define[step.use]);
    const verb = Object.keys(step).find((key) => key in VERBS);
    if (!verb) throw new Error("no such step");
    await VERBS[verb](this, step[verb], step);
  }

  peer({ as = "a" }) {
    const peer = this.peers.get(as);
    if (!peer) throw new Error(`nobody is called ${as}`);
    return peer;
  }

  /** A new peer called `name`, in a session of its own. */
  async open(name, { transport = "websocket", ...options }) {
    const query = Object.fromEntries(Object.entries(options.query ?? {}).map(([key, value]) => [key, fill(String(value), this.vars)]));
    const peer = new Peer(this.server.port, { ...options, query });
    this.peers.set(name, peer);
    const text = await peer.open(transport === "websocket" ? "websocket" : "polling");
    if (text === null) throw new Error(`the handshake was refused: ${show(peer.refused)}`);
    this.vars[`${name}.sid`] = peer.sid;
    if (transport === "upgrade") await peer.upgrade();
    return text;
  }

  /** A peer connected to a namespace, past its CONNECT and `auth`, which come the other way round in Python. */
  async join(name, { nsp = "/", auth, ...options } = {}) {
    if (!this.peers.has(name)) await this.open(name, options);
    const peer = this.peers.get(name);
    const at = nsp === "/" ? "" : `${nsp},`;
    await peer.send([`40${at}${auth === undefined ? "" : JSON.stringify(auth)}`]);
    for (let came = 0; came < 2; came++) {
      const packet = await peer.next(DEADLINE);
      if (typeof packet === "string" && packet.startsWith(`40${at}{`)) this.vars[nsp === "/" ? `${name}.id` : `${name}.id${nsp}`] = JSON.parse(packet.slice(2 + at.length)).sid;
      else if (typeof packet !== "string" || !packet.startsWith(`42${at}["auth",`)) throw new Error(`expected to be connected, got ${show(packet)}`);
    }
    return peer;
  }

  async answersEcho(name) {
    const peer = this.peer({ as: name });
    await peer.send(['42["echo","still here"]']);
    match('42["echo","still here"]', await peer.next(DEADLINE), this.vars, `${name}'s echo`);
  }

  /** Sends a peer's event with an ack id and gives the answer's arguments. */
  async ask(peer, ...event) {
    await peer.send([`42901${JSON.stringify(event)}`]);
    const packet = await peer.next(DEADLINE);
    if (typeof packet !== "string" || !packet.startsWith("43901[")) throw new Error(`expected an ack, got ${show(packet)}`);
    return JSON.parse(packet.slice(5));
  }

  /** Asks the server, over a connection of its own, until `read` finds the answer good or the deadline has passed. */
  async observe(event, read) {
    const observer = await this.join("observer");
    for (const end = Date.now() + DEADLINE; ; await pause(30)) {
      const seen = read((await this.ask(observer, ...event))[0]);
      if (seen !== undefined || Date.now() > end) {
        observer.drop();
        this.peers.delete("observer");
        return seen;
      }
    }
  }

  check(answer, { status = 200, body, has }) {
    const what = `${answer.status} ${answer.error ?? answer.body.toString().slice(0, 200)}`;
    match([status].flat().length > 1 ? { oneOf: status } : status, answer.status, this.vars, `status (${what})`);
    for (const [name, value] of Object.entries(has ?? {})) match(value, answer.headers[name] ?? null, this.vars, `header ${name}`);
    if (body !== undefined) match(body, answer.body, this.vars, "body");
  }

  clear() {
    for (const peer of this.peers.values()) peer.drop();
    for (const socket of this.candidates.values()) socket.drop();
    for (const { abort } of this.requests.values()) abort();
  }
}

// Each verb gets the stage, the value beside its name, and the whole step.
const VERBS = {
  // Peers.
  async open(stage, options, step) {
    const text = await stage.open(step.as ?? "a", options === true ? {} : options);
    if (step.packet) match(step.packet, text, stage.vars, "open packet");
  },
  async connect(stage, options, { as = "a" }) {
    await stage.join(as, options === true ? {} : options);
  },
  async refused(stage, options, step) {
    const query = Object.fromEntries(Object.entries(options.query ?? {}).map(([key, value]) => [key, fill(String(value), stage.vars)]));
    const peer = new Peer(stage.server.port, { ...options, query });
    const opened = await peer.openSocket({ headers: options.headers });
    if (opened) peer.drop();
    if (opened) throw new Error("the WebSocket was accepted");
    stage.check({ ...peer.refused, body: Buffer.from(peer.refused.body ?? "") }, { status: 400, ...step });
  },
  async "open many"(stage, { count, ...options }) {
    const halfway = options.transport === "upgrade halfway";
    for (let n = 0; n < count; n++) {
      await stage.open(`one of many ${n}`, halfway ? { transport: "polling" } : options);
      if (halfway) stage.candidates.set(n, await stage.peers.get(`one of many ${n}`).probe());
    }
  },
  async "open with frames"(stage, packets, { as = "a" }) {
    const peer = new Peer(stage.server.port);
    stage.peers.set(as, peer);
    const after = Buffer.concat(packets.map((packet) => encodeFrame({ payload: Buffer.from(packet) })));
    if (!(await peer.openSocket({ after }))) throw new Error(`the handshake was refused: ${show(peer.refused)}`);
    match("0{{_}}", await peer.next(DEADLINE), stage.vars, "open packet");
  },
  async upgrade(stage, _, step) {
    await stage.peer(step).upgrade();
  },
  async send(stage, packets, step) {
    const status = await stage.peer(step).send([packets].flat().map((packet) => data(packet, stage.vars)));
    if (status !== 101 && step.status !== "any") match(step.status ?? 200, status, stage.vars, "status of the POST");
  },
  async post(stage, body, step) {
    stage.check(await stage.peer(step).post(data(body, stage.vars)), step);
  },
  async "post many"(stage, { count, text }, step) {
    for (let n = 0; n < count; n++) await stage.peer(step).post(data(text, stage.vars));
  },
  async expect(stage, packets, step) {
    const peer = stage.peer(step);
    for (const packet of [packets].flat()) match(packet, await peer.next(step.within ?? DEADLINE), stage.vars, "packet");
  },
  async "expect any order"(stage, packets, step) {
    const peer = stage.peer(step);
    const missing = [...packets];
    while (missing.length > 0) {
      const packet = await peer.next(DEADLINE);
      const found = missing.findIndex((expected) => matches(expected, packet, stage.vars));
      if (found < 0) throw new Error(`expected one of ${show(missing)}, got ${show(packet)}`);
      missing.splice(found, 1);
    }
  },
  // `packet` once for each number, in order and nothing between; `send counted` makes one payload of them.
  async "expect counted"(stage, { from, to, packet }, step) {
    for (let n = from; n <= to; n++) match(packet, await stage.peer(step).next(DEADLINE), { ...stage.vars, n }, "packet");
  },
  async "send counted"(stage, { from, to, packet }, step) {
    const packets = Array.from({ length: to - from + 1 }, (_, i) => fill(packet, { ...stage.vars, n: from + i }));
    match({ oneOf: [101, 200] }, await stage.peer(step).send(packets), stage.vars, "status of the POST");
  },
  async closed(stage, codes, step) {
    // What was on its way when the connection closed may still come; what follows does not count.
    const peer = stage.peer(step);
    for (const end = Date.now() + DEADLINE; ; ) {
      const packet = await peer.next(Math.max(end - Date.now(), 0));
      if (packet === null) throw new Error("the connection was not closed");
      if (packet.closed === undefined) continue;
      if (codes !== true && peer.socket) match({ oneOf: [codes].flat() }, packet.closed, stage.vars, "close code");
      return;
    }
  },
  async "talk until closed"(stage, { packet, every }, step) {
    const peer = stage.peer(step);
    for (const end = Date.now() + DEADLINE; Date.now() < end; ) {
      await peer.send([packet]);
      if ((await peer.next(every))?.closed) return;
    }
    throw new Error("the connection was not closed");
  },
  async quiet(stage, ms, step) {
    const packet = await stage.peer(step).next(ms);
    if (packet !== null) throw new Error(`expected nothing, got ${show(packet)}`);
  },
  async echoes(stage, _, { as = "a" }) {
    await stage.answersEcho(as);
  },
  async ask(stage, event, step) {
    const answer = await stage.ask(stage.peer(step), ...JSON.parse(fill(JSON.stringify(event), stage.vars)));
    if (step.answer) match(step.answer, answer, stage.vars, "answer");
  },
  async drop(stage, how, step) {
    const peer = stage.peer(step);
    if (how === "reset") peer.socket.reset();
    else if (how === "half") peer.socket.halfClose();
    else if (typeof how === "number") peer.socket.close(how);
    else peer.drop();
  },
  async pause(stage, _, step) {
    stage.peer(step).socket.pause();
  },
  async "come and go"(stage, { count, ...options }) {
    for (let n = 0; n < count; n++) {
      const peer = await stage.join("passer-by", options);
      if (peer.socket) peer.drop();
      else await peer.post("1");
      stage.peers.delete("passer-by");
    }
  },
  async frame(stage, frames, step) {
    const { socket } = stage.peer(step);
    for (const { times = 1, payload = "", ...frame } of [frames].flat()) {
      const bytes = Buffer.from(data(payload, stage.vars));
      for (let n = 0; n < times; n++) socket.frame({ ...frame, payload: bytes });
    }
  },
  async raw(stage, hex, step) {
    stage.peer(step).socket.raw(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  },
  async pong(stage, payload, step) {
    const bytes = typeof payload === "string" ? { binary: payload } : { binary: Buffer.from(data(payload, stage.vars)).toString("hex") };
    match({ pong: bytes }, await stage.peer(step).next(DEADLINE), stage.vars, "WebSocket pong");
  },

  // A WebSocket for a polling session, step by step.
  async candidate(stage, name, { as = "a", query = {}, ...step }) {
    const peer = new Peer(stage.server.port, { query: { sid: stage.vars[`${as}.sid`] ?? "", ...query }, pings: "manual", ...step.options });
    if (!(await peer.openSocket())) throw new Error(`the WebSocket was refused: ${show(peer.refused)}`);
    stage.peers.set(name, peer);
  },

  // HTTP by hand: `http: GET ?EIO=4…`, with headers, payload, and the answer's status, has and body.
  async http(stage, line, step) {
    const [method, target] = fill(line, stage.vars).split(/ (.*)/s);
    const path = target.startsWith("?") ? PREFIX + target : target;
    const headers = Object.fromEntries(Object.entries(step.headers ?? {}).map(([name, value]) => [name, data(value, stage.vars)]));
    const running = request(stage.server.port, method, path, { headers, body: step.payload === undefined ? undefined : data(step.payload, stage.vars) });
    if (step.background === undefined) return stage.check(await running.answer, step);
    stage.requests.set(step.background, running);
    // Two requests of one scenario must arrive in order although each has its own connection.
    await pause(step.settle ?? 50);
  },
  async "half post"(stage, { then }, { as = "a" }) {
    const tcp = connect({ port: stage.server.port, host: "127.0.0.1" });
    tcp.on("error", () => {});
    tcp.write(`POST ${PREFIX}?EIO=4&transport=polling&sid=${stage.vars[`${as}.sid`]} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42["ec`);
    await pause(50);
    if (then === "cut") tcp.resetAndDestroy();
    stage.requests.set("half post", { abort: () => tcp.destroy() });
  },
  async answered(stage, name, step) {
    stage.check(await stage.requests.get(name).answer, step);
  },
  async abort(stage, name) {
    stage.requests.get(name).abort();
  },
  async gone(stage, { eio = 4 }, { as = "a" }) {
    // Asked in a way that is wrong for a session that is there and does nothing to it: over the other transport.
    const target = `${PREFIX}?EIO=${eio}&transport=websocket&sid=${stage.vars[`${as}.sid`]}`;
    for (const end = Date.now() + DEADLINE; ; await pause(30)) {
      const { status, body } = await request(stage.server.port, "GET", target).answer;
      if (status === 400 && /Session ID unknown|Invalid session/.test(body)) return;
      if (Date.now() > end) throw new Error(`the session is still there: ${status} ${body}`);
    }
  },

  // Bytes on a bare connection. `replies` are status codes, or the word closed.
  async tcp(stage, chunks, { replies, reply, then, patience }) {
    const bytes = [chunks].flat().map((chunk) => Buffer.from(data(chunk, { ...stage.vars, port: stage.server.port }), "latin1"));
    const got = await exchange(stage.server.port, bytes, { reset: then === "reset", deadlineMs: patience ?? DEADLINE });
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(got.reply)?.[1]);
    const outcome = status || (got.closed ? "closed" : "silence");
    if (replies) match({ oneOf: [replies].flat() }, outcome, stage.vars, `reply ${show(got.reply)}`);
    if (reply) match(reply, got.reply, stage.vars, "reply");
  },

  async dribble(stage, { count, bytes }) {
    for (let n = 0; n < count; n++) {
      const tcp = connect({ port: stage.server.port, host: "127.0.0.1" });
      tcp.on("error", () => {});
      tcp.write(bytes);
      stage.requests.set(`dribble ${n}`, { abort: () => tcp.destroy() });
    }
    await pause(100);
  },

  // What the server noticed.
  async reason(stage, reason, { as = "a", nsp = "/" }) {
    const id = stage.vars[nsp === "/" ? `${as}.id` : `${as}.id${nsp}`];
    const seen = await stage.observe(["reasons"], (all) => all.find(([sid, namespace]) => sid === id && namespace === nsp)?.[2]);
    match([reason].flat().length > 1 ? { oneOf: reason } : reason, seen ?? null, stage.vars, "reason");
  },
  async life(stage, life, { as = "a" }) {
    const wanted = life.length;
    const seen = await stage.observe(["life", stage.vars[`${as}.id`]], (all) => (all.length >= wanted ? all : undefined));
    match(life, seen, stage.vars, "life");
  },

  async sleep(_, ms) {
    await pause(ms);
  },
};

function matches(expected, packet, vars) {
  try {
    match(expected, packet, vars);
    return true;
  } catch {
    return false;
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
