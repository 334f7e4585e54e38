// What every test needs: the module under test, a server with clients, and promises of events.
//
// FERRIO_TEST_MODULE=socket.io runs the same tests against the original: they must pass there too.
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { io as connect, Manager } from "socket.io-client";

const require = createRequire(import.meta.url);
const name = process.env.FERRIO_TEST_MODULE ?? "ferrio";

/** The module under test. */
export const sio = require(name === "ferrio" ? ".." : name);
export const { Server } = sio;
export const isOriginal = name !== "ferrio";

/** Ways a client may reach the server. The fed one is ours alone: Node keeps the socket and the bytes pass through. */
export const PATHS = isOriginal ? ["polling", "websocket", "upgrade"] : ["polling", "websocket", "fed", "upgrade"];

/** Client options for one of {@link PATHS}. */
export function via(path) {
  if (path === "upgrade") return {};
  return { transports: [path === "fed" ? "websocket" : path] };
}

/**
 * A server on a free port, closed when the test ends.
 *
 * @param options - of the server; `path` (one of {@link PATHS}) is for the clients
 */
export async function start(t, options = {}, { http = createServer(), path = "websocket" } = {}) {
  if (path === "fed") process.env.FERRIO_NO_TAKEOVER = "1";
  const io = new Server(http, options);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address();
  const url = `http://127.0.0.1:${port}`;
  const clients = [];
  t.after(async () => {
    for (const client of clients) client.disconnect();
    http.closeAllConnections?.();
    await io.close();
    delete process.env.FERRIO_NO_TAKEOVER;
  });
  return {
    io,
    http,
    port,
    url,
    /** A client that has not connected yet. */
    client(namespace = "/", more = {}) {
      const client = connect(url + namespace, {
        forceNew: true,
        reconnection: false,
        path: options.path,
        ...via(path),
        ...more,
      });
      clients.push(client);
      return client;
    },
    /** A connected client and its socket on the server. */
    async pair(namespace = "/", more = {}) {
      const accepted = event(io.of(namespace), "connection");
      const client = this.client(namespace, more);
      await event(client, "connect");
      const [socket] = await accepted;
      if (path === "upgrade" && socket.conn.transport.name !== "websocket") await event(socket.conn, "upgrade");
      return { client, socket };
    },
    /** One connection with a client in each namespace. */
    manager(more = {}) {
      const manager = new Manager(url, { reconnection: false, ...via(path), ...more });
      clients.push({ disconnect: () => manager._close() });
      return manager;
    },
  };
}

/** The arguments of the next `name` of `emitter`. Unlike events.once, an `error` event is nothing special. */
export function event(emitter, name) {
  return new Promise((resolve) => emitter.once(name, (...args) => resolve(args)));
}

/** An answer that a callback is given. */
export function answer(call) {
  return new Promise((resolve) => call((...args) => resolve(args)));
}

/**
 * Whatever was sent before has arrived when this resolves: both sides ask each other and wait for the answer.
 */
export async function settled(client, socket) {
  await Promise.all([
    new Promise((resolve) => {
      socket.once("settled?", (done) => done());
      client.emit("settled?", resolve);
    }),
    new Promise((resolve) => {
      client.once("settled?", (done) => done());
      socket.emit("settled?", resolve);
    }),
  ]);
}
