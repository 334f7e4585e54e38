/**
 * What Node's http server has received for us, as long as the engine is not done with it: a request ({@link Exchange}) or a
 * WebSocket ({@link Link}).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { TLSSocket } from "node:tls";
import * as debug from "./debug";
import type { Engine } from "./engine";
import { type FirstRequest, pack, unpack, urlOf } from "./first-request";
import type { IoEngine } from "./io-engine";
import { CommandKind, type Commands, HEADERS } from "./records";
import type { EngineRequest } from "./verify";

/** Response headers, open to change until they are sent. */
export type Headers = Record<string, string | string[] | number>;

/** Whatever may have opened a connection. */
export interface Cause {
  /** Whose http server it came through; missing if it came through none of Node's. */
  readonly owner?: IoEngine;
  readonly request: IncomingMessage;
  /** The request, for the connection that it has opened. */
  claim(): FirstRequest;
}

/** A request on its way through the engine. */
export class Exchange {
  private answered = false;

  constructor(
    private readonly engine: Engine,
    readonly owner: IoEngine,
    readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    /** The id for the session, if this request opens one; empty: one is drawn. */
    private readonly sid: string,
  ) {}

  /** Hands the request over. The answer comes by {@link respond}. */
  start(): void {
    const { engine, request, response } = this;
    if (engine.closed) return this.fail();
    const number = engine.number();
    engine.exchanges.set(number, this);
    const whole = request.method === "GET" || request.method === "HEAD";
    engine.compose((commands) => {
      commands.reserve(3);
      commands.number(CommandKind.Request);
      commands.number(number);
      commands.number(whole ? 1 : 0);
      head(commands, request, this.sid);
    });
    if (!whole) {
      request.on("data", (chunk: Buffer) => this.answered || engine.body(number, chunk, false));
      request.on("end", () => this.answered || engine.body(number, NOTHING, true));
    }
    response.on("close", () => {
      if (this.answered) return;
      engine.exchanges.delete(number);
      engine.abort(number);
    });
  }

  claim(): FirstRequest {
    const { request } = this;
    return (request as EngineRequest)._unseen ? pack(request) : request;
  }

  /** Answers that the server is closed. */
  fail(): void {
    this.respond(503, [], "", null);
  }

  /** Sends the engine's answer. `flat` has names and values in turn, `opened` is the session that it opens. */
  respond(status: number, flat: string[], body: string | Buffer, opened: string | null): void {
    const { request, response } = this;
    debug.polling("%s %s: %d, %d bytes", request.method, request.url, status, body.length);
    this.answered = true;
    if (response.destroyed) return;
    const headers: Headers = {};
    for (let i = 0; i < flat.length; i += 2) add(headers, flat[i], flat[i + 1]);
    headers["Content-Length"] = typeof body === "string" ? body.length : body.byteLength; // a string is ASCII
    if (status === 200) this.owner._headers(headers, request, opened);
    response.writeHead(status, headers);
    if (typeof body === "string") response.end(body, "latin1");
    else response.end(body);
    // A body that nobody reads any more (413) must not keep the connection from its next request.
    if (!request.complete) request.resume();
  }
}

/** What is left of a WebSocket once its connection is open. */
export interface Carrier {
  /** Sends what the engine wrote. */
  write(bytes: Buffer): void;
  /** The engine is done with it. */
  close(): void;
}

/** A WebSocket that came through the http server. */
export interface Link extends Carrier, Cause {
  readonly owner: IoEngine;
}

/**
 * Gives a WebSocket upgrade to the engine: the connection itself where it can be had, else its bytes.
 *
 * @param headers - to be added to the 101
 * @param sid - the id for the session, if this request opens one; empty: one is drawn
 */
export function openLink(
  engine: Engine,
  owner: IoEngine,
  request: IncomingMessage,
  socket: NetSocket,
  start: Buffer,
  headers: Headers,
  sid: string,
): void {
  if (engine.closed) return void socket.destroy();
  socket.setTimeout(0);
  socket.setNoDelay(true);
  const descriptor = takeable(socket);
  debug.ws("%s: %s", request.url, descriptor === undefined ? "bytes through Node" : "taken over");
  if (descriptor === undefined) new FedLink(engine, owner, request, socket).open(start, headers, sid);
  else new TakenLink(engine, owner, request, socket).open(descriptor, start, headers, sid);
}

