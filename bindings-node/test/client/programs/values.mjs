// What values become on their way, to the server and back.
import { answer, attempt, event, journal, print, start } from "./support.mjs";

class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
}
class Temperature {
  toJSON() {
    return { degrees: 21, raw: Buffer.from("t") };
  }
}
const VALUES = [
  ["nothing"],
  [undefined, null, true, false],
  [0, -0, 1.5, -1e21, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53],
  ["", "text", "ü☕𝄞\u0000\n\u2028\ud800", "x".repeat(5000)],
  [[], [1, [2, [3]]], {}, { a: { b: { c: null } }, u: undefined }],
  [new Date(0), new Point(1, 2), new Map([[1, 2]]), new Set([1]), /x/, Symbol("s"), new Error("e")],
  [Object.create(null), Object.create({ inherited: 1 }), Object.assign([1], { extra: 2 })],
  [
    Buffer.from("abc"),
    new Uint8Array([1, 2]),
    new Uint16Array([1, 2]),
    new ArrayBuffer(3),
    new DataView(new ArrayBuffer(2)),
  ],
  [{ deep: [{ bytes: Buffer.alloc(0) }] }, [Buffer.from("a"), Buffer.from("a")]],
  [new Temperature()],
  [{ _placeholder: true, num: 5 }, { _placeholder: "true" }],
  [{ ["__proto__"]: 2 }, { constructor: "c", toString: "s" }],
  [Buffer.alloc(100_000, 7)],
];

for (const transports of [["websocket"], ["polling"]]) {
  const server = await start();
  const { client, socket } = await server.pair("/", { transports });
  const log = journal(`server, ${transports}`);
  const brief = (value) => (Buffer.isBuffer(value) && value.length > 1000 ? `${value.length} bytes` : value);
  socket.on("echo", (...args) => {
    const done = args.pop();
    log(args.map(brief));
    done(...args);
  });
  for (const values of VALUES) {
    print((await answer((done) => client.emit("echo", ...values, done))).map(brief));
  }
  print("names");
  for (const name of ["", " ", "ü", "a\nb", "x".repeat(200), 5, "5"]) {
    const heard = event(client, String(name));
    socket.once(String(name), (value) => socket.emit(name, value));
    client.emit(name, "v");
    print(String(name).length, await heard);
  }
  print("what cannot be sent");
  const cycle = {};
  cycle.self = cycle;
  for (const value of [1n, cycle]) {
    print(String(attempt(() => client.emit("echo", value))).split("\n")[0]);
  }
  const self = { own: 1 };
  const bytes = Buffer.from("abc");
  client.emit("echo", self, bytes, () => {});
  self.own = 2;
  print(await client.emitWithAck("echo", self));
  print("send", client.send("a", 1) === client, await event(socket, "message"));
  socket.send("b", { c: 1 });
  print(await event(client, "message"));
  client.disconnect();
  await server.close();
}
