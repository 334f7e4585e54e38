// A TCP relay before a server: it hands bytes on in slices, and resets everything after a given one.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Relay {
  /** Bytes that went to the server and came from it, over all connections. */
  up = 0;
  down = 0;
  #server;
  #target;
  #slice;
  #cut;
  #pairs = new Set();

  /** `slice`: bytes in a segment. `cut`: `{up}` or `{down}`, the number of bytes that pass before all is reset. */
  static async start(target, { slice = Infinity, cut = {} } = {}) {
    const relay = new Relay();
    relay.#target = target;
    relay.#slice = slice;
    relay.#cut = cut;
    relay.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => relay.#accept(client)).listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  get port() {
    return this.#server.address().port;
  }

  /** Whether the cut has come. */
  over = false;

  #accept(client) {
    if (this.over) {
      client.on("error", () => {});
      return reset([client]);
    }
    // Thousands of connections a minute would use up the ports of one address.
    const localAddress = process.platform === "linux" ? `127.0.0.${2 + Math.floor(Math.random() * 250)}` : undefined;
    const server = connect({ host: "127.0.0.1", port: this.#target, localAddress, noDelay: true, allowHalfOpen: true });
    const pair = [client, server];
    this.#pairs.add(pair);
    const closed = () => pair.every((socket) => socket.destroyed) && this.#pairs.delete(pair);
    for (const [from, to, way] of [[client, server, "up"], [server, client, "down"]]) {
      from.on("error", () => reset(pair)).on("close", closed);
      void this.#pass(from, to, way).catch(() => reset(pair));
    }
  }

  async #pass(from, to, way) {
    for await (const chunk of from) {
      for (let at = 0; at < chunk.length; ) {
        const size = Math.min(this.#slice, chunk.length - at, (this.#cut[way] ?? Infinity) - this[way]);
        if (size > 0) await written(to, chunk.subarray(at, at + size));
        at += size;
        this[way] += size;
        if (this[way] >= (this.#cut[way] ?? Infinity)) return this.#resetAll();
      }
    }
    to.end();
  }

  #resetAll() {
    this.over = true;
    for (const pair of this.#pairs) reset(pair);
  }

  close() {
    for (const pair of this.#pairs) reset(pair);
    this.#server.close();
  }
}

function reset(pair) {
  for (const socket of pair) {
    const handle = socket._handle;
    // Not by `resetAndDestroy`, which ends the stream before: a FIN would come first. Where one is on its way there is no reset,
    // and Node loses a handle of which it is asked.
    if (handle && !socket.connecting && !socket.writableEnded) {
      socket._handle = null;
      handle.reset(() => {});
    }
    socket.destroy();
  }
}

/** Written means handed to the kernel, so that the next slice is a segment of its own. */
function written(socket, bytes) {
  return new Promise((resolve, reject) => {
    socket.once("close", reject);
    socket.write(bytes, (error) => {
      socket.off("close", reject);
      if (error) reject(error);
      else resolve();
    });
  });
}