/** The handle below a `net.Socket`: not public, hence every doubt means no. */
interface Handle {
  fd?: number;
  readStop?(): void;
  constructor: { name: string };
}

/** The descriptor of a connection that the engine may take over: plain TCP, on Node, on Unix. */
function takeable(socket: NetSocket): number | undefined {
  if (process.env.FERRIO_NO_TAKEOVER === "1" || process.platform === "win32") return undefined;
  if ("bun" in process.versions || "deno" in process.versions) return undefined;
  if ((socket as Partial<TLSSocket>).encrypted) return undefined;
  const handle = (socket as unknown as { _handle?: Handle | null })._handle;
  const fd = handle?.fd;
  if (handle?.constructor.name !== "TCP" || typeof handle.readStop !== "function") return undefined;
  return typeof fd === "number" && Number.isInteger(fd) && fd > 2 ? fd : undefined;
}

/** What the engine writes to by itself. */
abstract class TakenOver implements Carrier {
  write(): void {
    throw new Error("ferrio: a write on a connection that was taken over");
  }

  abstract close(): void;
}

/**
 * The engine has a duplicate of the descriptor. The `net.Socket` stays, unread, for who may have seen it: `getConnections()`
 * counts it, `server.close()` waits for it, and destroying it ends the connection. If nobody has seen it, its
 * {@link Place} in the server is enough.
 */
class TakenLink extends TakenOver implements Link {
  private readonly number: number;
  private firstRequest: FirstRequest;
  private carrier: NetSocket | Place;
  private done = false;

  constructor(
    private readonly engine: Engine,
    readonly owner: IoEngine,
    request: IncomingMessage,
    socket: NetSocket,
  ) {
    super();
    this.firstRequest = request;
    this.carrier = socket;
    this.number = engine.number();
  }

  get request(): IncomingMessage {
    const { firstRequest } = this;
    return typeof firstRequest === "string" ? unpack(firstRequest, () => {}) : firstRequest;
  }

  open(descriptor: number, start: Buffer, headers: Headers, sid: string): void {
    const { engine, request, number } = this;
    const socket = this.carrier as NetSocket;
    // What Node has read since the head, while a middleware or allowRequest took its time.
    const chunks = [start];
    while (socket.readableLength > 0) chunks.push(socket.read());
    (socket as unknown as { _handle: Required<Handle> })._handle.readStop();
    engine.links.set(number, this);
    engine.compose((commands) => {
      commands.reserve(3);
      commands.number(CommandKind.TakeOver);
      commands.number(number);
      commands.number(descriptor);
      head(commands, request, sid);
      extra(commands, headers);
      commands.bytes(chunks.length === 1 ? start : Buffer.concat(chunks));
    });
    engine.flush(); // before anybody can close the descriptor and another one gets its number
    keepAlive.add();
    if ((request as EngineRequest)._unseen) {
      this.firstRequest = pack(request); // while the socket still knows its addresses
      this.carrier = leave(socket) ?? socket;
    }
    if (this.carrier === socket) this.listen(socket);
  }

  claim(): FirstRequest {
    if (this.carrier instanceof Place) this.engine.links.set(this.number, this.carrier);
    return this.firstRequest;
  }

  /** By itself, for the listener lives as long as the connection, and with it all that its surroundings hold. */
  private listen(socket: NetSocket): void {
    socket.on("close", () => {
      keepAlive.delete();
      this.owner._linkClosed(urlOf(this.firstRequest));
      if (!this.done) this.engine.linkClosed(this.number, false);
    });
  }

  close(): void {
    this.done = true;
    if (this.carrier instanceof Place) {
      this.carrier.close();
      this.owner._linkClosed(urlOf(this.firstRequest));
    } else {
      this.carrier.destroy();
    }
  }
}

/** How a server counts its connections. Not public, hence every doubt means no. */
interface Counting {
  _connections: number;
  _emitCloseIfDrained(): void;
}

