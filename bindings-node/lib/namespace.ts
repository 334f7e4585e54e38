/** A namespace: who is in it, who may come in, and what it is told. */
import type { Adapter } from "./adapter";
import { BroadcastOperator, type RemoteSocket } from "./broadcast-operator";
import type { Conn } from "./conn";
import * as debug from "./debug";
import {
  callListeners,
  type DecorateAcksOfMany,
  type DefaultEventsMap,
  type EventNamesWithoutAck,
  type EventParams,
  type EventsMap,
  TypedEmitter,
} from "./emitter";
import { type ExtendedError, reserved } from "./errors";
import { NativeAdapter } from "./native-adapter";
import { type ExpiredSession, Kept } from "./recovery";
import { decodeRoom, type Room } from "./rooms";
import type { Server } from "./server";
import { type Newcomer, Socket } from "./socket";

/** The library's own events on a namespace. */
export interface NamespaceReservedEvents<
  ListenEvents extends EventsMap,
  EmitEvents extends EventsMap,
  ServerSideEvents extends EventsMap,
  SocketData,
> {
  /** A client joined. */
  connect: (socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void;
  /** A client joined. */
  connection: (socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void;
  /** A client that could have come back ({@link ServerOptions.connectionStateRecovery}) did not, in time. Not in socket.io. */
  session_expired: (session: ExpiredSession<SocketData>) => void;
}

/** Decides whether a socket may join. */
export type NamespaceMiddleware<S> = (socket: S, next: (error?: ExtendedError) => void) => void;

/** Events that mean something between servers already. */
const RESERVED_BETWEEN_SERVERS: ReadonlySet<unknown> = new Set(["connect", "connection", "new_namespace"]);

/**
 * A namespace. It is an event emitter for `connection` and for events of other servers; `emit` sends to its sockets.
 *
 * @typeParam ListenEvents - events clients send
 * @typeParam EmitEvents - events clients are sent
 * @typeParam ServerSideEvents - events between servers
 * @typeParam SocketData - type of a socket's `data`
 */
export class Namespace<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
  ServerSideEvents extends EventsMap = DefaultEventsMap,
  SocketData = any,
> extends TypedEmitter<
  ServerSideEvents,
  NamespaceReservedEvents<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
> {
  /** The name, with its slash. */
  readonly name: string;
  /** The sockets that are connected, by id. */
  readonly sockets = new Map<string, Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>();
  /** The rooms, and the way to other servers. The engine's own, unless the program asked for another. */
  adapter!: Adapter;
  /** The server. */
  readonly server: Server<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;

  /** @internal The adapter, while the rooms are the engine's. */
  _native: NativeAdapter | undefined;
  /** @internal The next packet's ack id, for adapters. */
  _ids = 0;
  /** @internal Some socket has had a catch-all listener for what it is sent. */
  _outgoingWatched = false;
  /** @internal The middlewares. */
  _fns: NamespaceMiddleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>[] = [];
  /** @internal What sockets find again. */
  readonly _kept = new Kept<SocketData>();
  /** @internal Called when the last socket has left. */
  _onEmpty: (() => void) | undefined;
  /** Sockets that the middlewares have not let in yet. */
  private readonly connecting = new Map<string, Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>();

  /** @internal */
  constructor(server: Server<ListenEvents, EmitEvents, ServerSideEvents, SocketData>, name: string) {
    super();
    this.server = server;
    this.name = name;
    this._initAdapter();
  }

  /** @internal The adapter is made, anew when the program asks for another. What the old one knew is forgotten. */
  _initAdapter(): void {
    const Chosen = this.server._adapterClass as (new (nsp: any) => Adapter) | undefined;
    this._native = Chosen === undefined ? new NativeAdapter(this) : undefined;
    this.adapter = this._native ?? new Chosen!(this);
    // An adapter that cannot reach its cluster says so by itself, or not at all: the server goes on.
    Promise.resolve(this.adapter.init()).catch(() => {});
  }

  /** Adds a middleware: it lets a socket in by `next()`, or refuses it by `next(error)`. */
  use(middleware: NamespaceMiddleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>): this {
    this._fns.push(middleware);
    return this;
  }

  // ---- targets ----

  /** To the members of rooms. */
  to(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.everybody().to(room);
  }

  /** The same as {@link to}. */
  in(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.everybody().in(room);
  }

  /** To everybody but the members of rooms. */
  except(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.everybody().except(room);
  }

  /** Whether the packets may be compressed. True without a call. */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData> {
    return this.everybody().compress(compress);
  }

  /** Dropped for receivers that are not ready. */
  get volatile(): BroadcastOperator<EmitEvents, SocketData> {
    return this.everybody().volatile;
  }

  /** Receivers of this server only. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.everybody().local;
  }

  /**
   * How long to wait for answers.
   *
   * @param timeout - in milliseconds
   */
  timeout(timeout: number): BroadcastOperator<DecorateAcksOfMany<EmitEvents>, SocketData> {
    return this.everybody().timeout(timeout);
  }

  /**
   * Sends an event to every socket of the namespace. For answers, use {@link timeout} first.
   *
   * @returns true
   * @throws Error if the name is reserved, or what `JSON.stringify` throws
   */
  override emit<Name extends EventNamesWithoutAck<EmitEvents>>(
    event: Name,
    ...args: EventParams<EmitEvents, Name>
  ): boolean;
  override emit(...event: [any, ...any[]]): boolean {
    return (this.everybody() as BroadcastOperator<any, any>).emit(...(event as [any]));
  }

  /** Sends a `message` event to every socket. */
  send(...args: EventParams<EmitEvents, any>): this {
    this.everybody().emit("message", ...args);
    return this;
  }

  /** Sends a `message` event to every socket. */
  write(...args: EventParams<EmitEvents, any>): this {
    return this.send(...args);
  }

  /** The sockets. */
  fetchSockets(): Promise<RemoteSocket<EmitEvents, SocketData>[]> {
    return this.everybody().fetchSockets();
  }

  /** Their ids. @deprecated use {@link fetchSockets} */
  allSockets(): Promise<Set<string>> {
    return this.everybody().allSockets();
  }

  /** Makes all sockets join rooms. */
  socketsJoin(room: Room | Room[]): void {
    this.everybody().socketsJoin(room);
  }

  /** Makes all sockets leave rooms. */
  socketsLeave(room: Room | Room[]): void {
    this.everybody().socketsLeave(room);
  }

  /**
   * Disconnects all sockets.
   *
   * @param close - close the connections below too
   */
  disconnectSockets(close = false): void {
    this.everybody().disconnectSockets(close);
  }

  /**
   * Sends an event to the other servers of the cluster. There are none without an adapter: it is dropped, with a warning.
   *
   * @throws Error if the name is reserved
   */
  serverSideEmit<Name extends keyof ServerSideEvents & string>(
    event: Name,
    ...args: EventParams<ServerSideEvents, Name>
  ): boolean {
    if (RESERVED_BETWEEN_SERVERS.has(event)) throw reserved(event);
    this.adapter.serverSideEmit([event, ...args]);
    return true;
  }

  /**
   * {@link serverSideEmit} that waits for the other servers' answers.
   *
   * @throws Error (rejects) if not all answered in time; its `responses` are the answers that came
   */
  serverSideEmitWithAck<Name extends keyof ServerSideEvents & string>(event: Name, ...args: any[]): Promise<any[]> {
    return new Promise((resolve, reject) => {
      const answer = (error: (Error & { responses?: any[] }) | null, responses: any[]) => {
        if (!error) return resolve(responses);
        error.responses = responses;
        reject(error);
      };
      this.serverSideEmit(event, ...([...args, answer] as any));
    });
  }

  /** @internal An event of another server: adapters call it. */
  _onServerSideEmit(event: [string, ...any[]]): void {
    callListeners.apply(this, event);
  }

  // ---- what the server and the sockets call ----

  /** @internal A client wants in. */
  _add(conn: Conn, newcomer: Newcomer): void {
    const socket = new Socket(this, conn._engine.wire, conn, newcomer);
    conn._engine.sockets.add(socket as unknown as Socket);
    conn._joining(socket as unknown as Socket);
    this._welcome(socket);
  }

  /** @internal A socket is there: the middlewares decide whether it is let in. */
  _welcome(socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>): void {
    debug.namespace("%s: socket %s wants in", this.name, socket.id);
    this.connecting.set(socket.id, socket);
    if (socket.recovered && this.server.opts.connectionStateRecovery?.skipMiddlewares) return this._admit(socket);
    const done = (error?: ExtendedError) => {
      process.nextTick(() => {
        if (this.connecting.get(socket.id) !== socket) return; // it has left meanwhile
        if (error) socket._rejected(error);
        else this._admit(socket);
      });
    };
    try {
      this.runMiddlewares(socket, done);
    } catch (error) {
      // The original calls middlewares from an async function: what one throws is an unhandled rejection.
      Promise.reject(error);
    }
  }

  /** @internal The socket of this id, if the middlewares have not let it in yet. */
  _connecting(id: string): Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData> | undefined {
    return this.connecting.get(id);
  }

  /** @internal A socket is no more, or was never let in. */
  _left(socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>): void {
    debug.namespace("%s: socket %s left", this.name, socket.id);
    if (this.sockets.get(socket.id) === socket) this.sockets.delete(socket.id);
    else if (this.connecting.get(socket.id) === socket) this.connecting.delete(socket.id);
    this.forgetIfEmpty();
  }

  /** @internal A client that could have come back did not. */
  _expired(pid: string, id: string, rooms: string[]): void {
    const data = this._kept.expired(pid) ?? ({} as SocketData);
    try {
      callListeners.call(this, "session_expired", { id, rooms: new Set([id, ...rooms.map(decodeRoom)]), data });
    } finally {
      this.forgetIfEmpty();
    }
  }

  private forgetIfEmpty(): void {
    if (this.sockets.size === 0 && this.connecting.size === 0 && this._kept.empty) this._onEmpty?.();
  }

  private everybody(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter);
  }

  private runMiddlewares(
    socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    done: (error?: ExtendedError) => void,
  ): void {
    const middlewares = this._fns.slice();
    const run = (at: number): void => {
      if (at === middlewares.length) return done();
      middlewares[at](socket, (error) => (error ? done(error) : run(at + 1)));
    };
    run(0);
  }

  /** @internal It is in. */
  _admit(socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>): void {
    this.connecting.delete(socket.id);
    this.sockets.set(socket.id, socket);
    socket._accepted();
    callListeners.call(this, "connect", socket);
    callListeners.call(this, "connection", socket);
  }
}
