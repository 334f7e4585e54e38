// A client by hand that may stop reading, and sees whether the server does. It answers heartbeats as long as it reads.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";

/** A client over a WebSocket that has joined the main namespace. */
export async function joined(port) {
  const peer = new Peer(connect({ port, host: "127.0.0.1", noDelay: true }), port);
  await peer.next((packet) => packet.startsWith("0{"));
  peer.send("40");
  await peer.next((packet) => packet.startsWith("40"));
  return peer;
}

export class Peer {
  #socket;
  #bytes = Buffer.alloc(0);
  #inFrames = false;
  #waiting = new Set();
  #closed = false;
  #ids = 0;
  /** Called with every text. */
  heard = () => {};

  constructor(socket, port) {
    this.#socket = socket;
    socket.write(
      `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\n` +
        `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
    socket.on("error", () => {}); // its close follows
    socket.on("close", () => {
      this.#closed = true;
      for (const { reject } of this.#waiting) reject(new Error("the server has closed the connection"));
    });
    socket.on("data", (chunk) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      for (let text = this.#take(); text !== undefined; text = this.#take()) this.#hear(text);
    });
  }

  get closed() {
    return this.#closed;
  }

  /** Sends a text; false if the connection does not take it at once. */
  send(text) {
    const payload = Buffer.from(text);
    const wide = payload.length > 125;
    const head = Buffer.alloc(wide ? 8 : 6); // the mask is zeros
    head[0] = 0x81;
    head[1] = 0x80 | (wide ? 126 : payload.length);
    if (wide) head.writeUInt16BE(payload.length, 2);
    return this.#socket.write(Buffer.concat([head, payload]));
  }

  /** Asks with an event, as JSON; the answer. */
  async ask(event) {
    const id = this.#ids++;
    this.send(`42${id}${event}`);
    const answer = await this.next((packet) => packet.startsWith(`43${id}[`));
    return JSON.parse(answer.slice(2 + String(id).length));
  }

  /** The next text that pleases. */
  next(pleases) {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(new Error("the server has closed the connection"));
      else this.#waiting.add({ pleases, resolve, reject });
    });
  }

  /** Whether what was sent is taken within `ms`. */
  async drains(ms) {
    const timer = new AbortController();
    setTimeout(() => timer.abort(), ms).unref();
    return once(this.#socket, "drain", { signal: timer.signal }).then(
      () => true,
      () => false,
    );
  }

  /** Reads nothing from now on. */
  stopReading() {
    this.#socket.pause();
  }

  drop() {
    this.#socket.destroy();
  }

  #hear(text) {
    if (text === "2") this.send("3");
    else this.heard(text);
    for (const one of this.#waiting) {
      if (!one.pleases(text)) continue;
      this.#waiting.delete(one);
      one.resolve(text);
    }
  }

  /** The text of the next frame, if it is there. */
  #take() {
    const bytes = this.#bytes;
    if (!this.#inFrames) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return undefined;
      if (!bytes.subarray(0, 12).equals(Buffer.from("HTTP/1.1 101"))) throw new Error(bytes.toString());
      this.#inFrames = true;
      this.#bytes = bytes.subarray(end + 4);
      return this.#take();
    }
    const size = bytes[1] === 127 ? 10 : bytes[1] === 126 ? 4 : 2;
    if (bytes.length < size) return undefined;
    const length = size === 10 ? Number(bytes.readBigUInt64BE(2)) : size === 4 ? bytes.readUInt16BE(2) : bytes[1];
    if (bytes.length < size + length) return undefined;
    this.#bytes = bytes.subarray(size + length);
    return bytes.toString("utf8", size, size + length);
  }
}
