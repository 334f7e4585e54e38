/** The server: namespaces on one engine, attached to Node's http server. */

import { EventEmitter } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { Http2SecureServer, Http2Server } from "node:http2";
import type { Server as HttpsServer } from "node:https";
import type { AdapterConstructor } from "./adapter";
import type { BroadcastOperator, RemoteSocket } from "./broadcast-operator";
import { serveClientFiles } from "./client-files";
import type { Conn } from "./conn";
import * as debug from "./debug";
import {
  type DecorateAcksOfMany,
  type DefaultEventsMap,
  type EventNamesWithoutAck,
  type EventParams,
  type EventsMap,
  TypedEmitter,
} from "./emitter";
import { Engine } from "./engine";
import { unsupported } from "./errors";
import { type EngineSource, IoEngine } from "./io-engine";
import type { DrainOptions } from "./limits";
import { Namespace, type NamespaceMiddleware, type NamespaceReservedEvents } from "./namespace";
import { NativeIoEngine, nativeOptions } from "./native-listener";
import { engineOptions, refuseUnsupported, type ServerOptions } from "./options";
import { type ParentMatch, ParentNamespace } from "./parent-namespace";
import { recoveryOption } from "./recovery";
import type { Room } from "./rooms";
import { ScriptedClient } from "./scripted/client";
import { defaultParser, type Encoder, memoryAdapter, type Parser } from "./scripted/packages";
import type { RawServer, RawSocket } from "./scripted/raw";
import type { Newcomer, Socket } from "./socket";
import { readStats, type Stats } from "./stats";

/** Anything with Node's http interface. */
export type AnyHttpServer = HttpServer | HttpsServer | Http2SecureServer | Http2Server;

/** The library's own events on a server. */
export interface ServerReservedEvents<
  ListenEvents extends EventsMap,
  EmitEvents extends EventsMap,
  ServerSideEvents extends EventsMap,
  SocketData,
> extends NamespaceReservedEvents<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
  /** A namespace was made. */
  new_namespace: (namespace: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void;
}

type ConnectionListener<L extends EventsMap, E extends EventsMap, S extends EventsMap, D> = (
  socket: Socket<L, E, S, D>,
) => void;

/**
 * A Socket.IO server.
 *
 * ```ts
 * const io = new Server(3000);
 * io.on("connection", (socket) => {
 *   socket.on("chat", (text) => io.emit("chat", text));
 * });
 * ```
 *
 * @typeParam ListenEvents - events clients send
 * @typeParam EmitEvents - events clients are sent
 * @typeParam ServerSideEvents - events between servers
 * @typeParam SocketData - type of a socket's `data`
 */
export class Server<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
  ServerSideEvents extends EventsMap = DefaultEventsMap,
  SocketData = any,
