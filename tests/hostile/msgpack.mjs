// MessagePack as far as the hostile inputs need it: small packets written, and an event's name and number read back.

/** A Socket.IO packet of `socket.io-msgpack-parser`. */
export const packet = (value) => encode(value);

export function encode(value) {
  if (value === null || value === undefined) return Buffer.of(0xc0);
  if (typeof value === "boolean") return Buffer.of(value ? 0xc3 : 0xc2);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(0xc6, value.length), value]);
  if (typeof value === "string") return Buffer.concat([head(0xdb, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value < 128 ? Buffer.of(value) : head(0xce, value);
  if (typeof value === "number") {
    const double = Buffer.alloc(9, 0xcb);
    double.writeDoubleBE(value, 1);
    return double;
  }
  if (Array.isArray(value)) return Buffer.concat([head(0xdd, value.length), ...value.map(encode)]);
  const entries = Object.entries(value);
  return Buffer.concat([head(0xdf, entries.length), ...entries.flat().map(encode)]);
}

/** A type and 32 bits: a length, or the number itself. */
export function head(type, length) {
  const bytes = Buffer.alloc(5, type);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** `[name, number]` of an event whose arguments are one whole number; `[name]` of another; undefined if it is none. */
export function eventOf(bytes) {
  const text = bytes.toString("latin1");
  const name = ["echo", "auth"].find((name) => text.includes(name) && text.includes("data"));
  if (name !== "echo") return name && [name];
  return [name, numberAt(bytes, text.indexOf("echo") + 4)];
}

function numberAt(bytes, at) {
  const type = bytes[at];
  if (type < 0x80) return type;
  if (type === 0xcc) return bytes.readUInt8(at + 1);
  if (type === 0xcd) return bytes.readUInt16BE(at + 1);
  if (type === 0xce) return bytes.readUInt32BE(at + 1);
  return undefined;
}
