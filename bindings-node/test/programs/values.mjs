// What arrives of the values that are sent, in both directions: JSON, binary, and what is neither.
import { answer, journal, print, settled, show, start } from "./support.mjs";

const server = await start();
const { io } = server;
const { client, socket } = await server.pair();
const kind = (value) => {
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${show(Buffer.from(value))}`;
  return Buffer.isBuffer(value) ? `Buffer ${show(value)}` : show(value);
};

class Point {
  constructor() {
    this.x = 1;
  }
  get y() {
    return 2;
  }
}
const shared = Buffer.from("shared");
const VALUES = {
  nothing: [],
  primitives: [1, -0, 1.5, 1e300, "text", "", true, false, null],
  "not in JSON": [undefined, Number.NaN, Number.POSITIVE_INFINITY, Symbol("s")],
  "undefined in the middle": [1, undefined, 3],
  "functions inside": [{ f() {}, x: 1 }, [() => {}, 2]],
  nested: [{ a: [{ b: [[[]]] }], c: { d: null } }],
  unicode: ["☕ é \u2028 \u0000 \ud800", "😀".repeat(3)],
  keys: [{ "": 1, "a b": 2, constructor: 3, 1: "one" }],
  "own __proto__": [JSON.parse('{"__proto__":{"polluted":1}}')],
  "a date": [new Date(0)],
  "map and set": [new Map([[1, 2]]), new Set([1])],
  "a class": [new Point()],
  toJSON: [{ toJSON: () => ({ replaced: true }) }],
  "an error": [new Error("lost")],
  boxed: [Object("s"), Object(1)],
  sparse: [Object.assign(new Array(3), { 0: 1, 2: 3 })],
  buffers: [Buffer.from("a"), Buffer.alloc(0)],
  "typed arrays": [new Uint8Array([1, 2]), new Uint16Array([258]), new Float32Array([1])],
  "a view of a part": [new Uint8Array(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2), new DataView(new ArrayBuffer(2))],
  "an ArrayBuffer": [new Uint8Array([7]).buffer],
  "nested binary": [{ a: [Buffer.from("b"), { c: Buffer.from("d") }], e: 1 }],
  "the same buffer twice": [shared, [shared]],
  "binary in toJSON": [{ toJSON: () => ({ b: Buffer.from("x") }) }],
  "a placeholder that is none": [{ num: 0 }],
  long: ["x".repeat(70_000)].map((text) => text),
};
const summary = (args) =>
  args
    .map((arg) => (typeof arg === "string" && arg.length > 1000 ? `${arg.length} characters` : kind(arg)))
    .join(" | ");
const toClient = journal("server to client");
const toServer = journal("client to server");
const acks = journal("in an answer");
socket.on("e", (...args) => {
  const done = args.pop();
  toServer(summary(args));
  done();
});
socket.on("give", (what, done) => done(...VALUES[what]));
for (const [what, args] of Object.entries(VALUES)) {
  const arrived = new Promise((resolve) => client.once("e", (...args) => resolve(args)));
  socket.emit("e", ...args);
  toClient(`${what}:`, summary(await arrived));
  toServer(`${what}:`);
  await answer((done) => client.emit("e", ...args, done));
  acks(`${what}:`, summary(await answer((done) => client.emit("give", what, done))));
}

print("many receivers get equal values");
const second = await server.pair();
const got = [client, second.client].map(
  (client) => new Promise((resolve) => client.once("b", (...args) => resolve(args))),
);
io.emit("b", { a: Buffer.from("x"), b: [1, Buffer.from("y")] }, "text");
print(...(await Promise.all(got)));

print("what was sent stays as it was");
const object = { n: 1 };
const list = [object];
const arrived = new Promise((resolve) => client.once("later", (...args) => resolve(args)));
socket.emit("later", object, list);
object.n = 2;
list.push(3);
print(await arrived);

print("handlers own what they get");
socket.on("own", (value) => {
  value.changed = true;
  print(Object.isFrozen(value), value, {}.polluted);
});
client.emit("own", { a: 1 });
await settled(client, socket);
await server.close();