> extends TypedEmitter<ServerSideEvents, ServerReservedEvents<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> {
  /** The main namespace, `/`. */
  readonly sockets: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /** The Engine.IO layer, once attached. */
  engine!: IoEngine;
  /** The http server, once attached. */
  httpServer!: AnyHttpServer;
  /** @internal Namespaces by name. */
  readonly _nsps = new Map<string, Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>();
  /** The options the server was made with. */
  readonly opts: Partial<ServerOptions>;
  /** @internal The class of adapters that the program asked for. Undefined: the rooms are the engine's. */
  _adapterClass: AdapterConstructor | undefined;
  /** @internal The engine, while attached. */
  _engine: Engine | undefined;

  private ownEncoder: Encoder | undefined;
  private readonly parents: ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>[] = [];
  private engineSettings = "";
  private settings: { path: string; connectTimeout: number; serveClient: boolean };

  /**
   * @param server - an http server, or a port to listen on (0 takes any free one), or the options
   * @param options - see {@link ServerOptions}
   * @throws Error for an option that ferrio does not support, or for an Express app in place of an http server
   */
  constructor(options?: Partial<ServerOptions>);
  constructor(server?: AnyHttpServer | number, options?: Partial<ServerOptions>);
  constructor(server?: AnyHttpServer | number | Partial<ServerOptions>, options: Partial<ServerOptions> = {}) {
    super();
    if (typeof server === "object" && server !== null && !("listen" in server && server.listen)) {
      options = server as Partial<ServerOptions>;
      server = undefined;
    }
    refuseUnsupported(options as any);
    if (options.connectionStateRecovery) {
      options.connectionStateRecovery = recoveryOption(options.connectionStateRecovery);
    }
    options.cleanupEmptyChildNamespaces = Boolean(options.cleanupEmptyChildNamespaces);
    this.opts = options;
    this.settings = {
      path: withoutSlash(options.path || "/socket.io"),
      connectTimeout: options.connectTimeout || 45_000,
      serveClient: options.serveClient !== false,
    };
    if (options.adapter) this._adapterClass = options.adapter;
    else if (options.parser) this._adapterClass = memoryAdapter(this.recovers());
    this.sockets = this.of("/");
    if (server !== undefined && server !== null) this.attach(server as AnyHttpServer | number);
  }

  // ---- attaching ----

  /**
   * Attaches to an http server, or listens on a port.
   *
   * @param options - the constructor's options take precedence
   */
  attach(server: AnyHttpServer | number, options: Partial<ServerOptions> = {}): this {
    if (typeof server === "function") {
      throw new Error(
        "You are trying to attach socket.io to an express request handler function. Please pass a http.Server instance.",
      );
    }
    const merged: Partial<ServerOptions> = Object.assign(options, this.opts);
    refuseUnsupported(merged as any);
    merged.path = merged.path || this.settings.path;
    if (merged.nativeListener) return this.listenNatively(server, merged);
    this.startEngine(merged); // first: if it cannot, there is nothing to clean up
    const http = Number.isNaN(Number(server)) ? (server as HttpServer) : listening(Number(server));
    debug.server("attached at %s, options %o", merged.path, merged);
    const engine = new IoEngine(this.source, merged);
    engine.attach(http, merged);
    if (this.settings.serveClient) serveClientFiles(http, () => this.settings.path, this.opts.cors);
    this.httpServer = http;
    this.engine = engine;
    engine.httpServer = http;
    return this;
  }

  private listenNatively(port: unknown, options: Partial<ServerOptions>): this {
    if (Number.isNaN(Number(port))) {
      throw new Error('ferrio: the option "nativeListener" needs a port, not an http server');
    }
    this.startEngine(options, nativeOptions(options));
    this.engine = new NativeIoEngine(this.source, this._engine!, Number(port), options);
    return this;
  }

  /** The same as {@link attach}. */
  listen(server: AnyHttpServer | number, options: Partial<ServerOptions> = {}): this {
    return this.attach(server, options);
  }

  /** Not supported yet. @throws Error */
  attachApp(_app: unknown, _options?: Partial<ServerOptions>): void {
    throw unsupported("attachApp()");
  }

  /**
   * Serves the connections of another Engine.IO server: anything that emits `connection` (raw socket) and has `close()`. A raw
   * socket has `id`, `protocol`, `request`, `readyState`, `transport`, `write()`, `close()` and emits `data` and `close`.
   */
  bind(engine: RawServer): this {
    if (this._adapterClass === undefined) this.adapter(memoryAdapter(this.recovers()));
    this.engine = engine as IoEngine;
    engine.on("connection", this.onRaw);
    return this;
  }

  /**
   * Disconnects all clients and closes the http server.
   *
   * @param callback - called when the http server is closed, with its error if it was not listening
   * @returns resolves at the same moment
   * @throws TypeError (rejects) if the server was never attached
   */
  async close(callback?: (error?: Error) => void): Promise<void> {
    await Promise.allSettled(
      [...this._nsps.values()].map(async (namespace) => {
        for (const socket of [...namespace.sockets.values()]) socket._close("server shutting down");
        await namespace.adapter.close();
      }),
    );
    this.engine.close();
    const { _engine: engine, httpServer } = this;
    engine?.close();
    this._engine = undefined;
    if (this.engine instanceof NativeIoEngine)
      await new Promise<void>((resolve) => engine?.whenOver(resolve) ?? resolve());
    if (!httpServer) return callback?.();
    await new Promise<void>((resolve) => {
      httpServer.close((error) => {
        callback?.(error);
        resolve();
      });
    });
  }

  /**
   * Ends the server so that others can take over from it. Not in socket.io.
   *
   * Nobody new is let in from now on (503, and {@link ready} is false). Answers to events that ask for one are waited for. Then
   * connections are closed, in random order, in a way that makes clients come back: to another server. At last comes
   * {@link close}; called meanwhile, it ends it at once.
   *
   * @returns resolves when the http server is closed
   * @throws TypeError (rejects) if the server was never attached
   * @throws RangeError (rejects) for a time that is none
   */
  async drain(options: Partial<DrainOptions> = {}): Promise<void> {
    const { _engine: engine } = this;
    await engine?.drain(options);
    // Whoever has closed it meanwhile has done the rest as well.
    if (engine === undefined || this._engine === engine) await this.close();
  }

  /** Whether newcomers are let in: not before the server is attached, nor once it drains or closes. Not in socket.io. */
  get ready(): boolean {
    return this._engine?.ready ?? false;
  }

  /**
   * The state of the server and what it has counted: refused requests, limits that struck, how connections ended. For a page of
   * metrics now and then: it asks every connection how much waits for it.
   */
  stats(): Stats {
    return this._engine?.stats() ?? readStats(undefined);
  }

  // ---- settings ----

  /** The path of the endpoint. With an argument, sets it for what is attached from now on. */
  path(): string;
  path(path: string): this;
  path(path?: string): this | string {
    if (path === undefined) return this.settings.path;
    this.settings.path = withoutSlash(path);
    return this;
  }

  /** Time a connection may stay without having joined a namespace, in ms. An argument sets it. */
  connectTimeout(): number;
  connectTimeout(ms: number): this;
  connectTimeout(ms?: number): this | number {
    if (ms === undefined) return this.settings.connectTimeout;
    this.settings.connectTimeout = ms;
    this._engine?.configure({ connectTimeout: ms });
    return this;
  }

  /** Whether the client's bundles are served. An argument sets it. */
  serveClient(): boolean;
  serveClient(serve: boolean): this;
  serveClient(serve?: boolean): this | boolean {
    if (serve === undefined) return this.settings.serveClient;
    this.settings.serveClient = serve;
    return this;
  }

  /**
   * The class of the namespaces' adapters. With an argument, all namespaces get a new one of that class: what the old ones knew
   * of rooms is forgotten, and connections from now on are scripted, not the engine's (see DIFFERENCES.md).
   */
  adapter(): AdapterConstructor;
  adapter(adapter: AdapterConstructor): this;
  adapter(adapter?: AdapterConstructor): this | AdapterConstructor {
    if (adapter === undefined) return this._adapterClass ?? memoryAdapter(this.recovers());
    if (this._adapterClass === undefined) this._engine?.configure(RAW);
    this._adapterClass = adapter;
    for (const namespace of this._nsps.values()) namespace._initAdapter();
    return this;
  }

  /** @internal The parser: whoever encodes packets by themselves, as adapters do, takes it from here. */
  get _parser(): Parser {
    return this.opts.parser ?? defaultParser();
  }

  /** @internal The parser's encoder. */
  get encoder(): Encoder {
    this.ownEncoder ??= new this._parser.Encoder();
    return this.ownEncoder;
  }

  /** @internal The same as {@link opts}. */
  get _opts(): Partial<ServerOptions> {
    return this.opts;
  }

  /** @internal The same as {@link engine}, of a server that is attached. */
  get eio(): IoEngine | undefined {
    return this._engine === undefined ? undefined : this.engine;
  }

  // ---- namespaces ----

  /**
   * A namespace, made when it is first asked for.
   *
   * @param name - its name, or a pattern (or function) for names of namespaces that are made when clients ask for them
   * @param listener - added for `connect`
   * @throws Error for a regular expression with the flag `g` or `y`
   */
  of(
    name: string | RegExp | ParentMatch,
    listener?: ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    if (typeof name !== "string") return this.parent(name, listener);
    if (!name.startsWith("/")) name = `/${name}`;
    const known = this._nsps.get(name);
    if (known === undefined) {
      const parent = this.parents.find((parent) => parent._pattern?.test(name as string));
      if (parent) return parent._createChild(name);
    }
    const namespace = known ?? this.createNamespace(name);
    if (listener) namespace.on("connect", listener);
    return namespace;
  }

  private createNamespace(name: string): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    debug.server("namespace %s made", name);
    const namespace = new Namespace(this, name);
    this._nsps.set(name, namespace);
    if (name !== "/") EventEmitter.prototype.emit.call(this.sockets, "new_namespace", namespace);
    return namespace;
  }

  private parent(
    name: RegExp | ParentMatch,
    listener?: ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const parent = new ParentNamespace(this, name);
    this.parents.push(parent);
    if (listener) parent.on("connect", listener);
    return parent;
  }

  /** @internal Finds the namespace a client asked for, or has a parent make it. */
  _find(
    name: string,
    auth: object,
    found: (namespace?: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>, why?: string) => void,
  ): void {
    const known = this._nsps.get(name);
    if (known) return found(known);
    const parents = this.parents.slice();
    const ask = (at: number): void => {
      if (at === parents.length) return found(undefined, "Invalid namespace");
      parents[at]._match(name, auth, (error, allow) => {
        if (error || !allow) return ask(at + 1);
        // Somebody else may have had it made while this parent thought about it.
        const made = this._nsps.get(name);
        if (made || this.hasRoomForChild()) found(made ?? parents[at]._createChild(name));
        else found(undefined, "Too many namespaces");
      });
    };
    ask(0);
  }

  /** Whether one more namespace may be made for a client. (A foreign engine that is bound has limits of its own, or none.) */
  private hasRoomForChild(): boolean {
    const children = this.parents.reduce((sum, parent) => sum + parent._children.size, 0);
    return this._engine?.hasRoomForChild(children) ?? true;
  }

  // ---- the engine ----

  private startEngine(options: Partial<ServerOptions>, more?: object): void {
    const { connectTimeout } = this.settings;
    // Of the constructor's alone, as in socket.io.
    const { connectionStateRecovery } = this.opts;
    const settings = engineOptions({ ...options, connectTimeout, connectionStateRecovery }, more);
    if (this._engine === undefined) {
      this.engineSettings = settings;
      this.runEngine();
    } else if (settings !== this.engineSettings) {
      throw unsupported("attaching twice with different options");
    }
  }

  private runEngine(): void {
    const engine = new Engine(this.engineSettings, {
      opened: (key, sid, cause, ...how) => (cause?.owner ?? this.engine)._opened(engine, key, sid, cause, ...how),
      refused: (cause, code, _message, context) => cause.owner._refused(cause.request, { code, context }),
      connecting: (conn, nsp, newcomer) => this.connecting(conn, nsp, newcomer),
      expired: (nsp, pid, id, rooms) => this._nsps.get(nsp)?._expired(pid, id, rooms),
    });
    if (this._adapterClass !== undefined) engine.configure(RAW);
    this._engine = engine;
  }

  /** One engine for everything this server is attached to: its namespaces are one. */
  private readonly source: EngineSource = {
    current: () => this._engine,
    start: () => {
      if (this._engine === undefined) this.runEngine();
    },
    raw: () => this._adapterClass !== undefined,
    opened: (conn) => {
      if (this._adapterClass !== undefined) this.onRaw(conn);
    },
  };

  /** Somebody else does the transports, or nobody the Socket.IO. */
  private readonly onRaw = (raw: RawSocket): void => {
    const conn = raw as unknown as Conn;
    conn._script = new ScriptedClient(this, conn);
  };

  private recovers(): boolean {
    return Boolean(this.opts.connectionStateRecovery);
  }

  private connecting(conn: Conn, name: string, newcomer: Newcomer): void {
    conn._script?._abandon(); // it was under way before the program asked for an adapter
    debug.client("%s asks for namespace %s", conn.id, name);
    this._find(name, newcomer.auth, (namespace, why) => {
      if (!namespace) debug.client("namespace %s: %s", name, why);
      if (namespace) namespace._add(conn, newcomer);
      else conn._engine.reject(newcomer.key, JSON.stringify({ message: why }));
    });
  }
}