/** A connection's place in its server, which counts and waits for it though Node has no socket of it any more. One for all. */
class Place extends TakenOver {
  constructor(private readonly server: Counting) {
    super();
  }

  close(): void {
    keepAlive.delete();
    this.server._connections--;
    this.server._emitCloseIfDrained();
  }
}

const places = new WeakMap<Counting, Place>();

/** Ends Node's part in a connection, but keeps its place in its server. */
function leave(socket: NetSocket): Place | undefined {
  const hidden = socket as unknown as { _server?: Partial<Counting> | null };
  const { _server: server } = hidden;
  if (typeof server?._connections !== "number" || typeof server._emitCloseIfDrained !== "function") return undefined;
  hidden._server = null; // or its end would count there
  socket.destroy();
  const place = places.get(server as Counting) ?? new Place(server as Counting);
  places.set(server as Counting, place);
  return place;
}

/** What keeps the process alive though Node does not know of it: connections that were taken over, ports of the engine's. */
export const keepAlive = {
  links: 0,
  timer: undefined as NodeJS.Timeout | undefined,

  add(): void {
    this.links++;
    this.timer ??= setInterval(() => {}, 0x7fff_ffff);
  },

  delete(): void {
    if (--this.links > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  },
};

/** Node reads and writes (TLS, a pipe, another runtime); the bytes pass through the engine. */
class FedLink implements Link {
  private readonly number: number;
  private done = false;

  constructor(
    private readonly engine: Engine,
    readonly owner: IoEngine,
    readonly request: IncomingMessage,
    private readonly socket: NetSocket,
  ) {
    this.number = engine.number();
  }

  claim(): FirstRequest {
    return this.request;
  }

  open(start: Buffer, headers: Headers, sid: string): void {
    const { engine, request, socket, number } = this;
    engine.links.set(number, this);
    engine.compose((commands) => {
      commands.reserve(2);
      commands.number(CommandKind.OpenLink);
      commands.number(number);
      head(commands, request, sid);
      extra(commands, headers);
    });
    if (start.length > 0) engine.feed(number, start);
    socket.on("data", (chunk: Buffer) => this.done || engine.feed(number, chunk));
    socket.on("end", () => socket.end());
    // An error of the connection (its listener is there already) is an end like any other, as in the original.
    socket.on("close", () => {
      engine.links.delete(number);
      this.owner._linkClosed(urlOf(request));
      if (!this.done) engine.linkClosed(number, false);
    });
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes, () => this.done || this.engine.linkSent(this.number, bytes.length));
  }

  close(): void {
    this.done = true;
    this.socket.destroySoon();
  }
}

const NOTHING = Buffer.alloc(0);

/** Appends a head: what the engine needs to know of a request. */
function head(commands: Commands, request: IncomingMessage, sid: string): void {
  const { headers, socket } = request;
  commands.reserve(6 + 2 * HEADERS.length);
  commands.string(request.method ?? "");
  commands.string(request.url ?? "");
  commands.string(socket.remoteAddress ?? "");
  commands.string(sid);
  commands.number((socket as Partial<TLSSocket>).encrypted ? 1 : 0);
  const count = commands.used;
  commands.number(0);
  for (let i = 0; i < HEADERS.length; i++) {
    const value = headers[HEADERS[i]];
    if (value === undefined) continue;
    commands.number(i);
    commands.string(value as string); // Node joins what comes twice
    commands.cells[count]++;
  }
}

/** Appends headers for the 101; a list is sent as JavaScript prints it, as the original does. */
function extra(commands: Commands, headers: Headers): void {
  const names = Object.keys(headers);
  commands.reserve(1 + 2 * names.length);
  commands.number(names.length);
  for (const name of names) {
    commands.string(name);
    commands.string(String(headers[name]));
  }
}

/** Names as the original writes them: programs look for them so in the `headers` event. */
const SPELLING: { readonly [name: string]: string } = {
  "content-encoding": "Content-Encoding",
  "content-type": "Content-Type",
  "x-xss-protection": "X-XSS-Protection",
};

/** A header that comes twice becomes a list. */
function add(headers: Headers, name: string, value: string): void {
  name = SPELLING[name] ?? name;
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else headers[name] = ([] as string[]).concat(before as string | string[], value);
}
