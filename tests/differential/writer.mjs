// Writes packets by chance: mostly legal ones, then bent a little.

const NAMES = ["a", "message", "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "error", "__proto__", "\\u0063onnect", "é", "😀", "\\ud83d\\ude00", "", "a\\nb"];
const NAMESPACES = ["", "/a,", "/,", "/a/b,", "/é,", "/a?x=1,", "/__proto__,", "/a", "/a,1,"];
const BITS = ['"', "[", "]", "{", "}", ",", ":", "-", "0", "1", "9", "e", ".", "/", "\\", " ", "b", "4", "\x1e", "é", "x", "null", "true", "_placeholder", "num", "1e3", "0x1", "\t", "\ufeff", "=", "+"];

export class Writer {
  #state;

  constructor(seed) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** `[kind, frames]`, as core/protocol/examples/decode.rs takes it. */
  question() {
    const kind = this.#one(["sio", "sio", "sio", "sio", "eio", "payload"]);
    if (kind === "sio") return [kind, this.#socketPacket()];
    if (kind === "eio") return [kind, [this.#chance(8) ? { hex: this.#hex() } : this.#bent(this.#enginePacket())]];
    return [kind, [this.#bent(Array.from({ length: 1 + this.#below(4) }, () => this.#enginePacket()).join("\x1e"))]];
  }

  #socketPacket() {
    const type = this.#one(["0", "1", "2", "2", "2", "3", "4", "5", "5", "6"]);
    const attachments = "56".includes(type) ? this.#below(4) : 0;
    const count = "56".includes(type) ? `${attachments}-` : "";
    const id = this.#chance(3) ? this.#one(["0", "7", "12", "9007199254740991", "9007199254740992", "00", "99999999999999999999"]) : "";
    const head = `${type}${count}${this.#one(NAMESPACES)}${type === "3" || type === "6" ? this.#one(["0", "5", ""]) : id}`;
    const text = this.#bent(`${head}${this.#data(type, attachments)}`);
    const frames = Array.from({ length: Math.max(0, attachments - (this.#chance(10) ? 1 : 0)) }, () => ({ hex: this.#hex() }));
    if (this.#chance(40)) frames.push(this.#chance(2) ? { hex: "01" } : text);
    return [text, ...frames];
  }

  #data(type, attachments) {
    switch (type) {
      case "0":
        return this.#chance(2) ? "" : this.#object(0, 2);
      case "1":
        return this.#chance(8) ? this.#value(0, 2) : "";
      case "4":
        return this.#chance(2) ? this.#object(0, 2) : this.#value(0, 2);
      default: {
        const name = "25".includes(type) ? [this.#chance(6) ? this.#value(0, 2) : `"${this.#one(NAMES)}"`] : [];
        const items = Array.from({ length: this.#below(4) }, () => this.#value(attachments, 3));
        for (let num = 0; num < attachments; num++) if (!this.#chance(6)) items.push(this.#placeholder(attachments));
        return `[${[...name, ...items].join(this.#chance(12) ? " , " : ",")}]`;
      }
    }
  }

  #value(attachments, depth) {
    if (attachments > 0 && this.#chance(5)) return this.#placeholder(attachments);
    if (depth > 0 && this.#chance(3)) return this.#chance(2) ? this.#object(attachments, depth - 1) : `[${Array.from({ length: this.#below(3) }, () => this.#value(attachments, depth - 1)).join(",")}]`;
    return this.#one(["0", "-0", "1", "-1.5", "1e3", "1E-7", "1e400", "123456789012345678901234567890", "true", "false", "null", '"x"', '"é"', '"\\u0000"', '"\\ud800"', '""', '"\\/"', "NaN", "01", "+1", '"\t"']);
  }

  #object(attachments, depth) {
    const keys = ["a", "b", "1", "__proto__", "constructor", "", "_placeholder", "num", "length"];
    return `{${Array.from({ length: this.#below(3) }, () => `"${this.#one(keys)}":${this.#value(attachments, depth)}`).join(",")}}`;
  }

  #placeholder(attachments) {
    const num = this.#chance(8) ? this.#one(["-1", "0.5", '"0"', "null", String(attachments), "1e0", "-0"]) : this.#below(attachments);
    return this.#chance(12) ? `{"num":${num},"_placeholder":${this.#one(["true", "1", "false"])},"x":1}` : `{"_placeholder":true,"num":${num}}`;
  }

  #enginePacket() {
    const text = this.#one(["", "probe", "x", '{"sid":"a"}', "é", '2["a",1]']);
    return this.#chance(4) ? `b${this.#one(["AQID", "AQI=", "AQ==", "", "A", "AQ", "!!!!", "AQID\n", "_-_-", "+/+/"])}` : `${this.#below(8)}${text}`;
  }

  /** Sometimes a piece more, a piece less, or a piece changed. */
  #bent(text) {
    if (!this.#chance(3)) return text;
    const bits = [...text];
    for (let n = this.#below(3); n >= 0; n--) bits.splice(this.#below(bits.length + 1), this.#below(3), ...(this.#chance(3) ? [] : [this.#one(BITS)]));
    return bits.join("");
  }

  #hex() {
    return Buffer.from(Array.from({ length: this.#below(4) }, () => this.#below(256))).toString("hex");
  }

  #one(list) {
    return list[this.#below(list.length)];
  }

  /** True once in `n`. */
  #chance(n) {
    return this.#below(n) === 0;
  }

  /** xorshift: the same packets for the same seed. */
  #below(n) {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }
}
