// D. Socket.IO packets that no honest client sends. What is right is not always the same: an offender may be thrown out, or be
// ignored and go on. He may not hurt others, hold memory, reach a handler he must not reach, or find himself with a
// connection that neither answers nor ends.
import { encode, head, packet } from "../msgpack.mjs";
import { expect, Failure, megabytes, pause, show } from "../attack.mjs";

/** After `packets` a connection has ended, or it still answers. */
async function endsOrAnswers(attack, packets, what = show(packets[0]), options) {
  const peer = await attack.peer(options);
  for (const one of packets) await peer.send([one]);
  await peer.send(['42["echo","alive"]']);
  for (const end = Date.now() + 4000; ; ) {
    const came = await peer.next(Math.max(end - Date.now(), 0));
    if (came === null) throw new Failure(`after ${what} the connection neither answers nor ends`);
    if (came.closed !== undefined || came === '42["echo","alive"]') break;
  }
  peer.drop();
}

const each = async (attack, all) => {
  for (const packets of all) await endsOrAnswers(attack, [packets].flat());
};

/** What came of `packets` sent right behind the handshake, until the connection ended or an honest CONNECT was answered. */
async function beforeConnect(attack, packets) {
  const peer = await attack.session();
  await peer.send(packets);
  await peer.send(["40/custom,"]);
  const came = [];
  for (const end = Date.now() + 4000; ; ) {
    const one = await peer.next(Math.max(end - Date.now(), 0));
    if (one === null) throw new Failure(`after ${show(packets[0])} the connection neither answers nor ends`);
    came.push(one);
    if (one.closed !== undefined || one.startsWith?.("40/custom,{")) break;
  }
  peer.drop();
  return came;
}

const nested = (open, depth) => open.repeat(depth);

