// A server that goes away, and comes back.
import assert from "node:assert/strict";

export default {
  async "waits for a server that was killed"(stage) {
    const client = await stage.connected();
    const { id } = await client.state();
    await stage.kill();
    const { reason } = await client.next("disconnect");
    assert.match(reason, /^(transport close|transport error|ping timeout)$/);
    for (let n = 0; n < 100; n++) client.emit("seq", n);
    await client.next("reconnect_attempt", ({ attempt }) => attempt >= 2);
    await stage.startAgain();
    await client.next("connect");
    await client.next("reconnect");
    assert.notEqual((await client.state()).id, id);
    assert.deepEqual(await client.ask("seq-log"), [Array.from({ length: 100 }, (_, n) => n)]);
    client.disconnect();
  },

  async "asks again what was not answered"(stage) {
    const client = await stage.connected("/", { retries: 20, ackTimeout: 15_000 });
    await stage.kill();
    await client.next("disconnect");
    const answers = ["a", "b", "c"].map((text) => client.ask("ack", text));
    await stage.startAgain();
    assert.deepEqual(await Promise.all(answers), [["a"], ["b"], ["c"]]);
    client.disconnect();
  },

  async "comes back to all its namespaces"(stage) {
    const main = await stage.connected();
    const custom = await stage.connected("/custom", { share: main });
    await stage.kill();
    await Promise.all([main, custom].map((client) => client.next("disconnect")));
    await stage.startAgain();
    await Promise.all([main, custom].map((client) => client.next("connect")));
    for (const client of [main, custom]) assert.deepEqual(await client.ask("ack", 1), [1]);
    for (const client of [main, custom]) client.disconnect();
  },

  async "a question that was sent has no answer when the server is gone"(stage) {
    const client = await stage.connected();
    const answer = client.ask("nobody listens");
    assert.deepEqual(await client.ask("ack", "later"), ["later"]);
    await Promise.all([stage.kill(), assert.rejects(answer, { code: "disconnected" })]);
    await stage.startAgain();
    await client.next("connect");
    client.disconnect();
  },

  async "gives up when it was told to"(stage) {
    const client = await stage.connected("/", { attempts: 2 });
    await stage.kill();
    await client.next("disconnect");
    for (const attempt of [1, 2]) {
      await client.next("reconnect_attempt", (happening) => happening.attempt === attempt);
      await client.next("connect_error", (error) => !error.refused);
    }
    await client.next("reconnect_failed");
    await stage.startAgain();
    client.connect();
    await client.next("connect");
    client.disconnect();
  },

  async "comes back when the connection below is ended"(stage) {
    const client = await stage.connected();
    client.break();
    await client.next("disconnect", ({ reason }) => reason === "forced close");
    await client.next("connect");
    assert.deepEqual(await client.ask("ack", "back"), ["back"]);
    client.disconnect();
  },

  async "does not come back after it has left"(stage) {
    const client = await stage.connected();
    await stage.kill();
    await client.next("disconnect");
    client.disconnect();
    await stage.startAgain();
    const other = await stage.connected();
    assert.equal((await client.state()).connected, false);
    assert.equal((await client.state()).active, false);
    assert.equal(client.seen("connect").length, 0);
    other.disconnect();
  },
};

export const differs = {
  "does not come back after it has left": {
    "python-socketio": "its disconnect() does not end the attempts to come back, which only shutdown() does",
  },
};

export const needs = {
  "waits for a server that was killed": ["buffer", "reconnect_attempt"],
  "asks again what was not answered": ["retries"],
  "comes back to all its namespaces": ["share"],
  "a question that was sent has no answer when the server is gone": ["disconnected"],
  "gives up when it was told to": ["reconnect_failed", "attempts"],
  "comes back when the connection below is ended": ["break"],
};
