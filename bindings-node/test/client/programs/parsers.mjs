// Parsers: MessagePack, Socket.IO's own by name, and one of the program's.
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { answer, event, journal, print, settled, start } from "./support.mjs";

const require = createRequire(import.meta.url);
class Encoder {
  encode(packet) {
    return [JSON.stringify({ ...packet, options: undefined })];
  }
}
class Decoder extends EventEmitter {
  add(text) {
    this.emit("decoded", JSON.parse(text));
  }
  destroy() {}
}
for (const [title, parser] of [
  ["msgpack", require("socket.io-msgpack-parser")],
  ["default", require("socket.io-parser")],
  ["own", { Encoder, Decoder }],
]) {
  for (const transport of ["websocket", "polling"]) {
    print("==", title, transport);
    const server = await start({ parser });
    const log = journal(`${title}, ${transport}`);
    const client = server.client("/chat", {
      parser,
      transports: [transport],
      auth: { token: "x" },
      autoConnect: false,
    });
    client.io.on("packet", ({ type, nsp }) => log(type, nsp));
    server.io.of("/chat").on("connection", (socket) => {
      log(socket.handshake.auth);
      socket.on("echo", (...args) => args.pop()(...args));
    });
    const joined = event(server.io.of("/chat"), "connection");
    client.connect();
    await event(client, "connect");
    const [socket] = await joined;
    const values = [1, "ü", null, [1, { a: "b" }], true, 1.5, -1, 2 ** 40];
    print(await answer((done) => client.emit("echo", ...values, done)));
    if (title !== "own") print(await client.emitWithAck("echo", { bytes: Buffer.from("b") }));
    client.on("ask", (value, done) => done(value, "answered"));
    print(await answer((done) => socket.emit("ask", "?", done)));
    await settled(client, socket);
    socket.disconnect();
    print((await event(client, "disconnect"))[0], client.active);
    client.connect();
    await event(client, "connect");
    client.disconnect();
    await server.close();
  }
}
print("what the parser cannot read");
const server = await start({ parser: { Encoder, Decoder }, transports: ["websocket"] });
const client = server.client("/", {
  parser: {
    Encoder,
    Decoder: class extends Decoder {
      add(text) {
        if (text.includes("bad")) throw new TypeError("mine");
        super.add(text);
      }
    },
  },
});
await event(client, "connect");
server.io.emit("bad");
const [reason, details] = await event(client, "disconnect");
print(reason, details.constructor.name, details.message);
await server.close();
