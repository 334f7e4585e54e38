// Clients that stay from the beginning to the end: what happens to others must not reach them. All are in one room, in which
// one of them counts: each has to hear every number once and in order.
import assert from "node:assert/strict";
import { Client } from "./client.mjs";

const TRANSPORTS = ["websocket", "websocket", "upgrade", "polling"];

export class Residents {
  faults = [];
  heard = 0;
  #clients = [];
  #said = 0;
  #expected = [];

  static async settle(port, count) {
    const residents = new Residents();
    for (let n = 0; n < count; n++) await residents.#moveIn(port, n);
    return residents;
  }

  async #moveIn(port, n) {
    const client = await Client.open(port, { transport: TRANSPORTS[n % TRANSPORTS.length] });
    client.onlost = (how) => this.faults.push(`resident ${n} lost its connection: ${how}`);
    this.#expected[n] = 0;
    client.on("bcast", (number) => {
      this.heard++;
      if (number === this.#expected[n]) return this.#expected[n]++;
      this.faults.push(`resident ${n} heard ${number} and not ${this.#expected[n]}`);
      this.#expected[n] = number + 1;
    });
    await client.ask("join", "hall");
    this.#clients.push(client);
  }

  /** One says the next number to all, and each is asked whether it is answered. */
  async turn() {
    await this.#clients[0].emit("bcast", "hall", this.#said++);
    await Promise.all(this.#clients.map(async (client) => assert.deepEqual(await client.ask("ack", this.#said), [this.#said])));
  }

  /** All move out. Their acks came behind the numbers, so what they did not hear will not come. */
  async moveOut() {
    this.#expected.forEach((next, n) => next === this.#said || this.faults.push(`resident ${n} heard ${next} of ${this.#said} numbers`));
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}
