// What npm's parsers say, in the form that ferrio's answers have.
import { decodePacket, decodePayload } from "engine.io-parser";
import { Decoder } from "socket.io-parser";

export function npmAnswer([kind, frames]) {
  try {
    if (kind === "sio") return socketPacket(frames);
    if (kind === "eio") return enginePacket(decodePacket(raw(frames[0])));
    const packets = decodePayload(frames[0]);
    const whole = packets.at(-1).type !== "error";
    return { packets: (whole ? packets : packets.slice(0, -1)).map(enginePacket), whole };
  } catch (error) {
    return { refused: error.message };
  }
}

const [EVENT, ACK] = [2, 3];
const raw = (frame) => (typeof frame === "string" ? frame : Buffer.from(frame.hex, "hex"));

function enginePacket({ type, data }) {
  if (type === "error") return { refused: data };
  if (Buffer.isBuffer(data)) return { type, hex: data.toString("hex") };
  // What nobody reads: data behind a close, an upgrade or a noop. Nothing behind the others is an empty text to whoever does.
  return ["close", "upgrade", "noop"].includes(type) ? { type } : { type, data: data ?? "" };
}

function socketPacket(frames) {
  const decoder = new Decoder();
  let packet = { waits: true };
  decoder.on("decoded", ({ type, nsp, id, data }) => {
    packet = { type, nsp };
    // Nobody reads the id of another packet.
    if (id !== undefined && (type === EVENT || type === ACK)) packet.id = id;
    if (data !== undefined) packet.data = JSON.stringify(data, (_, value) => (isBuffer(value) ? { bytes: Buffer.from(value.data).toString("hex") } : value));
  });
  frames.forEach((frame, n) => {
    if (n > 0 && packet.waits === undefined) throw new Error("more frames than one packet");
    decoder.add(raw(frame));
  });
  return packet;
}

/** As `JSON.stringify` hands it over: by then it has been asked for its JSON. */
const isBuffer = (value) => value?.type === "Buffer" && Array.isArray(value.data);