// What the main namespace has, the server has too. (Declared, and written below: each is one call to `sockets`.)
export interface Server<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
  ServerSideEvents extends EventsMap = DefaultEventsMap,
  SocketData = any,
> {
  /** {@link Namespace.use} of the main namespace. */
  use(middleware: NamespaceMiddleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>): this;
  /** {@link Namespace.emit} of the main namespace. */
  emit<Name extends EventNamesWithoutAck<EmitEvents>>(event: Name, ...args: EventParams<EmitEvents, Name>): boolean;
  /** {@link Namespace.send} of the main namespace. */
  send(...args: EventParams<EmitEvents, any>): this;
  /** {@link Namespace.write} of the main namespace. */
  write(...args: EventParams<EmitEvents, any>): this;
  /** {@link Namespace.to} of the main namespace. */
  to(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData>;
  /** {@link Namespace.in} of the main namespace. */
  in(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData>;
  /** {@link Namespace.except} of the main namespace. */
  except(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData>;
  /** {@link Namespace.compress} of the main namespace. */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData>;
  /** {@link Namespace.timeout} of the main namespace. */
  timeout(timeout: number): BroadcastOperator<DecorateAcksOfMany<EmitEvents>, SocketData>;
  /** {@link Namespace.volatile} of the main namespace. */
  readonly volatile: BroadcastOperator<EmitEvents, SocketData>;
  /** {@link Namespace.local} of the main namespace. */
  readonly local: BroadcastOperator<EmitEvents, SocketData>;
  /** {@link Namespace.fetchSockets} of the main namespace. */
  fetchSockets(): Promise<RemoteSocket<EmitEvents, SocketData>[]>;
  /** {@link Namespace.allSockets} of the main namespace. @deprecated */
  allSockets(): Promise<Set<string>>;
  /** {@link Namespace.socketsJoin} of the main namespace. */
  socketsJoin(room: Room | Room[]): void;
  /** {@link Namespace.socketsLeave} of the main namespace. */
  socketsLeave(room: Room | Room[]): void;
  /** {@link Namespace.disconnectSockets} of the main namespace. */
  disconnectSockets(close?: boolean): void;
  /** {@link Namespace.serverSideEmit} of the main namespace. */
  serverSideEmit<Name extends keyof ServerSideEvents & string>(
    event: Name,
    ...args: EventParams<ServerSideEvents, Name>
  ): boolean;
  /** {@link Namespace.serverSideEmitWithAck} of the main namespace. */
  serverSideEmitWithAck<Name extends keyof ServerSideEvents & string>(event: Name, ...args: any[]): Promise<any[]>;
}

/** What the engine is told when Socket.IO is not its matter any more. */
const RAW = { layer: "engineio" };

/** Methods that return what the namespace's returned: with `on`, that is the namespace. */
const FORWARDED = [
  ...Object.keys(EventEmitter.prototype).filter((key) => typeof (EventEmitter.prototype as any)[key] === "function"),
  "to",
  "in",
  "except",
  "compress",
  "timeout",
  "fetchSockets",
  "allSockets",
  "socketsJoin",
  "socketsLeave",
  "disconnectSockets",
  "serverSideEmit",
  "serverSideEmitWithAck",
];
/** Methods that return the server. */
const CHAINED = ["use", "send", "write"];

for (const name of FORWARDED) {
  define(name, function (this: Server, ...args: any[]) {
    return (this.sockets as any)[name](...args);
  });
}
for (const name of CHAINED) {
  define(name, function (this: Server, ...args: any[]) {
    (this.sockets as any)[name](...args);
    return this;
  });
}
for (const name of ["volatile", "local"] as const) {
  Object.defineProperty(Server.prototype, name, {
    configurable: true,
    get(this: Server) {
      return this.sockets[name];
    },
  });
}

function define(name: string, value: unknown): void {
  Object.defineProperty(Server.prototype, name, { value, configurable: true, writable: true });
}

/** An http server for us alone: whatever is not ours is not found. */
function listening(port: number): HttpServer {
  return createServer((_, res) => {
    res.writeHead(404);
    res.end();
  }).listen(port);
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, "");
}
