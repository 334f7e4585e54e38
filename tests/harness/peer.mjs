// One client of the server under test, speaking Engine.IO by hand over polling or WebSocket. Scenarios that do not care
// which of the two it is can be played on both: `send` posts or writes a frame, `next` polls or waits for a frame.
import { send as request } from "./http.mjs";
import { decodePayload, encodePayload, packetOf } from "./payload.mjs";
import { openWebSocket } from "./websocket.mjs";

const PATIENCE = 30_000; // for what must come; the machine may be busy

export class Peer {
  sid = null;
  socket = null; // the WebSocket, once there is one
  refused = null; // the server's answer when it refused the handshake
  #at; // see `place`
  #query;
  #headers;
  #eio;
  #base64;
  #answersPings;
  #inbox = [];
  #waiting = null;
  #polling = null; // the GET in flight
  #pollsNoMore = false;

  /** `pings: manual` leaves heartbeats to the scenario; else a v4 peer answers them and they are never seen. */
  constructor(at, { eio = 4, query = {}, headers = {}, pings = "auto", base64 = true } = {}) {
    this.#at = at;
    this.#eio = eio;
    this.#base64 = eio === 3 && base64;
    this.#query = query;
    this.#headers = headers;
    this.#answersPings = pings === "auto" && eio === 4;
  }

  get transport() {
    return this.socket ? "websocket" : "polling";
  }

  /** Opens a session and gives the open packet's text. */
  async open(transport) {
    if (transport === "websocket") {
      if (!(await this.openSocket())) return null;
    } else {
      const answer = await request(this.#at, "GET", this.#path("polling"), { headers: this.#headers }).answer;
      if (answer.status !== 200) return void (this.refused = { ...answer, body: answer.body.toString() });
      for (const item of decodePayload(answer, this.#eio)) this.#arrived(item);
    }
    const text = await this.next(PATIENCE);
    if (typeof text !== "string" || text[0] !== "0") throw new Error(`expected an open packet, got ${JSON.stringify(text)}`);
    this.sid = JSON.parse(text.slice(1)).sid;
    return text;
  }

  /** A WebSocket for the session, or for a new one; false when it was refused. */
  async openSocket({ after, headers } = {}) {
    const options = { headers: { ...this.#headers, ...headers }, after, onItem: (item) => this.#arrived(item) };
    const { socket, refused } = await openWebSocket(this.#at, this.#path("websocket"), options);
    this.socket = socket ?? null;
    this.refused = refused ?? null;
    return Boolean(socket);
  }

  /** Moves from polling to WebSocket as an honest client does. */
  async upgrade() {
    const socket = await this.probe();
    // The poll in flight is ended by a noop; what else it brings comes before anything on the WebSocket. There is no other.
    this.#pollsNoMore = true;
    if (this.#polling) await this.#polling;
    this.socket = socket;
    socket.send("5");
  }

  /** A WebSocket beside the polling session that has probed and could now take over. */
  async probe() {
    const items = [];
    let wake = () => {};
    const onItem = (item) => (this.socket ? this.#arrived(item) : (items.push(item), wake()));
    const { socket, refused } = await openWebSocket(this.#at, this.#path("websocket"), { headers: this.#headers, onItem });
    if (refused) throw new Error(`the upgrade was refused with ${refused.status}`);
    socket.send("2probe");
    if (items.length === 0) await Promise.race([new Promise((resolve) => (wake = resolve)), pause(PATIENCE)]);
    if (items[0]?.text !== "3probe") throw new Error(`expected 3probe, got ${JSON.stringify(items[0])}`);
    return socket;
  }

  /** Sends packets, in one payload when polling. Gives the status of the POST, or 101. */
  async send(packets) {
    if (this.socket) {
      for (const packet of packets) this.socket.send(this.#eio === 3 && Buffer.isBuffer(packet) ? Buffer.concat([Buffer.of(4), packet]) : packet);
      return 101;
    }
    return (await this.post(encodePayload(packets, this.#eio))).status;
  }

  post(body) {
    return request(this.#at, "POST", this.#path("polling"), { headers: { "content-type": "text/plain;charset=UTF-8", ...this.#headers }, body }).answer;
  }

  /** The next packet: text, bytes or `{closed}`; null when nothing comes `within` milliseconds. */
  async next(within) {
    const deadline = Date.now() + within;
    for (;;) {
      if (this.#inbox.length > 0) return this.#inbox.shift();
      const left = deadline - Date.now();
      if (left <= 0) return null;
      if (this.transport === "polling" && !this.#pollsNoMore) this.#poll();
      await Promise.race([new Promise((resolve) => (this.#waiting = resolve)), pause(left)]);
    }
  }

  drop() {
    this.socket?.drop();
  }

  #poll() {
    this.#polling ??= request(this.#at, "GET", this.#path("polling"), { headers: this.#headers }).answer.then((answer) => {
      this.#polling = null;
      if (answer.status !== 200) return this.#arrived({ closed: answer.status, error: answer.error });
      for (const item of decodePayload(answer, this.#eio)) this.#arrived(item);
      this.#waiting?.();
    });
  }

  #arrived(item) {
    const packet = item.text !== undefined || item.binary !== undefined ? packetOf(item, this.#eio) : item;
    if (packet === "2" && this.#answersPings) void this.send(["3"]);
    else if (packet === "6") return; // ends a poll and says nothing; Python's original sends one over WebSocket too
    else if (packet === "1") this.#inbox.push({ closed: "1" });
    else this.#inbox.push(packet);
    this.#waiting?.();
  }

  #path(transport) {
    const query = { EIO: this.#eio, transport, ...(this.#base64 && { b64: 1 }), ...(this.sid && { sid: this.sid }), ...this.#query };
    return `/socket.io/?${new URLSearchParams(query)}`;
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
