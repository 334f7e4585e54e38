// B. WebSocket handshakes and frames that break RFC 6455. 1006, a cut without a close frame, is always right: after a broken
// frame nothing that the peer sends can be trusted.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { deflateRawSync } from "node:zlib";
import { encodeFrame, openWebSocket } from "../../harness/websocket.mjs";
import { answered, expect, megabytes, pause, POLLING, SOON, together, UPGRADE, WEBSOCKET } from "../attack.mjs";

const bytes = (hex) => Buffer.from(hex.replaceAll(" ", ""), "hex");
const PROTOCOL = [1002, 1006];
const TOO_BIG = [1009, 1006, 1000, 1005]; // python-socketio takes leave politely
const NO_UTF8 = [1007, 1006];

/** Each of `frames` on a connection of its own ends it with one of `codes`. */
async function end(attack, codes, frames) {
  for (const [what, ...sent] of frames) {
    const peer = await attack.peer();
    for (const frame of sent) peer.socket.frame({ ...frame, payload: Buffer.from(frame.payload ?? "") });
    await attack.closed(peer, codes).catch((error) => {
      throw new error.constructor(`${what}: ${error.message}`);
    });
  }
}

export const inputs = [
  {
    id: "H-20",
    what: "reserved bits, reserved opcodes",
    run: (attack) =>
      end(attack, PROTOCOL, [
        ...[1, 2, 4, 7].map((rsv) => [`RSV ${rsv}`, { rsv, payload: '42["echo",1]' }]),
        ...[3, 7, 11, 15].map((opcode) => [`opcode ${opcode}`, { opcode, payload: "x" }]),
      ]),
  },
  {
    id: "H-21",
    what: "a frame without a mask",
    run: (attack) => end(attack, PROTOCOL, [["no mask", { mask: false, payload: "40" }]]),
  },
  {
    id: "H-22",
    what: "control frames in pieces, or of more than 125 bytes",
    run: (attack) =>
      end(attack, PROTOCOL, [
        ["a ping in pieces", { opcode: "ping", fin: false }],
        ["a close in pieces", { opcode: "close", fin: false }],
        ...["ping", "pong", "close"].map((opcode) => [`a long ${opcode}`, { opcode, payload: "x".repeat(126) }]),
      ]),
  },
  {
    id: "H-23",
    what: "lengths that lie",
    async run(attack) {
      const lengths = ["9223372036854775807", "18446744073709551615", "4294967296", "1000000000"];
      await attack.holdsLessThan(24, () => end(attack, [...TOO_BIG, 1002], lengths.map((length) => [`a length of ${length}`, { opcode: "binary", length, payload: "x" }])));
      for (const wide of [16, 64]) {
        const peer = await attack.peer();
        peer.socket.frame({ wide, payload: Buffer.from("3") });
        peer.socket.frame({ payload: Buffer.from('42["echo",1]') });
        await attack.next(peer);
      }
    },
  },
  {
    id: "H-24",
    what: "fragments out of order",
    run: (attack) =>
      end(attack, PROTOCOL, [
        ["a continuation of nothing", { opcode: "continuation", payload: "x" }],
        ["a message within a message", { fin: false, payload: "42[" }, { payload: '42["echo",1]' }],
      ]),
  },
  {
    id: "H-25",
    what: "a message in very many, very small pieces",
    async run(attack) {
      for (const payload of ["", "x"]) {
        const peer = await attack.peer();
        const many = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame({ fin: false, opcode: "continuation", payload: Buffer.from(payload) })));
        peer.socket.frame({ fin: false, payload: Buffer.from("4") });
        await attack.holdsLessThan(24, async () => {
          for (let n = 0; n < attack.scale(300, 1000); n++) {
            peer.socket.raw(many);
            if (n % 50 === 0 && !(await peer.socket.drained())) break;
          }
        });
        peer.drop();
      }
      const slow = await attack.peer();
      for (const byte of encodeFrame({ payload: Buffer.from('42["echo",1]') })) {
        slow.socket.raw(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      expect((await attack.next(slow)) === '42["echo",1]', "a frame in one-byte segments was lost");
    },
  },
  {
    id: "H-26",
    what: "a message over the limit, in one frame and in many",
    async run(attack) {
      const long = `42["echo","${"x".repeat(1_000_000)}"]`;
      await end(attack, TOO_BIG, [
        ["one frame", { payload: long }],
        ["eleven frames", { fin: false, payload: '42["echo","' }, ...Array(11).fill({ fin: false, opcode: "continuation", payload: "x".repeat(100_000) })],
      ]);
      const peer = await attack.peer();
      peer.socket.frame({ fin: false, payload: Buffer.from('42["echo","') });
      const piece = encodeFrame({ fin: false, opcode: "continuation", payload: megabytes(1) });
      await attack.holdsLessThan(32, async () => {
        for (let n = 0; n < 100; n++) {
          peer.socket.raw(piece);
          if (!(await peer.socket.drained(1000))) break;
        }
      });
    },
  },
  {
    id: "H-27",
    what: "text that is no UTF-8",
    async run(attack) {
      await end(attack, NO_UTF8, ["34 c3 28", "34 c0 af", "34 ed a0 80", "34 f5 80 80 80", "34 e2 82", "ff"].map((hex) => [hex, { payload: bytes(hex) }]));
      const peer = await attack.peer();
      peer.socket.frame({ fin: false, payload: Buffer.concat([Buffer.from('42["echo","'), bytes("e2 82")]) });
      peer.socket.frame({ opcode: "continuation", payload: Buffer.concat([bytes("ac"), Buffer.from('"]')]) });
      const packet = await attack.next(peer);
      expect(packet.startsWith?.("42") && JSON.parse(packet.slice(2))[1] === "€", "a character divided between two fragments was lost");
    },
  },
  {
    id: "H-28",
    what: "close frames that must not be, many of them, and none in return",
    async run(attack) {
      await end(attack, [...PROTOCOL, 1005], ["78", "03 e7", "03 ec", "03 ed", "03 ee", "03 f7", "0b b7", "00 00", "ff ff"].map((hex) => [`close ${hex}`, { opcode: "close", payload: bytes(hex) }]));
      await end(attack, [1007, 1002, 1000, 1006], [["a reason that is no UTF-8", { opcode: "close", payload: bytes("03 e8 c3 28") }]]);
      await end(attack, null, [["data after the close", { opcode: "close", payload: bytes("03 e8") }, { payload: '42["echo",1]' }]]);
      await end(attack, null, [["a thousand closes", ...Array(1000).fill({ opcode: "close", payload: bytes("03 e8") })]]);
      const mute = await attack.peer();
      mute.socket.pause();
      await mute.send(['42["server-disconnect",true]']);
    },
  },
  {
    id: "H-29",
    what: "pings without end from somebody who reads no answer",
    async run(attack) {
      const peer = await attack.peer();
      peer.socket.pause();
      const many = Buffer.concat(Array.from({ length: 500 }, () => encodeFrame({ opcode: "ping", payload: Buffer.alloc(125, "p") })));
      await attack.holdsLessThan(36, async () => {
        for (let n = 0; n < attack.scale(1500, 4000); n++) {
          peer.socket.raw(many);
          if (n % 20 === 0 && !(await peer.socket.drained(500))) break;
        }
      });
      const pongs = await attack.peer();
      for (let n = 0; n < 40; n++) pongs.socket.frame({ opcode: "pong", payload: Buffer.from("x") });
      await attack.echoes(pongs);
    },
  },
  {
    id: "H-30",
    what: "compression: offers that mean nothing, a bomb, control frames",
    async run(attack) {
      const offers = ["constructor", "permessage-deflate; server_max_window_bits=0", 'permessage-deflate; server_max_window_bits="x"', "permessage-deflate; server_max_window_bits=16", "permessage-deflate; constructor", "permessage-deflate; x; x; x", "permessage-deflate,".repeat(attack.underUvicorn ? 200 : 500), ";;;,,,", 'a="'];
      await together(offers, async (offer) => answered(await attack.tcp(`GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\n${UPGRADE}Sec-WebSocket-Extensions: ${offer}\r\n\r\n`, SOON), offer.slice(0, 40)));
      const bomb = deflateRawSync(megabytes(attack.scale(200, 1000), "4"));
      for (const frame of [{ rsv: 4, payload: bomb }, { rsv: 4, opcode: "ping", payload: deflateRawSync("x") }]) {
        const items = [];
        const { socket } = await openWebSocket(attack.port, WEBSOCKET, { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" }, onItem: (item) => items.push(item) });
        await attack.holdsLessThan(32, async () => {
          socket.frame(frame);
          for (const end = Date.now() + 8000; !items.some(({ closed }) => closed) && Date.now() < end; ) await pause(10);
        });
        expect(items.some(({ closed }) => closed), "the connection was not closed");
        socket.drop();
      }
    },
  },
  {
    id: "H-31",
    what: "handshakes that lack something, or bring too much",
    async run(attack) {
      const without = (name) => UPGRADE.split("\r\n").filter((line) => !line.startsWith(name)).join("\r\n");
      const key = "Sec-WebSocket-Key";
      const wrong = [without(key), `${without(key)}${key}: abc\r\n`, `${UPGRADE}${key}: dGhlIHNhbXBsZSBub25jZQ==\r\n`, UPGRADE.replace("13", "7"), UPGRADE.replace("13", "13x"), without("Sec-WebSocket-Version"), UPGRADE.replace("websocket", "h2c"), without("Connection")];
      for (const lines of wrong) {
        // Without a valid upgrade it is a plain GET, which is refused as well.
        const { outcome } = await attack.tcp(`GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`, { quietMs: 100 });
        expect(outcome === "closed" || (outcome >= 400 && outcome !== 500) || (outcome === 101 && lines.split(key).length === 3), `${JSON.stringify(lines)} was answered with ${outcome}`);
      }
      const { outcome } = await attack.tcp(`GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\n${UPGRADE}Sec-WebSocket-Protocol: a${" ".repeat(1e6)}b\r\n\r\n`);
      expect(outcome === "closed" || outcome >= 400 || attack.underUvicorn, `a megabyte of blanks was answered with ${outcome}`);
      const items = [];
      const { socket } = await openWebSocket(attack.port, WEBSOCKET, { after: encodeFrame({ payload: Buffer.from("40") }), onItem: (item) => items.push(item) });
      for (const end = Date.now() + 3000; !items.some(({ text }) => text?.startsWith("40")) && Date.now() < end; ) await pause(10);
      socket.drop();
      expect(attack.underUvicorn || items.some(({ text }) => text?.startsWith("40")), "frames that came with the handshake were lost");
    },
  },
  {
    id: "H-32",
    what: "a reset at every byte of the handshake, and right after it",
    async run(attack) {
      const handshake = Buffer.from(`GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
      for (let length = 0; length <= handshake.length; length += attack.scale(3, 1)) await cut(attack.port, handshake.subarray(0, length));
      for (let n = 0; n < 20; n++) (await attack.session()).socket.reset();
      for (let n = 0; n < 20; n++) {
        const peer = await attack.peer();
        peer.socket.raw(randomBytes(1 + n));
        peer.socket.reset();
      }
      const half = await attack.peer();
      half.socket.halfClose();
      await attack.closed(half);
      answered(await attack.request("GET", POLLING));
    },
  },
];

function cut(port, bytes) {
  return new Promise((resolve) => {
    const tcp = connect({ port, host: "127.0.0.1" });
    tcp.on("error", () => {}).on("close", resolve);
    tcp.once("connect", () => tcp.write(bytes.length > 0 ? bytes : "", () => tcp.resetAndDestroy()));
  });
}
