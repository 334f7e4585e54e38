// Engine.IO payloads, v4 (joined by 0x1e) and v3 (counted), for honest peers only. Packets are text, or bytes.

export function encodePayload(packets, eio) {
  const texts = packets.map((packet) => (Buffer.isBuffer(packet) ? `${eio === 3 ? "b4" : "b"}${packet.toString("base64")}` : packet));
  return eio === 3 ? texts.map((text) => `${text.length}:${text}`).join("") : texts.join("\x1e");
}

export function decodePayload({ body, headers }, eio) {
  if (eio !== 3) return body.toString().split("\x1e").map((text) => ({ text }));
  return headers["content-type"]?.startsWith("application/octet-stream") ? decodeBytes(body) : decodeCounted(body.toString());
}

/** What the text or frame of one packet carries: binary comes as base64 or, in v3 frames, behind a type byte. */
export function packetOf({ text, binary }, eio) {
  if (binary !== undefined) return eio === 3 ? binary.subarray(1) : binary;
  if (text[0] === "b") return Buffer.from(text.slice(eio === 3 ? 2 : 1), "base64");
  return text;
}

function decodeCounted(text) {
  const items = [];
  for (let at = 0; at < text.length; ) {
    const colon = text.indexOf(":", at);
    const length = Number(text.slice(at, colon));
    items.push({ text: text.slice(colon + 1, colon + 1 + length) });
    at = colon + 1 + length;
  }
  return items;
}

function decodeBytes(bytes) {
  const items = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0xff, at);
    const length = Number([...bytes.subarray(at + 1, end)].join(""));
    const content = bytes.subarray(end + 1, end + 1 + length);
    // Text lies in the payload as one byte per character of its UTF-8 form.
    items.push(bytes[at] === 0 ? { text: content.toString() } : { binary: content });
    at = end + 1 + length;
  }
  return items;
}
