// A Socket.IO client in a dozen calls, on the harness's peer: cheap enough for tens of thousands of lives, and free to leave
// in every way that clients leave.
import { AsyncLocalStorage } from "node:async_hooks";
import { Peer } from "../harness/peer.mjs";

const OPENED = new AsyncLocalStorage();
const PATIENCE = 60_000; // the machine may be busy; nothing here judges time

export class Client {
  closed = false;
  /** Called with the reason when the connection ends that was not ended here. */
  onlost = () => {};
  /** Whether a `question` of the server is answered. */
  answers = true;
  #peer;
  #transport;
  #leaving = false;
  #reading = null;
  #waiting = new Set(); // {matches, resolve, reject, timer}
  #listeners = new Map();
  #lastAck = 0;
  #partial = null; // a packet whose attachments are still to come

  /** `at`: a port, or more (see `place` in the harness). */
  constructor(at, { transport = "websocket", ...options } = {}) {
    this.#peer = new Peer(at, options);
    this.#transport = transport;
    OPENED.getStore()?.add(this);
  }

  /** Opens the session and joins `/`. */
  async open() {
    await this.#peer.open(this.#transport === "websocket" ? "websocket" : "polling");
    if (this.#peer.sid === null) throw new Error(`the handshake was answered with ${this.#peer.refused?.status}`);
    if (this.#transport === "upgrade") await this.#peer.upgrade();
    this.#reading = this.#read();
    await this.join("/");
    return this;
  }

  /** Runs `what`; if it fails, the clients that it has opened are let go of, for it will not do that any more. */
  static async together(what) {
    const opened = new Set();
    try {
      return await OPENED.run(opened, what);
    } catch (error) {
      for (const client of opened) client.drop();
      throw error;
    }
  }

  static open(at, options) {
    return new Client(at, options).open();
  }

  get peer() {
    return this.#peer;
  }

  /** Joins a namespace; gives what a refusal says, or null. Python sends `auth` before it lets the client in, Node after. */
  async join(nsp, auth) {
    const at = nsp === "/" ? "" : `${nsp},`;
    const answer = this.#packet((packet) => packet.startsWith(`40${at}{`) || packet.startsWith(`44${at}`), `an answer to CONNECT ${nsp}`);
    await this.#peer.send([`40${at}${auth ? JSON.stringify(auth) : ""}`]);
    const packet = await answer;
    return packet.startsWith("44") ? JSON.parse(packet.slice(2 + at.length)) : null;
  }

  leave(nsp) {
    return this.#peer.send([nsp === "/" ? "41" : `41${nsp},`]);
  }

  emit(...event) {
    return this.#peer.send([`42${JSON.stringify(event)}`]);
  }

  /** An event with one attachment as its last argument. */
  emitBytes(name, bytes) {
    return this.#peer.send([`451-${JSON.stringify([name, { _placeholder: true, num: 0 }])}`, bytes]);
  }

  on(name, listener) {
    this.#listeners.set(name, listener);
  }

  /** Emits and waits for the event `answer`; gives its arguments. */
  async exchange(answer, ...event) {
    const came = this.next(answer);
    await this.emit(...event);
    return came;
  }

  /** The arguments of the next event of that name. */
  next(name) {
    const packet = this.#packet((packet) => eventName(packet) === name, `the event ${name}`);
    return excused(packet.then((packet) => JSON.parse(packet.slice(packet.indexOf("["))).slice(1)));
  }

  async ask(...event) {
    const id = ++this.#lastAck;
    const answer = this.#packet((packet) => packet.startsWith(`43${id}[`), `an ack of ${event[0]}`);
    await this.#peer.send([`42${id}${JSON.stringify(event)}`]);
    return JSON.parse((await answer).slice(2 + String(id).length));
  }

  /** Reads no more: what the server sends from now on waits in its own buffers. */
  stopReading() {
    this.#leaving = true;
    this.#peer.socket.pause();
  }

  /** Leaves as `manner` says: `leave`, `close`, `cut`, `reset`, or `vanish`, which is to answer nothing more. */
  async end(manner = "leave") {
    this.#leaving = true;
    if (manner === "vanish") return;
    const { socket } = this.#peer;
    // Polling knows two manners only: a session that is not fetched any more ends by its heartbeat.
    if (manner === "leave") await this.leave("/");
    if (socket === null) {
      await this.#peer.send(["1"]);
      return this.#reading;
    }
    if (manner === "leave" || manner === "close") return socket.close();
    this.closed = true;
    if (manner === "reset") socket.reset();
    else socket.drop();
  }

  /** Everything is let go of, whatever the server thinks of it. */
  drop() {
    this.#leaving = true;
    this.closed = true;
    this.#peer.drop();
  }

  async #read() {
    while (!this.closed) {
      const packet = await this.#peer.next(PATIENCE);
      if (packet === null) continue;
      if (typeof packet === "object" && "closed" in packet) this.#ended(packet.error ?? packet.closed);
      else this.#arrived(packet);
    }
  }

  #ended(how) {
    this.closed = true;
    for (const waiting of [...this.#waiting]) waiting.reject(new Error(`the connection ended (${how}) before ${waiting.what} came`));
    if (!this.#leaving) this.onlost(how);
  }

  #arrived(packet) {
    if (Buffer.isBuffer(packet)) {
      if (this.#partial === null) throw new Error("an attachment that belongs to nothing");
      if (--this.#partial.missing > 0) return;
      packet = this.#partial.packet;
      this.#partial = null;
    } else if (/^4[56]\d+-/.test(packet)) {
      this.#partial = { packet, missing: Number.parseInt(packet.slice(2), 10) };
      return;
    }
    const name = eventName(packet);
    if (name === "question" && this.answers) {
      const id = /^42(\d+)/.exec(packet)[1];
      void this.#peer.send([`43${id}["an answer"]`]);
    }
    if (name !== null && this.#listeners.has(name)) this.#listeners.get(name)(...JSON.parse(packet.slice(packet.indexOf("["))).slice(1));
    for (const waiting of this.#waiting) {
      if (!waiting.matches(packet)) continue;
      waiting.resolve(packet);
      break;
    }
  }

  #packet(matches, what) {
    return excused(new Promise((resolve, reject) => {
      const waiting = { matches, what };
      const settle = (how) => (value) => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        how(value);
      };
      waiting.resolve = settle(resolve);
      waiting.reject = settle(reject);
      const timer = setTimeout(() => waiting.reject(new Error(`${what} did not come in ${PATIENCE / 1000} s`)), PATIENCE);
      this.#waiting.add(waiting);
      if (this.closed) waiting.reject(new Error(`the connection is gone; ${what} cannot come`));
    }));
  }
}

/** What may fail while its question is still being sent, when nobody is waiting for it yet. */
function excused(promise) {
  promise.catch(() => {});
  return promise;
}

/** The name in an EVENT or BINARY_EVENT of `/`, else null. */
function eventName(packet) {
  const match = /^4(?:2|5\d+-)\d*\["([^"]*)"/.exec(packet);
  return match ? match[1] : null;
}