export const inputs = [
  {
    id: "H-51",
    what: "the same CONNECT again and again while the first is pending",
    async run(attack) {
      const peer = await attack.session();
      await peer.send(Array.from({ length: 100 }, () => "40/slow,"));
      let joined = 0;
      for (let packet; (packet = await peer.next(600)) !== null && packet.closed === undefined; ) joined += packet.startsWith?.("40/slow,{") ? 1 : 0;
      expect(joined <= 1, `it was let in ${joined} times`);
      const silent = await attack.session();
      await attack.holdsLessThan(24, () => silent.send(Array.from({ length: attack.scale(10_000, 50_000) }, () => "40/silent,")).then(() => pause(300)));
    },
  },
  {
    id: "H-52",
    what: "namespaces: unknown ones without end, thousands of dynamic ones, odd and long names",
    async run(attack) {
      const unknown = await attack.session();
      await attack.holdsLessThan(24, async () => {
        await unknown.send(Array.from({ length: attack.scale(5000, 10_000) }, (_, n) => `40/never-${n},`));
        for (let n = 0; n < 5000 && (await attack.next(unknown)).closed === undefined; n++);
      });
      const many = await attack.session();
      await many.send(Array.from({ length: 2000 }, (_, n) => `40/dyn-${n},`));
      let joined = 0;
      for (let one; (one = await many.next(500)) !== null && one.closed === undefined; ) joined += /^40\/dyn-\d+,\{/.test(one) ? 1 : 0;
      expect(joined <= 100, `one connection is in ${joined} namespaces`);
      for (const name of [`/${"n".repeat(900_000)}`, "/a?x=1", "//", "/__proto__", "/constructor", "/\0", "/%00", "/\n", "/ ", "/é"]) await beforeConnect(attack, [`40${name},`]);
    },
  },
  {
    id: "H-53",
    what: "a CONNECT that is never answered, and its client gone",
    async run(attack) {
      const count = attack.scale(200, 5000);
      // Python's connect handler goes on when its client has left, and has its arguments as long as it runs: 50 kB of auth and
      // what a task takes. Four times that with the original.
      const kept = attack.face.dialect === "python" ? (count * 64) / 1024 : 0;
      await attack.holdsLessThan(24 + kept, async () => {
        for (let n = 0; n < count; n++) {
          const peer = await attack.session();
          await peer.send([`40/silent,${JSON.stringify({ token: "x".repeat(50_000) })}`]);
          await peer.socket.drained();
          peer.drop();
        }
      });
    },
  },
  {
    id: "H-54",
    what: "a client that leaves its namespace and stays connected",
    server: "beating",
    async run(attack) {
      const peer = await attack.peer();
      await peer.send(["41"]);
      await attack.closed(peer); // it answers pings all the while
    },
  },
  {
    id: "H-55",
    what: "CONNECT with odd payloads; somebody else's session to recover",
    server: "recovery",
    async run(attack) {
      for (const payload of ["[]", '"x"', "null", "{", "1", '{"__proto__":{"isAdmin":true}}', '{"pid":{},"offset":[]}', '{"pid":"__proto__","offset":"x"}', '{"pid":"x","offset":1e400}', `{"a":"${"x".repeat(900_000)}"}`]) await beforeConnect(attack, [`40${payload}`]);

      const owner = await attack.session();
      const { sid, pid } = await attack.join(owner);
      if (pid === undefined) return;
      await owner.send(['42["echo",1]']);
      let offset;
      while (offset === undefined) {
        const event = await attack.next(owner);
        if (event.startsWith('42["echo"')) offset = JSON.parse(event.slice(2)).at(-1);
      }
      owner.socket.reset();
      await pause(50);
      const thieves = await Promise.all(Array.from({ length: 20 }, () => attack.session()));
      await Promise.all(thieves.map((thief) => thief.send([`40${JSON.stringify({ pid, offset })}`])));
      await pause(500);
      // Who has the id, and is not told at once that somebody else has it now, is answered.
      const owners = await Promise.all(
        thieves.map(async (thief) => {
          let mine = false;
          await thief.send(['429["ack",1]']);
          for (let packet; (packet = await thief.next(500)) !== null && packet.closed === undefined; ) {
            if (packet.startsWith?.("40{")) mine = JSON.parse(packet.slice(2)).sid === sid;
            if (packet.startsWith?.("439[")) return mine;
          }
          return false;
        }),
      );
      const same = owners.filter(Boolean).length;
      expect(same <= 1, `${same} clients have one socket's id at a time`);
    },
  },
  {
    id: "H-56",
    what: "events that are none, reserved names, names of prototypes, very many names",
    async run(attack) {
      await each(attack, ["42", "42[]", "42{}", '42"x"', "42[null]", "42[{}]", '42[["a"]]', "42[1]", "42[1e400]", "42[true]", '42["*"]', '42["\\u0000"]', '42["a\\nb"]', `42["${"n".repeat(900_000)}"]`, '42["error",{"message":"x"}]', '42["error"]']);
      await each(attack, ["__proto__", "constructor", "toString", "hasOwnProperty", "message", "newListener", "removeListener"].map((name) => `42["${name}",{"x":1}]`));
      for (const name of ["connect", "connection", "disconnect", "disconnecting", "connect_error"]) {
        const peer = await attack.peer();
        await peer.send([`42["${name}","forged"]`]);
        await pause(30);
        const observer = await attack.peer();
        const [life] = await attack.ask(observer, "life", peer.id);
        const [reasons] = await attack.ask(observer, "reasons");
        expect(!JSON.stringify([life, reasons]).includes("forged"), `"${name}" of a client reached the server's own handler`);
        for (let one; (one = await peer.next(0)) !== null && one.closed === undefined; ) expect(!one.startsWith?.('42["auth"'), `"${name}" of a client was taken for a connection`);
        observer.drop();
      }
      const names = await attack.peer();
      await attack.holdsLessThan(32, async () => {
        for (let n = 0; n < attack.scale(20_000, 100_000); n++) names.socket.send(`42["name-${n}",1]`);
        await attack.echoes(names);
      });
    },
  },
  {
    id: "H-57",
    what: "ack ids that are none; acks that nobody asked for; acks that never come",
    async run(attack) {
      await each(attack, ['420["ack",1]', '42-1["ack",1]', '42 ["ack",1]', `42${"9".repeat(400)}["ack",1]`, '429007199254740993["ack",1]', ['421["ack",1]', '421["ack",2]'], "43", "43999[]", ["430[]", "430[]"], "43{}", "430{}", "43/custom,0[]", '461-0[{"_placeholder":true,"num":0}]', '43-1[""]', "431e3[]"]);
      const peer = await attack.peer();
      await attack.holdsLessThan(24, async () => {
        for (let n = 0; n < attack.scale(20_000, 1_000_000); n++) {
          peer.socket.send(`42${n}["nobody-answers"]`);
          if (n % 1000 === 0) await peer.socket.drained();
        }
        for (let n = 0; n < 5000; n++) peer.socket.send(`43${n}[1]`);
        await attack.echoes(peer);
      });
    },
  },
  {
    id: "H-58",
    what: "packets of the wrong direction, or at the wrong time",
    async run(attack) {
      await each(attack, ['44{"message":"x"}', "44", '44/custom,"x"', "41/other,", "47", "4", "4x", "0{}", "40", "5", "6"]);
      for (const early of ['42["echo",1]', '421["ack",1]', "41", "430[]", '44{"message":"x"}']) {
        const came = await beforeConnect(attack, [early]);
        expect(!came.some((one) => /^4[23]/.test(one) && !one.startsWith("42/custom")), `${early} before CONNECT was answered`);
      }
      const left = await attack.peer();
      await left.send(["41", '42["echo","after"]']);
      for (let one; (one = await left.next(100)) !== null && one.closed === undefined; ) expect(one !== '42["echo","after"]', "an event after DISCONNECT was answered");
    },
  },
  {
    id: "H-59",
    what: "attachments: none, too many, not all, not where they are said to be",
    async run(attack) {
      const bytes = Buffer.from("01ff", "hex");
      await each(attack, ['450-["echo"]', '45["echo"]', '45-["echo"]', '4511-["echo"]', '4599999999999-["echo"]', '451.5-["echo"]', '45-1-["echo"]', '450x1-["echo"]', '451e0-["echo"]', '460-1["x"]']);
      const header = '451-["echo",{"_placeholder":true,"num":0}]';
      await each(attack, [[header, '42["echo",1]'], [header, header], [header, "41"], [bytes], [header, bytes, bytes]]);
      for (const num of ["-1", "1", "0.5", '"0"', '"splice"', "null", "1e9", "{}", "true"]) await endsOrAnswers(attack, [`451-["echo",{"_placeholder":true,"num":${num}}]`, bytes]);
      await each(attack, [['451-["echo"]', bytes], ['451-["echo",{"_placeholder":"true","num":0}]', bytes], ['452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', bytes, bytes]]);
      for (const announcement of ['450-["echo"]', '4599999999999-["echo"]']) {
        const peer = await attack.peer();
        await peer.send([announcement]);
        await attack.holdsLessThan(24, async () => {
          for (let n = 0; n < 60; n++) {
            peer.socket.frame({ opcode: "binary", payload: Buffer.alloc(950_000) });
            if (!(await peer.socket.drained(1000))) break;
          }
        });
        peer.drop();
      }
      // Held open by one connection: no more than ten attachments of the largest size.
      const holding = await attack.peer();
      await attack.holdsLessThan(24, async () => {
        holding.socket.send(`4510-["echo",${Array.from({ length: 10 }, (_, num) => `{"_placeholder":true,"num":${num}}`)}]`);
        for (let n = 0; n < 9; n++) holding.socket.send(Buffer.alloc(950_000));
        await holding.socket.drained();
        await pause(100);
      });
    },
  },
  {
    id: "H-60",
    what: "JSON that is deep, long, odd, or looks like a prototype",
    async run(attack) {
      for (const open of ["[", '{"a":']) await endsOrAnswers(attack, [`42["echo",${nested(open, 100_000)}`], `100,000 times ${open}`);
      await endsOrAnswers(attack, [`42["echo",${nested("[", 50_000)}${nested("]", 50_000)}]`], "50,000 lists in each other");
      await each(attack, ["NaN", "Infinity", "1e-400", "1e400", '"\\ud800"', '"\\u0000"', "01", "tru", "[1,]", '{"length":4294967295}', '{"4294967294":1}', '{"a":1,"a":2}'].map((json) => `42["echo",${json}]`));
      await endsOrAnswers(attack, [`42["echo",${"9".repeat(100_000)}]`], "an integer of 100,000 digits");
      const keys = `{${Array.from({ length: 60_000 }, (_, n) => `"k${n}":0`).join(",")}}`;
      await endsOrAnswers(attack, [`42["message-with-ack",${keys}]`], "60,000 keys");
      const peer = await attack.peer();
      const value = '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}}}';
      await peer.send([`42["echo",${value}]`]);
      const back = await attack.next(peer);
      expect(back === `42["echo",${value}]`, `keys with the names of prototypes came back as ${show(back)}`);
      const deep = `${nested("[", 100)}${nested("]", 100)}`;
      await peer.send([`42["echo",${deep}]`]);
      expect((await attack.next(peer)) === `42["echo",${deep}]`, "100 lists in each other did not come back");
    },
  },
  {
    id: "H-61",
    what: "MessagePack that lies about its lengths, types and depth",
    server: "msgpack",
    needs: "msgpack",
    async run(attack) {
      const event = (data, more) => packet({ type: 2, nsp: "/", data, ...more });
      const wrong = [
        encode([1, 2]), encode("x"), Buffer.of(0xc1), Buffer.alloc(0), ...[5, 6, 255, 1.5, "2", null].map((type) => packet({ type, nsp: "/", data: ["x"] })),
        packet({ type: 2, data: ["x"] }), packet({ type: 2, nsp: 1, data: ["x"] }), event(["x"], { id: 0.5 }), event(["x"], { id: "1" }), Buffer.concat([event(["x"]), Buffer.of(0xc0)]),
        head(0xdd, 4e9), head(0xdf, 4e9), head(0xc6, 4e9), Buffer.alloc(100_000, 0x91), Buffer.alloc(100_000, 0x81), Buffer.from("c70501ffffffffff", "hex"), event([Buffer.from("x")]), event({ a: 1 }), event([]), event("x"),
        Buffer.concat([event(["x"]).subarray(0, -7), Buffer.of(0xdb, 0, 0, 0, 2, 0xc3, 0x28)]), event(["connect"]), event(["__proto__", 1]), packet({ type: 0, nsp: "/", data: [1] }),
      ];
      for (const bytes of wrong) {
        const peer = await attack.session();
        await peer.send([packet({ type: 0, nsp: "/" })]);
        for (let answers = 0; answers < 2; answers++) await attack.next(peer); // CONNECT and `auth`
        await attack.holdsLessThan(24, async () => {
          await peer.send([bytes]);
          await peer.send([event(["echo", 7])]);
          // It has ended, or it answers.
          for (const end = Date.now() + 4000; ; ) {
            const came = await peer.next(Math.max(end - Date.now(), 0));
            if (came === null) throw new Failure(`after ${bytes.subarray(0, 16).toString("hex")} the connection neither answers nor ends`);
            if (came.closed !== undefined || came.includes?.("echo")) break;
          }
        });
        peer.drop();
      }
      await attack.holdsLessThan(24, async () => {
        const peer = await attack.session();
        for (let n = 0; n < 20; n++) peer.socket.send(Buffer.concat([head(0xdd, 900_000), megabytes(0.85, "\x00")]));
        await peer.socket.drained();
      });
    },
  },
  {
    id: "H-62",
    what: "a client that speaks MessagePack where JSON is spoken",
    async run(attack) {
      const came = await beforeConnect(attack, [packet({ type: 0, nsp: "/" }), packet({ type: 2, nsp: "/", data: ["echo", 1] })]);
      expect(!came.some((one) => Buffer.isBuffer(one)), "it was answered in MessagePack");
      await endsOrAnswers(attack, [packet({ type: 2, nsp: "/", data: ["echo", 1] })]);
    },
  },
];
