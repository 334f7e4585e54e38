// A WebSocket client that does what it is told, also when that is wrong: the hostile scenarios need reserved bits,
// missing masks and lying lengths, which no proper library will send. Whether honest frames are right is judged by
// the real clients in ../interop.
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { place } from "./http.mjs";

const PATIENCE = 30_000; // the machine may be busy; only a broken server is waited for so long
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** Asks for an upgrade. Gives `{socket}`, or `{refused: {status, headers, body}}` when the server says no. */
export async function openWebSocket(at, target, { headers = {}, after = "", onItem }) {
  const { host, port } = place(at);
  const tcp = connect({ ...place(at), noDelay: true });
  const key = randomBytes(16).toString("base64");
  const lines = {
    Host: `${host}:${port}`,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": key,
    ...headers,
  };
  const head = Object.entries(lines).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}\r\n`);
  tcp.write(`GET ${target} HTTP/1.1\r\n${head.join("")}\r\n`);
  if (after) tcp.write(after);
  const answer = await readHead(tcp);
  if (answer.status !== 101) return { refused: { ...answer, body: await readBody(tcp, answer) } };
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  if (answer.headers["sec-websocket-accept"] !== accept && headers["Sec-WebSocket-Key"] === undefined) {
    throw new Error("the server answered with a wrong Sec-WebSocket-Accept");
  }
  return { socket: new WebSocketClient(tcp, answer.rest, onItem), headers: answer.headers };
}

export class WebSocketClient {
  #tcp;
  #onItem;
  #buffer;
  #message = null; // the pieces of a fragmented message, {binary, parts}
  #over = false;

  constructor(tcp, rest, onItem) {
    this.#tcp = tcp;
    this.#onItem = onItem;
    this.#buffer = rest;
    tcp.on("data", (data) => {
      this.#buffer = Buffer.concat([this.#buffer, data]);
      this.#read();
    });
    tcp.on("end", () => this.#end(1006));
    tcp.on("close", () => this.#end(1006));
    tcp.on("error", () => this.#end(1006));
    this.#read();
  }

  send(data) {
    const text = typeof data === "string";
    this.frame({ opcode: text ? OPCODE.text : OPCODE.binary, payload: Buffer.from(data) });
  }

  close(code = 1000) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.frame({ opcode: OPCODE.close, payload });
  }

  /** One frame; `length` may lie about the payload and `wide` chooses a longer length field than needed. */
  frame(frame) {
    this.raw(encodeFrame(frame));
  }

  raw(bytes) {
    if (!this.#tcp.destroyed) this.#tcp.write(bytes);
  }

  /** Waits until the other end has taken what was written; false if the connection ended before, or it takes too long. */
  async drained(within = 8000) {
    for (const end = Date.now() + within; this.#tcp.writableLength > 0; ) {
      if (this.#tcp.destroyed || this.#over || Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return !this.#tcp.destroyed;
  }

  pause() {
    this.#tcp.pause();
  }

  resume() {
    this.#tcp.resume();
  }

  /** Ends the writing side and keeps reading. */
  halfClose() {
    this.#tcp.end();
  }

  drop() {
    this.#over = true;
    this.#tcp.destroy();
  }

  reset() {
    this.#over = true;
    this.#tcp.resetAndDestroy();
  }

  #read() {
    for (;;) {
      const frame = decodeFrame(this.#buffer);
      if (!frame) return;
      if (frame === "garbage") {
        this.#end("garbage");
        return this.#tcp.destroy();
      }
      this.#buffer = this.#buffer.subarray(frame.size);
      this.#take(frame);
    }
  }

  #take({ fin, opcode, payload }) {
    if (opcode === OPCODE.close) {
      const code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
      this.frame({ opcode: OPCODE.close, payload: payload.subarray(0, 2) });
      this.#tcp.end();
      return this.#end(code);
    }
    if (opcode === OPCODE.ping) return this.frame({ opcode: OPCODE.pong, payload });
    if (opcode === OPCODE.pong) return this.#onItem({ pong: payload });
    if (opcode !== OPCODE.continuation) this.#message = { binary: opcode === OPCODE.binary, parts: [] };
    this.#message.parts.push(payload);
    if (!fin) return;
    const whole = Buffer.concat(this.#message.parts);
    this.#onItem(this.#message.binary ? { binary: whole } : { text: whole.toString() });
  }

  #end(code) {
    if (this.#over) return;
    this.#over = true;
    this.#onItem({ closed: code });
  }
}

export function encodeFrame({ fin = true, rsv = 0, opcode = OPCODE.text, payload = Buffer.alloc(0), mask = true, length, wide }) {
  const claimed = BigInt(length ?? payload.length);
  const form = wide ?? (claimed < 126n ? 7 : claimed < 65536n ? 16 : 64);
  const code = typeof opcode === "string" ? OPCODE[opcode] : opcode;
  const head = Buffer.alloc(2 + (form === 7 ? 0 : form / 8));
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | code;
  head[1] = (mask ? 0x80 : 0) | (form === 7 ? Number(claimed) : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(Number(claimed), 2);
  if (form === 64) head.writeBigUInt64BE(claimed, 2);
  if (!mask) return Buffer.concat([head, payload]);
  const key = randomBytes(4);
  const body = Buffer.from(payload);
  for (let i = 0; i < body.length; i++) body[i] ^= key[i & 3];
  return Buffer.concat([head, key, body]);
}

/** A server's frame at the start of `bytes`, null while it is not complete. A server masks nothing and reserves nothing. */
function decodeFrame(bytes) {
  if (bytes.length < 2) return null;
  if (bytes[1] & 0x80 || bytes[0] & 0x70) return "garbage";
  const short = bytes[1] & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return null;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + length) return null;
  return { fin: bytes[0] >= 0x80, opcode: bytes[0] & 0x0f, payload: bytes.subarray(start, start + length), size: start + length };
}

function readHead(tcp) {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const finish = (outcome) => {
      tcp.off("data", take).off("end", ended).off("error", failed).off("close", ended);
      outcome();
    };
    const failed = (error) => finish(() => resolve({ status: 0, headers: {}, rest: Buffer.alloc(0), error: error.code }));
    const ended = () => finish(() => resolve({ status: 0, headers: {}, rest: Buffer.alloc(0), error: "closed" }));
    const take = (data) => {
      bytes = Buffer.concat([bytes, data]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      tcp.pause();
      const [line, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
      const headers = Object.fromEntries(lines.map((one) => [one.slice(0, one.indexOf(":")).toLowerCase(), one.slice(one.indexOf(":") + 1).trim()]));
      finish(() => resolve({ status: Number(line.split(" ")[1]), headers, rest: bytes.subarray(end + 4) }));
      tcp.resume();
    };
    tcp.on("data", take).on("end", ended).on("error", failed).on("close", ended);
    tcp.setTimeout(PATIENCE, () => finish(() => reject(new Error(`no answer to the upgrade request in ${PATIENCE / 1000} s`))));
  });
}

function readBody(tcp, { rest, headers }) {
  return new Promise((resolve) => {
    let body = rest;
    const finish = () => {
      tcp.destroy();
      resolve(body.toString());
    };
    const enough = () => headers["content-length"] !== undefined && body.length >= Number(headers["content-length"]);
    if (tcp.destroyed || tcp.readableEnded || enough()) return finish();
    tcp.on("data", (data) => {
      body = Buffer.concat([body, data]);
      if (enough()) finish();
    });
    tcp.on("end", finish).on("close", finish).on("error", finish);
  });
}
