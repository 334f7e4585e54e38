// What an attacker has at hand: connections that keep no rules, and a look at the server's memory and descriptors.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { exchange, send } from "../harness/http.mjs";
import { Peer } from "../harness/peer.mjs";

export const PATH = "/socket.io/";
export const POLLING = `${PATH}?EIO=4&transport=polling`;
export const WEBSOCKET = `${PATH}?EIO=4&transport=websocket`;
export const UPGRADE = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`;
export const SOON = { quietMs: 100 }; // an answer comes in one piece
const DEADLINE = 8000; // ms for what should come at once
const MIB = 1 << 20;
const SLACK = 16; // MiB that allocators and collectors keep of what they were given back

export class Attack {
  #server;
  #long;
  #peers = [];
  #sockets = [];

  constructor(server, long) {
    this.#server = server;
    this.#long = long;
  }

  get port() {
    return this.#server.port;
  }

  get face() {
    return this.#server.face;
  }

  /** uvicorn reads the requests: how long a header may be is its affair, and it has no limit, or falls silent. */
  get underUvicorn() {
    return ["python", "python-framed", "python-socketio"].includes(this.face.name);
  }

  /** What the server has written to its log: how many bytes, and the end of it. */
  logged() {
    return this.#server.written();
  }

  log() {
    return this.#server.errors();
  }

  /** The same means against another server. */
  at(server) {
    return new Attack(server, this.#long);
  }

  /** How many of something: enough for CI, or as many as the list of inputs says. */
  scale(short, long) {
    return this.#long ? long : short;
  }

  /** An Engine.IO session, over WebSocket unless said otherwise. */
  async session({ transport = "websocket", ...options } = {}) {
    const peer = new Peer(this.port, options);
    this.#peers.push(peer);
    const opened = await peer.open(transport === "websocket" ? "websocket" : "polling");
    if (opened === null) throw new Failure(`an honest handshake was refused with ${peer.refused.status}`);
    if (transport === "upgrade") await peer.upgrade();
    return peer;
  }

  /** A session that has joined a namespace; `id` is its socket's. */
  async peer({ nsp = "/", auth, ...options } = {}) {
    const peer = await this.session(options);
    const at = nsp === "/" ? "" : `${nsp},`;
    await peer.send([`40${at}${auth ? JSON.stringify(auth) : ""}`]);
    for (let seen = 0; seen < 2; seen++) {
      const packet = await peer.next(DEADLINE);
      if (typeof packet === "string" && packet.startsWith(`40${at}{`)) peer.id = JSON.parse(packet.slice(2 + at.length)).sid;
      else if (typeof packet !== "string" || !packet.startsWith(`42${at}["auth",`)) throw new Failure(`an honest CONNECT got ${show(packet)}`);
    }
    return peer;
  }

  /** A client that comes now is let in and answered. */
  async honest(options) {
    const peer = await this.peer(options);
    await this.echoes(peer);
    peer.drop();
    if (!peer.socket) await peer.post("1");
  }

  async echoes(peer, value = "still here") {
    await peer.send([`42["echo",${JSON.stringify(value)}]`]);
    for (const end = Date.now() + DEADLINE; ; ) {
      const packet = await peer.next(end - Date.now());
      if (packet === `42["echo",${JSON.stringify(value)}]`) return;
      if (packet === null || packet.closed !== undefined) throw new Failure(`no answer to an echo, but ${show(packet)}`);
    }
  }

  /** An event with an ack; gives the answer's arguments. */
  async ask(peer, ...event) {
    await peer.send([`42901${JSON.stringify(event)}`]);
    for (const end = Date.now() + DEADLINE; ; ) {
      const packet = await peer.next(end - Date.now());
      if (typeof packet === "string" && packet.startsWith("43901[")) return JSON.parse(packet.slice(5));
      if (packet === null || packet.closed !== undefined) throw new Failure(`no answer to ${event[0]}, but ${show(packet)}`);
    }
  }

  /** The connection is closed, with one of `codes` if it is a WebSocket. 1006 is a cut without a word. */
  async closed(peer, codes, within = DEADLINE) {
    for (const end = Date.now() + within; ; ) {
      const packet = await peer.next(Math.max(end - Date.now(), 0));
      if (packet === null) throw new Failure("the connection was not closed");
      if (packet.closed === undefined) continue;
      if (codes && peer.socket && ![codes].flat().includes(packet.closed)) throw new Failure(`closed with ${packet.closed}, not ${codes}`);
      return packet.closed;
    }
  }

  /** Joins the main namespace and gives the object of the answer; other packets before it do not count. */
  async join(peer) {
    await peer.send(["40"]);
    for (let packet; ; ) if ((packet = await this.next(peer)).startsWith?.("40{")) return JSON.parse(packet.slice(2));
  }

  /** The next packet, or a failure. */
  async next(peer, within = DEADLINE) {
    const packet = await peer.next(within);
    if (packet === null) throw new Failure("nothing came");
    return packet;
  }

  /** A request; status `silence` if it has no answer in time. */
  request(method, path, options) {
    const { answer, abort } = send(this.port, method, path, options);
    const silence = new Promise((resolve) => setTimeout(resolve, DEADLINE, { status: "silence", headers: {}, body: Buffer.alloc(0) }).unref());
    return Promise.race([answer, silence]).finally(abort);
  }

  /** A request that is not awaited: `{answer, abort}`. */
  begin(method, path, options) {
    const running = send(this.port, method, path, options);
    this.#sockets.push({ destroy: running.abort });
    return running;
  }

  /** Bytes on a bare connection: the statuses that came, or `closed`, or `silence`. */
  async tcp(chunks, options) {
    const bytes = [chunks].flat().map((chunk) => (typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk));
    const { reply, closed } = await exchange(this.port, bytes, options);
    const statuses = [...reply.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => Number(status));
    return { reply, closed, statuses, outcome: statuses[0] ?? (closed ? "closed" : "silence") };
  }

  /** Opens `count` bare connections, each with `bytes` written to it, and keeps them until the input is over. `said` is what a
   * server wrote to it last. */
  async hold(count, bytes) {
    const sockets = [];
    for (let n = 0; n < count; n++) {
      const socket = connect({ port: this.port, host: "127.0.0.1" });
      this.#sockets.push(socket);
      sockets.push(socket);
      socket.on("error", () => {}).on("data", (data) => (socket.said = data));
      await first(socket, "connect", "error");
      socket.write(typeof bytes === "function" ? bytes(n) : bytes);
    }
    return sockets;
  }

  /** Writes as the peer takes it, so that the memory in question is the server's. False if the connection ended before. */
  async flood(socket, bytes, times) {
    for (let n = 0; n < times; n++) {
      if (socket.destroyed || !socket.writable) return false;
      if (!socket.write(bytes)) await first(socket, "drain", "close", "error");
    }
    return true;
  }

  /** What `body` makes the server hold on to, as long as it holds it, is less than so many MiB. */
  async holdsLessThan(mib, body) {
    const before = this.memory();
    const result = await body();
    const most = mib + SLACK;
    const grown = await this.#settled(() => this.memory() - before, most);
    if (grown > most) throw new Failure(`it holds ${Math.round(grown)} MiB for this peer`);
    return result;
  }

  /** The server's resident memory, in MiB. */
  memory() {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#server.pid}/status`, "utf8"))[1]) / 1024;
  }

  /** What is left when the garbage is collected and all that is under way has been done. */
  async #settled(measure, enough, within = 3000) {
    let least = measure();
    for (const end = Date.now() + within; least > enough && Date.now() < end; least = Math.min(least, measure())) {
      this.#server.collect();
      await pause(150);
    }
    return least;
  }

  /** Lets go of everything the attack had. */
  end() {
    for (const peer of this.#peers) peer.drop();
    for (const socket of this.#sockets) socket.destroy();
    this.#peers.length = this.#sockets.length = 0;
  }
}

/** The server did not do what it must. */
export class Failure extends Error {}

export function expect(condition, why) {
  if (!condition) throw new Failure(why);
}

/** A refusal: a status for errors of the client (or what a server does not do at all), or a cut. 500 is an accident. */
export function refused({ outcome, status = outcome }, what = "it") {
  const fine = status === "closed" || status === 0 || status === 501 || status === 505 || (status >= 400 && status < 500);
  expect(fine, `${what} was answered with ${status}`);
}

/** Any answer but an accident: neither silence nor 500. */
export function answered({ outcome, status = outcome }, what = "it") {
  expect(status !== "silence" && status !== 500 && status !== undefined, `${what} was answered with ${status}`);
}

/** Waits for one of `events`. */
function first(emitter, ...events) {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) emitter.off(event, done);
      resolve();
    };
    for (const event of events) emitter.on(event, done);
  });
}

/** Each at the same time; throws what the first of them throws. */
export const together = (all, one) => Promise.all(all.map(one));
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const megabytes = (n, of = "x") => Buffer.alloc(n * MIB, of);

export function show(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
