/** A namespace: who is in it, who may come in, and what it is told. */

import type { ManyAcks } from "./acks";
import { type BroadcastFlags, BroadcastOperator, type RemoteSocket } from "./broadcast-operator";
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
import { encode } from "./parser";
import { type ExpiredSession, Kept } from "./recovery";
import { decodeRoom, encodeRoom, type Room } from "./rooms";
import { RoomsView } from "./rooms-view";
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
  /** Rooms and sockets, to look at: `adapter.rooms`, `adapter.sids`. */
  readonly adapter: RoomsView;
  /** The server. */
  readonly server: Server<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;

  /** @internal Some socket has had a catch-all listener for what it is sent. */
  _outgoingWatched = false;
  /** @internal The middlewares. */
  _fns: NamespaceMiddleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>[] = [];
  /** @internal What sockets find again. */
  readonly _kept = new Kept<SocketData>();
  /** @internal Called when the last socket has left. */
  _onEmpty: (() => void) | undefined;
  /** Sockets that the middlewares have not let in yet. */
  private readonly connecting = new Set<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>();

  /** @internal */
  constructor(server: Server<ListenEvents, EmitEvents, ServerSideEvents, SocketData>, name: string) {
    super();
    this.server = server;
    this.name = name;
    this.adapter = new RoomsView(this);
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
    ..._args: EventParams<ServerSideEvents, Name>
  ): boolean {
    if (RESERVED_BETWEEN_SERVERS.has(event)) throw reserved(event);
    console.warn("serverSideEmit() needs an adapter that connects servers; the event was dropped");
    return true;
  }

  /** {@link serverSideEmit} that waits for the other servers' answers. */
  serverSideEmitWithAck<Name extends keyof ServerSideEvents & string>(event: Name, ...args: any[]): Promise<any[]> {
    return new Promise((_resolve, _reject) => {
      this.serverSideEmit(event, ...(args as any));
    });
  }

  // ---- what the server and the sockets call ----

  /** @internal A client wants in. */
  _add(conn: Conn, newcomer: Newcomer): void {
    const socket = new Socket(this, conn, newcomer);
    debug.namespace("%s: socket %s wants in", this.name, socket.id);
    conn._engine.sockets.add(socket as unknown as Socket);
    conn._joining(socket as unknown as Socket);
    this.connecting.add(socket);
    if (socket.recovered && this.server._opts.connectionStateRecovery?.skipMiddlewares) return this.admit(socket);
    const done = (error?: ExtendedError) => {
      process.nextTick(() => {
        if (!this.connecting.has(socket)) return; // it has left meanwhile
        if (error) socket._rejected(error);
        else this.admit(socket);
      });
    };
    try {
      this.runMiddlewares(socket, done);
    } catch (error) {
      // The original calls middlewares from an async function: what one throws is an unhandled rejection.
      Promise.reject(error);
    }
  }

  /** @internal A socket is no more, or was never let in. */
  _left(socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>): void {
    debug.namespace("%s: socket %s left", this.name, socket.id);
    this.sockets.delete(socket.id);
    this.connecting.delete(socket);
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

  /** @internal */
  _broadcast(
    event: any[],
    rooms: ReadonlySet<Room>,
    except: ReadonlySet<Room>,
    flags: BroadcastFlags,
    ack: ManyAcks | undefined,
    timeout: number,
  ): void {
    const engine = this.server._engine;
    const recoverable = this.server._opts.connectionStateRecovery && ack === undefined && !flags.volatile;
    const offset = recoverable && this._outgoingWatched ? engine?.stamp(this.name) : undefined;
    if (offset !== undefined) event = [...event, offset];
    const payload = encode(event);
    if (engine === undefined) return; // nobody can be connected
    const watching = this._outgoingWatched ? this._members(rooms, except) : [];
    // The offset was given for the next event of all: listeners may emit others, those come after it.
    if (offset === undefined) for (const socket of watching) socket._notifyOutgoing(event);
    let number = -1;
    if (ack !== undefined) {
      number = engine.number();
      engine.acks.set(number, ack);
    }
    engine.broadcast(this.name, Array.from(rooms, encodeRoom), Array.from(except, encodeRoom), payload, {
      volatile: flags.volatile === true,
      compress: flags.compress !== false,
      stamped: offset !== undefined,
      ack: number,
      timeout,
    });
    if (offset !== undefined) for (const socket of watching) socket._notifyOutgoing(event);
  }

  /** @internal The sockets that a target means right now. */
  _members(
    rooms: ReadonlySet<Room>,
    except: ReadonlySet<Room>,
  ): Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>[] {
    if (rooms.size === 0 && except.size === 0) return [...this.sockets.values()];
    const engine = this.server._engine;
    if (engine === undefined) return [];
    const members: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>[] = [];
    for (const key of engine.members(this.name, Array.from(rooms, encodeRoom), Array.from(except, encodeRoom))) {
      const socket = engine.sockets.get(key);
      if (socket?.connected) members.push(socket as any);
    }
    return members;
  }

  private everybody(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this);
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

  private admit(socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>): void {
    this.connecting.delete(socket);
    this.sockets.set(socket.id, socket);
    socket._accepted();
    callListeners.call(this, "connect", socket);
    callListeners.call(this, "connection", socket);
  }
}
