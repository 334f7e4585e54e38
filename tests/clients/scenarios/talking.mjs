// Events both ways, and answers to them.
import assert from "node:assert/strict";

const bytes = (...values) => ({ $bytes: Buffer.from(values).toString("base64") });

export default {
  async "sends and gets every kind of value"(stage) {
    const client = await stage.connected();
    const values = [
      [null, true, 0, -1.5, 1e21, "", "€ 한글 🦀 \u2028", [], {}, { deep: [{ er: [1, "2", null] }] }],
      { bytes: bytes(1, 2, 3), more: [bytes()] },
      bytes(255),
    ];
    client.emit("echo", ...values);
    assert.deepEqual(await client.message("echo"), values);
    client.disconnect();
  },

  async "sends and gets large things"(stage) {
    const client = await stage.connected();
    const text = "é".repeat(100 << 10);
    const large = { $bytes: Buffer.alloc(200 << 10, 7).toString("base64") };
    client.emit("echo", text, large);
    const [backText, back] = await client.message("echo");
    assert.ok(backText === text && back.$bytes === large.$bytes, "it is something else");
    client.disconnect();
  },

  async "keeps the order while it upgrades"(stage) {
    const client = await stage.connected();
    client.emit("ticks", 60, 5);
    for (let n = 0; n < 300; n++) client.emit("echo", n, ...(n % 3 === 0 ? [bytes(n & 255)] : []));
    for (let n = 0; n < 300; n++) assert.equal((await client.message("echo"))[0], n);
    for (let n = 0; n < 60; n++) assert.deepEqual(await client.message("tick"), [n]);
    client.disconnect();
  },

  async "asks, and is asked"(stage) {
    const client = await stage.connected();
    assert.deepEqual(await client.ask("message-with-ack", 1, bytes(4)), [1, bytes(4)]);
    client.replies("question", "WHAT?", bytes(7));
    client.emit("emit-ack", 5000, "what?", bytes(7));
    assert.deepEqual(await client.message("question"), ["what?", bytes(7)]);
    assert.deepEqual(await client.message("answer"), ["ok", "WHAT?", bytes(7)]);
    client.disconnect();
  },

  async "answers later"(stage) {
    const client = await stage.connected();
    for (const n of [0, 1]) client.emit("emit-ack", 15_000, n);
    const [first, second] = [await client.next("message", isQuestion), await client.next("message", isQuestion)];
    client.answer(second.asked, "second");
    assert.deepEqual(await client.message("answer"), ["ok", "second"]);
    client.answer(first.asked, "first");
    assert.deepEqual(await client.message("answer"), ["ok", "first"]);
    client.disconnect();
  },

  async "waits for an answer no longer than it said"(stage) {
    const client = await stage.connected();
    // Nobody answers this.
    await assert.rejects(client.askWithin(50, "nobody listens"), { code: "timeout" });
    assert.deepEqual(await client.ask("ack", "fine"), ["fine"]);
    client.disconnect();
  },

  async "a burst comes in order"(stage) {
    const client = await stage.connected();
    client.emit("burst", 1000);
    for (let n = 0; n < 1000; n++) assert.deepEqual(await client.message("burst"), [n]);
    client.disconnect();
  },

  async "volatile events arrive while nothing is in their way"(stage) {
    const client = await stage.connected();
    if (stage.way === "upgrade") await client.next("upgrade");
    // Once the transport is idle, which a question and its answer do not tell: one of them has to get through.
    for (let n = 0; client.seen("message").every(({ args }) => args[0] !== "echo") && n < 1000; n++) {
      client.volatile("echo", n);
      await client.ask("ack", n);
    }
    await client.message("echo");
    client.disconnect();
  },
};

const isQuestion = ({ args }) => args[0] === "question";

export const needs = {
  "answers later": ["answer"],
  "volatile events arrive while nothing is in their way": ["volatile"],
  "a burst comes in order": ["order"],
  "keeps the order while it upgrades": ["order"],
};
