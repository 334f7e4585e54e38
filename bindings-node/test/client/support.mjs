// What every test of the client needs: the module under test, a server, and promises of events.
//
// FERRIO_CLIENT_MODULE=socket.io-client runs the same tests against the original: they must pass there too.
// FERRIO_TEST_MODULE=ferrio has them played against ferrio's server; else it is npm's socket.io.
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const name = process.env.FERRIO_CLIENT_MODULE ?? "ferrio";

/** The module under test. */
export const sioc = require(name === "ferrio" ? "../../dist/client/index.js" : name);
export const { io: connect, Manager, Socket } = sioc;
export const isOriginal = name !== "ferrio";

const { Server } = require(process.env.FERRIO_TEST_MODULE === "ferrio" ? "../.." : "socket.io");

/** Ways to reach the server. */
export const PATHS = ["polling", "websocket", "upgrade"];

/** Client options for one of {@link PATHS}. */
export function via(path) {
  return path === "upgrade" ? {} : { transports: [path] };
}

/** A server on a free port, closed when the test ends. */
export async function start(t, options = {}) {
  const http = createServer((_, res) => res.writeHead(404).end());
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
  });
  return {
    io,
    http,
    port,
    url,
    /** A client that has not connected yet. */
    client(namespace = "/", more = {}) {
      const client = connect(url + namespace, { forceNew: true, reconnection: false, ...more });
      clients.push(client);
      return client;
    },
    /** A connected client and its socket on the server. */
    async pair(namespace = "/", more = {}) {
      const accepted = event(io.of(namespace), "connection");
      const client = this.client(namespace, more);
      await event(client, "connect");
      const [socket] = await accepted;
      return { client, socket };
    },
  };
}

/** The arguments of the next `name` of `emitter`. Unlike events.once, an `error` event is nothing special. */
export function event(emitter, name) {
  return new Promise((resolve) => emitter.once(name, (...args) => resolve(args)));
}

/** The next turn of the event loop, a little later. */
export function turn() {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** Resolves when it holds; looked at in every turn of the loop. */
export async function until(holds) {
  while (!(await holds())) await turn();
}
