// What differs between the client of version 4 and that of version 2, behind one stage for the cases.
import { createRequire } from "node:module";
import { startFace } from "../harness/face.mjs";

const require = createRequire(import.meta.url);
const io4 = require("socket.io-client").io;
const io2 = require("socket.io-client-v2");
const parser = require("socket.io-msgpack-parser");

export const version4 = {
  name: "client 4",
  profile: "calm",
  stage: (server, transports, face) => new Stage(server, transports, face, io4, (auth) => ({ auth })),
};

// The same, with packets as MessagePack.
export const packed = {
  name: "client 4 with msgpack",
  profile: "msgpack",
  stage: (server, transports, face) => new Stage(server, transports, face, io4, (auth) => ({ auth }), { parser }),
};

// Version 2 has no auth: what it sends is the query of the namespace, all of it text.
export const version2 = {
  name: "client 2",
  profile: "eio3-calm",
  stage: (server, transports, face) => new Stage(server, transports, face, io2, (auth) => ({ query: auth })),
};

/** The next event of that name; not Node's `once`, which takes a client's `error` event for a failure. */
export const once = (emitter, name) => new Promise((resolve) => emitter.once(name, (...args) => resolve(args)));

class Stage {
  #sockets = [];
  #own = null; // a server of this case alone, which may be restarted

  constructor(server, transports, face, io, credentials, always = {}) {
    Object.assign(this, { server, transports, face, io, credentials, always });
    this.old = io === io2;
    this.profile = this.old ? "eio3-calm" : always.parser ? "msgpack" : "calm";
    this.python = face.dialect === "python";
    this.many = this.python && face.original ? 14 : 100; // Python's original drops payloads of more than sixteen packets
  }

  /** A client that is about to connect. */
  client(namespace = "/", { auth, ...options } = {}) {
    const socket = this.io(`http://127.0.0.1:${this.server.port}${namespace}`, {
      transports: this.transports,
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      ...this.always,
      ...(auth && this.credentials(auth)),
      ...options,
    });
    this.#sockets.push(socket);
    socket.received = record(socket);
    return socket;
  }

  /** A client that is connected and has changed to its last transport. */
  async connected(namespace, options) {
    const socket = this.client(namespace, options);
    await Promise.all([once(socket, "connect"), socket.received("auth")]);
    if (this.transports.length > 1 && socket.io.engine.transport.name !== "websocket") await once(socket.io.engine, "upgrade");
    return socket;
  }

  /** A server for this case alone. */
  async ownServer() {
    this.server = await startFace(this.face, this.profile);
    this.#own = this.server;
  }

  async restart(pauseMs = 100) {
    await this.#own.stop();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    this.server = await startFace(this.face, this.profile, this.#own.port);
    this.#own = this.server;
  }

  async clear() {
    for (const socket of this.#sockets) socket.close();
    await this.#own?.stop();
  }
}

/** Remembers every event from the start, so that none can slip by before somebody waits for it. */
function record(socket) {
  const waiting = new Map();
  const kept = new Map();
  const take = (name, args) => {
    const next = waiting.get(name)?.shift();
    if (next) return next(args);
    if (!kept.has(name)) kept.set(name, []);
    kept.get(name).push(args);
  };
  for (const name of ["auth", "message-back", "echo", "bcast", "to", "except", "broadcast", "volatile", "answer", "answers", "burst", "tick"]) {
    socket.on(name, (...args) => take(name, args));
  }
  return (name) =>
    new Promise((resolve) => {
      const first = kept.get(name)?.shift();
      if (first) return resolve(first);
      if (!waiting.has(name)) waiting.set(name, []);
      waiting.get(name).push(resolve);
    });
}
