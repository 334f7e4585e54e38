// Getting in, by which way, with what, and being refused.
import assert from "node:assert/strict";

export default {
  async "connects and ends on its transport"(stage) {
    const client = stage.client();
    const { id } = await client.next("connect");
    if (stage.way === "upgrade") await client.next("upgrade");
    const transport = stage.transports.at(-1);
    assert.deepEqual(await client.ask("transport"), [transport]);
    assert.deepEqual(await client.ask("rooms"), [[id]]);
    const state = await client.state();
    assert.deepEqual([state.connected, state.active, state.id, state.transport], [true, true, id, transport]);
    client.disconnect();
    await client.next("disconnect", ({ reason }) => reason === "io client disconnect");
  },

  async "shows its credentials"(stage) {
    const options = { auth: { token: "123" }, query: { x: "ü 1" }, headers: { "x-test": "yes" } };
    const client = await stage.connected("/custom", options);
    assert.deepEqual(await client.message("auth"), [{ token: "123" }]);
    assert.deepEqual(await client.ask("handshake"), [{ auth: { token: "123" }, x: "ü 1", header: "yes" }]);
    client.disconnect();
  },

  async "is refused"(stage) {
    const refused = stage.client("/admin", { auth: { token: "bad" } });
    // Python's original hands on a text with data in a form of its own: only who is refused is compared here.
    await refused.next("connect_error", (error) => error.refused);
    assert.equal((await refused.state()).active, false);
    const nowhere = stage.client("/nowhere");
    const { message } = await nowhere.next("connect_error", (error) => error.refused);
    // Python's servers send a text where socket.io-client looks for an object's `message`, and finds none.
    assert.match(message, /^(Invalid namespace|Unable to connect|)$/);
    await stage.connected("/dyn-7");
  },

  async "shows other credentials when it asks again"(stage) {
    const client = stage.client("/admin", { auth: { token: "bad" } });
    await client.next("connect_error", (error) => error.refused);
    client.auth({ token: "good" });
    client.connect();
    await client.next("connect");
    assert.deepEqual(await client.message("auth"), [{ token: "good" }]);
    client.disconnect();
  },

  async "shares a connection"(stage) {
    const main = await stage.connected();
    const custom = await stage.connected("/custom", { share: main });
    const slow = await stage.connected("/slow", { share: main });
    assert.notEqual((await custom.state()).id, (await slow.state()).id);
    main.disconnect();
    for (const client of [custom, slow]) {
      assert.deepEqual(await client.ask("ack", "still here"), ["still here"]);
      client.disconnect();
    }
  },

  async "is thrown out and comes again"(stage) {
    const client = await stage.connected();
    client.emit("server-disconnect", false);
    await client.next("disconnect", ({ reason }) => reason === "io server disconnect");
    assert.equal((await client.state()).active, false);
    client.connect();
    await client.next("connect");
    assert.deepEqual(await client.ask("ack", "again"), ["again"]);
    client.disconnect();
    await client.next("disconnect", ({ reason }) => reason === "io client disconnect");
  },
};

export const needs = { "shows other credentials when it asks again": ["auth"], "shares a connection": ["share"] };
