// A client by hand, over a WebSocket, that reads nothing but when it is told to.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

/** Connects to the main namespace of the server on `port`; from then on nothing is read. */
export async function deafClient(t, port) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {}); // the server may cut it
  t.after(() => socket.destroy());
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  );
  const reader = new Reader(socket);
  await reader.until((packet) => packet.startsWith("0{"));
  socket.write(CONNECT);
  await reader.until((packet) => packet.startsWith("40"));
  return reader;
}

/** `40`, masked with zeros. */
const CONNECT = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]);

/** Takes the server's text frames apart, while somebody waits for one. */
class Reader {
  #socket;
  #bytes = Buffer.alloc(0);
  #inFrames = false;

  constructor(socket) {
    this.#socket = socket;
  }

  /** Reads until a packet pleases. */
  until(pleases) {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      const closed = () => reject(new Error("the server has closed the connection"));
      const read = (chunk) => {
        this.#bytes = Buffer.concat([this.#bytes, chunk]);
        for (let packet = this.#next(); packet !== undefined; packet = this.#next()) {
          if (!pleases(packet)) continue;
          socket.pause();
          socket.off("data", read).off("close", closed);
          return resolve(packet);
        }
      };
      socket.on("data", read).on("close", closed).resume();
      read(Buffer.alloc(0));
    });
  }

  /** The text of the next frame, if it is there. */
  #next() {
    const bytes = this.#bytes;
    if (!this.#inFrames) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return undefined;
      this.#inFrames = true;
      this.#bytes = bytes.subarray(end + 4);
      return this.#next();
    }
    const size = bytes[1] === 127 ? 10 : bytes[1] === 126 ? 4 : 2;
    if (bytes.length < size) return undefined;
    const length = size === 10 ? Number(bytes.readBigUInt64BE(2)) : size === 4 ? bytes.readUInt16BE(2) : bytes[1];
    if (bytes.length < size + length) return undefined;
    this.#bytes = bytes.subarray(size + length);
    return bytes.toString("utf8", size, size + length);
  }
}
