// What a program written for socket.io-client expects of a server. Each case is played by every client over every transport.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "./clients.mjs";

const { deepEqual, equal, notEqual, ok } = assert;

export const cases = {
  async "connects and learns its id"(stage) {
    const socket = await stage.connected();
    ok(socket.connected);
    const [rooms] = await ask(socket, "rooms");
    deepEqual(rooms, [socket.id]);
  },

  async "ends on the transport it should"(stage) {
    const socket = await stage.connected();
    deepEqual(await ask(socket, "transport"), [stage.transports.at(-1)]);
  },

  async "shows its credentials"(stage) {
    const socket = stage.client("/custom", { auth: { token: "123" } });
    const [auth] = await socket.received("auth");
    equal(auth.token, "123");
  },

  async "sends and gets every kind of value"(stage) {
    const socket = await stage.connected();
    const values = [null, true, 0, -1.5, "", "€ 한글 🦀", [], {}, { deep: [{ er: [1, "2", null] }] }];
    socket.emit("echo", ...values);
    deepEqual(await socket.received("echo"), values);
  },

  async "sends and gets binary, also deep inside"(stage) {
    const socket = await stage.connected();
    const values = [Buffer.from([1, 2, 3]), { file: { data: randomBytes(1024), name: "é" }, more: [Buffer.alloc(0)] }];
    socket.emit("message", ...values);
    deepEqual(plain(await socket.received("message-back")), values);
  },

  async "sends and gets 200 KiB of text and of bytes"(stage) {
    const socket = await stage.connected();
    const text = "é".repeat(100 * 1024);
    const bytes = randomBytes(200 * 1024);
    socket.emit("echo", text, bytes);
    deepEqual(plain(await socket.received("echo")), [text, bytes]);
  },

  async "sends many events that come back in order"(stage) {
    const socket = stage.client(); // while it upgrades, if it does
    for (let n = 0; n < stage.many; n++) socket.emit("echo", n);
    for (let n = 0; n < stage.many; n++) deepEqual(await socket.received("echo"), [n]);
  },

  async "gets a burst in order, attachments between"(stage) {
    const socket = await stage.connected();
    socket.emit("burst", 200);
    for (let n = 0; n < stage.many / 2; n++) socket.emit("echo", n, Buffer.from([n]));
    for (let n = 0; n < 200; n++) deepEqual(await socket.received("burst"), [n]);
    for (let n = 0; n < stage.many / 2; n++) deepEqual(plain(await socket.received("echo")), [n, Buffer.from([n])]);
  },

  async "gets everything while it upgrades"(stage) {
    const socket = stage.client();
    socket.emit("ticks", 60, 5);
    for (let n = 0; n < 60; n++) deepEqual(await socket.received("tick"), [n]);
  },

  async "asks and is answered"(stage) {
    const socket = await stage.connected();
    deepEqual(await ask(socket, "message-with-ack", 1, "zwei", { 3: [Buffer.from("four")] }).then(plain), [1, "zwei", { 3: [Buffer.from("four")] }]);
    deepEqual(await ask(socket, "join", "somewhere"), []);
  },

  async "is asked and answers"(stage) {
    const socket = await stage.connected();
    socket.on("question", (text, bytes, answer) => answer(text.toUpperCase(), bytes));
    socket.emit("emit-ack", 5000, "what?", Buffer.from([7]));
    deepEqual(plain(await socket.received("answer")), ["ok", "WHAT?", Buffer.from([7])]);
  },

  async "is asked and keeps silent"(stage) {
    const socket = await stage.connected();
    socket.on("question", () => {});
    socket.emit("emit-ack", 100);
    deepEqual(await socket.received("answer"), ["timeout"]);
  },

  async "meets others in rooms"(stage) {
    const [a, b, c] = await Promise.all([stage.connected(), stage.connected(), stage.connected()]);
    const room = `room of ${a.id}`;
    await Promise.all([ask(a, "join", room), ask(b, "join", room)]);
    deepEqual((await ask(c, "fetch", room))[0].sort(), [a.id, b.id].sort());
    a.emit("to", room, "to the others");
    deepEqual(await b.received("to"), ["to the others"]);
    c.emit("bcast", room, { image: Buffer.from([1, 2]) });
    deepEqual(plain(await a.received("bcast")), [{ image: Buffer.from([1, 2]) }]);
    deepEqual(plain(await b.received("bcast")), [{ image: Buffer.from([1, 2]) }]);
    await ask(a, "leave", room);
    c.emit("bcast", room, 2);
    deepEqual(await b.received("bcast"), [2]);
    deepEqual(await ask(a, "ack", "nothing more"), ["nothing more"]);
  },

  async "broadcasts to the others"(stage) {
    const [a, b] = await Promise.all([stage.connected("/dyn-3"), stage.connected("/dyn-3")]);
    a.emit("broadcast", "hello", Buffer.from([1]));
    deepEqual(plain(await b.received("broadcast")), ["hello", Buffer.from([1])]);
  },

  async "answers a question to a room"(stage) {
    const [a, b] = await Promise.all([stage.connected(), stage.connected()]);
    const room = `room of ${a.id}`;
    for (const socket of [a, b]) {
      socket.on("question", (text, answer) => answer(`${text} ${socket.id}`));
      await ask(socket, "join", room);
    }
    a.emit("bcast-ack", room, 5000, "I am");
    const [outcome, answers] = await a.received("answers");
    equal(outcome, "ok");
    deepEqual(answers.sort(), [`I am ${a.id}`, `I am ${b.id}`].sort());
  },

  async "shares one connection between namespaces"(stage) {
    const main = stage.client("/", { forceNew: false, multiplex: true });
    const custom = main.io.socket("/custom");
    await Promise.all([main.connected || once(main, "connect"), once(custom, "connect")]);
    notEqual(main.id, custom.id);
    custom.disconnect();
    deepEqual(await ask(main, "ack", "still here"), ["still here"]);
  },

  async "is refused, with the reason"(stage) {
    const socket = stage.client("/admin", { auth: { token: "bad" } });
    const [error] = await once(socket, stage.old ? "error" : "connect_error");
    if (stage.old) return deepEqual(error, { code: 401 });
    equal(error.message, "refused");
    deepEqual(error.data, { code: 401 });
    ok(!socket.connected);
  },

  async "is refused by a namespace that is not there"(stage) {
    const socket = stage.client("/nowhere");
    const [error] = await once(socket, stage.old ? "error" : "connect_error");
    // Python's refusal is a bare text, of which the client makes an error without a message.
    equal(error.message, stage.python ? "" : "Invalid namespace");
  },

  async "leaves, and the server hears why"(stage) {
    const [socket, observer] = await Promise.all([stage.connected(), stage.connected()]);
    const { id } = socket;
    socket.disconnect();
    equal(await reasonOf(observer, id), stage.python ? "client disconnect" : "client namespace disconnect");
  },

  async "is cut off, and the server hears why"(stage) {
    const [socket, observer] = await Promise.all([stage.connected(), stage.connected()]);
    const { id } = socket;
    const [reason] = await Promise.all([once(socket, "disconnect").then(([why]) => why), socket.io.engine.close()]);
    equal(reason, "forced close");
    equal(await reasonOf(observer, id), stage.python && stage.transports.length === 1 && stage.transports[0] === "polling" ? "client disconnect" : "transport close");
  },

  async "is sent away, and hears why"(stage) {
    const [socket, observer] = await Promise.all([stage.connected(), stage.connected()]);
    const { id } = socket;
    socket.emit("server-disconnect", false);
    const [reason] = await once(socket, "disconnect");
    equal(reason, "io server disconnect");
    equal(await reasonOf(observer, id), stage.python ? "server disconnect" : "server namespace disconnect");
  },

  async "comes back after the server was restarted"(stage) {
    await stage.ownServer();
    const socket = await stage.connected();
    const { id } = socket;
    const left = once(socket, "disconnect");
    const back = left.then(() => once(socket, "connect"));
    await Promise.all([stage.restart(), left]);
    await back;
    notEqual(socket.id, id);
    socket.emit("echo", "again");
    deepEqual(await socket.received("echo"), ["again"]);
  },
};

const ask = (socket, ...event) => new Promise((resolve) => socket.emit(...event, (...answer) => resolve(answer)));

async function reasonOf(observer, id) {
  for (;;) {
    const [reasons] = await ask(observer, "reasons");
    const found = reasons.find(([sid]) => sid === id);
    if (found) return found[2];
  }
}

/** Bytes come as Buffer, ArrayBuffer or view, depending on client and transport. */
function plain(value) {
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
  return value;
}
