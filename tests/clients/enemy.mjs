// Servers by hand: HTTP answers and WebSocket frames as one wants them, right or wrong.
import { createHash } from "node:crypto";
import { createServer } from "node:net";

/** What a handshake says. `interval` is that of the heartbeat, and the time it may be late. */
export const open = (interval = 60_000, sid = "s") =>
  `0${JSON.stringify({ sid, upgrades: [], pingInterval: interval, pingTimeout: interval, maxPayload: 1e6 })}`;

/** An HTTP answer. */
export const answer = (body, { status = "200 OK", headers = ["content-type: text/plain"] } = {}) =>
  Buffer.from([`HTTP/1.1 ${status}`, ...headers, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n"));

/** A frame as servers send them. `first` is its first byte: flags and type. */
export function frame(first, payload = Buffer.alloc(0), length = payload.length) {
  const content = Buffer.from(payload);
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), content]);
  const head = Buffer.alloc(length < 65536 ? 4 : 10);
  head[0] = first;
  if (length < 65536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, content]);
}

/** Listens, and gives each connection to `behave`, with its number. */
export class Enemy {
  #server;
  #sockets = new Set();
  /** Connections so far. */
  count = 0;
  /** The most at once. */
  most = 0;
  port;

  static async listen(behave, port = 0) {
    const enemy = new Enemy();
    enemy.#server = createServer((socket) => {
      enemy.#sockets.add(socket);
      enemy.most = Math.max(enemy.most, enemy.#sockets.size);
      socket.on("error", () => {});
      socket.on("close", () => enemy.#sockets.delete(socket));
      // It ends with its client, as far as there is no end of its own.
      behave(new Connection(socket), enemy.count++).catch(() => socket.destroy());
    });
    await new Promise((resolve) => enemy.#server.listen(port, "127.0.0.1", resolve));
    enemy.port = enemy.#server.address().port;
    return enemy;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get open() {
    return this.#sockets.size;
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** A connection of a client's. */
class Connection {
  #socket;
  #bytes = Buffer.alloc(0);
  #ended = false;
  #more;

  constructor(socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#more?.();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#more?.();
    });
  }

  /** Waits until `take` finds something at the front of what has come: `[what, length]`. */
  async #take(take) {
    for (;;) {
      const found = take(this.#bytes);
      if (found) {
        this.#bytes = this.#bytes.subarray(found[1]);
        return found[0];
      }
      if (this.#ended) throw new Error("the client is gone");
      await new Promise((resolve) => (this.#more = resolve));
    }
  }

  /** The head of the next request. */
  head() {
    return this.#take((bytes) => {
      const end = bytes.indexOf("\r\n\r\n");
      return end < 0 ? undefined : [bytes.toString("latin1", 0, end), end + 4];
    });
  }

  /** What the client's next frame says, a text or bytes; control frames are nobody's concern here. */
  async message() {
    for (;;) {
      const [type, payload] = await this.#take(unmasked);
      if (type === 1) return payload.toString();
      if (type === 2) return payload;
      if (type === 8) throw new Error("the client says goodbye");
    }
  }

  send(bytes) {
    this.#socket.write(bytes);
  }

  text(text) {
    this.send(frame(0x81, text));
  }

  /** Says yes to a WebSocket. */
  accept(head) {
    const key = head.match(/^sec-websocket-key: *(.*)$/im)[1].trim();
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    const lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: upgrade"];
    this.send([...lines, `sec-websocket-accept: ${accept}`, "", ""].join("\r\n"));
  }

  /** A server that has done nothing wrong so far: handshake, and the client is in. Gives what it has shown. */
  async welcome(interval) {
    this.accept(await this.head());
    this.text(open(interval));
    const asked = await this.message();
    if (!asked.startsWith("40")) throw new Error("the client does not ask to be let in");
    this.text('40{"sid":"x"}');
    return asked.slice(2);
  }

  /** Answers questions until the client goes. `heard` gets the arguments of each event. */
  async serve(heard = () => {}) {
    for (;;) {
      const [, id, args] = (await this.message()).match(/^42(\d*)(\[.*)$/s) ?? [];
      if (args === undefined) continue;
      heard(JSON.parse(args));
      if (id) this.text(`43${id}[]`);
    }
  }

  /** Waits for the client to go. */
  async gone() {
    await this.#take(() => undefined).catch(() => {});
  }

  end() {
    this.#socket.destroy();
  }

  finish(bytes) {
    this.#socket.end(bytes);
  }

  /** Sends for as long as it is taken. */
  async endlessly(chunk) {
    while (!this.#ended) {
      if (!this.#socket.write(chunk)) {
        await new Promise((resolve) => {
          this.#socket.once("drain", resolve);
          this.#socket.once("close", resolve);
        });
      }
    }
  }
}

function unmasked(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const at = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < at + 4) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < at + 4 + length) return undefined;
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
  for (let i = 0; i < length; i++) payload[i] ^= bytes[at + (i & 3)];
  return [[bytes[0] & 0x0f, payload], at + 4 + length];
}
