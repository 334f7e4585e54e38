// What the programs of this folder share. A program imports "socket.io" and does not know whose it is.
//
// Its transcript must not depend on chance: what the server sees and what the clients see go into journals of their own,
// and what they wait for is an event, never a time.
import { once } from "node:events";
import { writeSync } from "node:fs";
import { createServer, request } from "node:http";
import { inspect } from "node:util";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import WebSocket from "ws";

const journals = [];

/** A section of the transcript: what is logged in it is printed when the program ends, one section after the other. */
export function journal(title) {
  const lines = [];
  journals.push({ title, lines });
  const log = (...items) => void lines.push(text(items));
  log.lines = lines;
  return log;
}

/** Prints at once. */
export function print(...items) {
  writeSync(1, `${text(items)}\n`);
}

process.on("exit", () => {
  for (const { title, lines } of journals) writeSync(1, [`== ${title}`, ...lines, ""].join("\n"));
});

function text(items) {
  return items.map((item) => (typeof item === "string" ? item : show(item))).join(" ");
}

/** A value on one line, the same for equal values. */
export function show(value) {
  return inspect(value, { depth: 8, breakLength: Number.POSITIVE_INFINITY, compact: true, sorted: false });
}

/** What calling throws, by name and text; or what it returns. */
export function attempt(call) {
  try {
    return call();
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
}

/** The same for a promise. */
export async function settle(promise) {
  try {
    return await promise;
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
}

/** The arguments of the next `name` of `emitter`. Unlike events.once, an `error` event is nothing special. */
export function event(emitter, name) {
  return new Promise((resolve) => emitter.once(name, (...args) => resolve(args)));
}

/** The arguments that a callback is given. */
export function answer(call) {
  return new Promise((resolve) => call((...args) => resolve(args)));
}

/** Resolves when it holds; looked at in every turn of the loop. */
export async function until(holds) {
  while (!(await holds())) await turn();
}

/** The next turn of the event loop, a little later. */
export function turn() {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** Time for what must not happen. */
export function pause(ms = 100) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Whatever was sent before has arrived when this resolves: both sides ask each other and wait for the answer. */
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

/** Everything that was broadcast before has reached these clients. */
export async function heard(io, ...clients) {
  for (const client of clients) client.once("heard?", (done) => done());
  await new Promise((resolve) => io.timeout(20_000).emit("heard?", resolve));
}

/** A server on a free port. */
export async function start(options = {}, { http = createServer(notFound), Class = Server } = {}) {
  const io = new Class(http, options);
  return serve(io, http, options);
}

function notFound(_, res) {
  res.writeHead(404);
  res.end();
}

/** What {@link start} gives, for a server that the program made itself. */
export async function serve(io, http = io.httpServer, options = {}) {
  if (!http.listening) {
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
  }
  const { port } = http.address();
  const url = `http://127.0.0.1:${port}`;
  const clients = [];
  return {
    io,
    http,
    port,
    url,
    clients,
    /** A client that has not connected yet. */
    client(namespace = "/", more = {}) {
      const client = connect(url + namespace, {
        forceNew: true,
        reconnection: false,
        transports: ["websocket"],
        path: options.path,
        ...more,
      });
      clients.push(client);
      return client;
    },
    /** A connected client and its socket on the server. */
    async pair(namespace = "/", more = {}) {
      const client = this.client(namespace, more);
      const { sockets } = io.of(namespace.split("?")[0]);
      await event(client, "connect");
      await until(() => sockets.has(client.id));
      return { client, socket: sockets.get(client.id) };
    },
    /** An HTTP request: `[status, headers, body]`. */
    get(path, more = {}) {
      return get(port, path, more);
    },
    /** A WebSocket that speaks for itself; its frames are kept. */
    raw(query = "EIO=4&transport=websocket", more = {}) {
      return raw(`ws://127.0.0.1:${port}${options.path ?? "/socket.io"}/?${query}`, more);
    },
    async close() {
      for (const client of clients) client.disconnect();
      http.closeIdleConnections?.();
      await io.close();
    },
  };
}

/** An HTTP request: `{ status, headers, body }`. */
export function get(port, path, { method = "GET", body, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const req = request(
      { host: "127.0.0.1", port, path, method, headers: { connection: "close", ...headers } },
      (res) => {
        const chunks = [];
        res.on("data", (chunk) => chunks.push(chunk));
        res.on("end", () => {
          const { statusCode: status, headers } = res;
          resolve({ status, headers, bytes: Buffer.concat(chunks), body: Buffer.concat(chunks).toString() });
        });
        res.on("error", reject);
      },
    );
    req.on("error", reject);
    req.end(body);
  });
}

/** A WebSocket whose frames are kept. */
export function raw(url, options = {}) {
  const socket = new WebSocket(url, options);
  const frames = [];
  const waiting = [];
  socket.on("message", (data, binary) => {
    frames.push(binary ? data : data.toString());
    waiting.shift()?.();
  });
  socket.on("error", () => {});
  return {
    socket,
    frames,
    opened: new Promise((resolve) => socket.on("open", resolve)),
    closed: new Promise((resolve) => socket.on("close", resolve)),
    send: (data) => socket.send(data),
    /** The next frame that has not been read yet. */
    async frame() {
      if (frames.length === 0) await new Promise((resolve) => waiting.push(resolve));
      return frames.shift();
    },
    close: () => socket.terminate(),
  };
}

/** Names for ids, in the order they are first seen: A, B, C… */
export function aliases() {
  const names = new Map();
  return (id) => {
    if (!names.has(id)) names.set(id, String.fromCharCode(65 + names.size));
    return names.get(id);
  };
}
