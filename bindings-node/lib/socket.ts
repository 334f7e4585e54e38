/** One client in one namespace. */

import type { IncomingMessage } from "node:http";
import { timerMs } from "./acks";
import type { Adapter } from "./adapter";
import { BroadcastOperator } from "./broadcast-operator";
import type { Client } from "./client";
import { type Conn, type DisconnectReason, describe, forConn } from "./conn";
import * as debug from "./debug";
import {
  type AllButLast,
  callListeners,
  type DecorateAcks,
  type DefaultEventsMap,
  type EventNames,
  type EventNamesWithAck,
  type EventParams,
  type EventsMap,
  type FirstAnswer,
  type Last,
  TypedEmitter,
} from "./emitter";
import { type ExtendedError, refuseReserved } from "./errors";
import { type Handshake, handshake } from "./handshake";
import type { Namespace } from "./namespace";
import type { RoomsOf } from "./native-adapter";
import type { Room } from "./rooms";
import type { Server } from "./server";
import type { Wire } from "./wire";

/** An event and its arguments, as catch-all listeners and middlewares see them. */
export type Event = [eventName: string, ...args: any[]];

/** The library's own events on a socket. */
export interface SocketReservedEvents {
  /** The socket has left its rooms and its namespace. */
  disconnect: (reason: DisconnectReason, description?: any) => void;
  /** The socket is about to leave; its rooms are still there. */
  disconnecting: (reason: DisconnectReason, description?: any) => void;
  /** A middleware of the socket refused an event, or the client sent nonsense. */
  error: (error: Error) => void;
}

/** A client that asks to join, as the engine announces it. @internal */
export interface Newcomer {
  /** The engine's number for its socket. */
  key: number;
  id: string;
  auth: object;
  /** The private id, where state can be recovered, and whether the client is back. */
  pid?: string;
  recovered?: boolean;
}

type Middleware = (event: Event, next: (error?: Error) => void) => void;
type AnyListener = (...args: any[]) => void;

const enum State {
  /** On its way through the namespace's middlewares. */
  Connecting,
  Connected,
  Disconnected,
}

/** The id of an event that asks for no answer. @internal */
export const NO_ID = -1;

const enum Flag {
  Volatile = 1,
  NoCompress = 2,
}

/**
 * One client in one namespace: what `connection` hands out.
 *
 * @typeParam ListenEvents - events the client sends
 * @typeParam EmitEvents - events the client is sent
 * @typeParam ServerSideEvents - events between servers
 * @typeParam SocketData - type of {@link data}
 */
export class Socket<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
  ServerSideEvents extends EventsMap = DefaultEventsMap,
  SocketData = any,
> extends TypedEmitter<ListenEvents, SocketReservedEvents> {
  /** The namespace. */
  readonly nsp: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /** The public id of this client in this namespace. */
  readonly id: string;
  /** The connection below. */
  readonly conn: Conn;
  /** The client is back after its connection broke: id, rooms and data are those it had, and it gets what it missed. */
  readonly recovered: boolean;

  /** @internal What carries its packets. */
  readonly _wire: Wire;
  /** @internal The engine's number for it, -1 where the engine does not know it. */
  readonly _key: number;
  private state: State = State.Connecting;
  private readonly issued = Date.now();
  private readonly auth: object;

  // Made when first used: most sockets never need most of them.
  private declare flags: number;
  private declare ackTimeout: number | undefined;
  /** @internal The private id, where state can be recovered. */
  declare readonly _pid: string | undefined;
  private declare ownData: SocketData | undefined;
  private declare ownHandshake: Handshake | undefined;
  private declare ownRooms: RoomsOf | undefined;
  private declare ownAcks: Map<number, AnyListener> | undefined;
  private declare middlewares: Middleware[] | undefined;
  private declare anyListeners: AnyListener[] | undefined;
  private declare anyOutgoingListeners: AnyListener[] | undefined;

  /** @internal */
  constructor(
    nsp: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    wire: Wire,
    conn: Conn,
    { key, id, auth, pid, recovered = false }: Newcomer,
  ) {
    super();
    this.nsp = nsp;
    this._wire = wire;
    this.conn = conn;
    this._key = key;
    this.id = id;
    this.auth = auth;
    this.recovered = recovered;
    if (pid !== undefined) {
      this._pid = pid;
      if (recovered) this.ownData = nsp._kept.find(pid);
    }
  }

  // ---- what it is ----

  /** The client was let in and has not left. */
  get connected(): boolean {
    return this.state === State.Connected;
  }

  /** The opposite of {@link connected}. */
  get disconnected(): boolean {
    return this.state !== State.Connected;
  }

  /** Anything the program wants to keep with the socket; `fetchSockets()` shows it. */
  get data(): SocketData {
    this.ownData ??= {} as SocketData;
    return this.ownData;
  }

  set data(data: SocketData) {
    this.ownData = data;
  }

  /** What the client sent to connect. */
  get handshake(): Handshake {
    this.ownHandshake ??= handshake(this.conn, this.issued, this.auth);
    return this.ownHandshake;
  }

  set handshake(handshake: Handshake) {
    this.ownHandshake = handshake;
  }

  /** The rooms the socket is in, its own id among them; none when it is not connected. Live, to read. */
  get rooms(): Set<Room> {
    const { _native: native, adapter } = this.nsp;
    if (native === undefined) return adapter.socketRooms(this.id) ?? new Set();
    if (this.state === State.Disconnected) return new Set();
    this.ownRooms ??= native.roomsOf(this as unknown as Socket);
    return this.ownRooms;
  }

  /** The server. */
  get server(): Server<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    return this.nsp.server;
  }

  /** The adapter of the namespace. */
  get adapter(): Adapter {
    return this.nsp.adapter;
  }

  /** The connection, as seen from Socket.IO. */
  get client(): Client {
    return this._wire.client(this as unknown as Socket);
  }

  /** The acks that are waited for, by the id of their packet. On the engine: a copy. */
  get acks(): Map<number, (...args: any[]) => void> {
    return this._wire.acks(this as unknown as Socket);
  }

  /** The first HTTP request of the session (not the upgrade). */
  get request(): IncomingMessage {
    return this.conn.request;
  }

  // ---- out ----

  /**
   * Sends an event. A function as last argument is called with the client's answer.
   *
   * @returns true
   * @throws Error if the name is reserved, or what `JSON.stringify` throws
   */
  override emit<Name extends EventNames<EmitEvents>>(event: Name, ...args: EventParams<EmitEvents, Name>): boolean;
  override emit(...event: any[]): boolean {
    refuseReserved(event[0]);
    const { flags, ackTimeout } = this;
    if (flags !== 0) this.flags = 0;
    if (ackTimeout !== undefined) this.ackTimeout = undefined;
    const callback = typeof event[event.length - 1] === "function" ? event.pop() : undefined;
    this._wire.emit(this as unknown as Socket, event, callback, {
      volatile: (flags & Flag.Volatile) !== 0,
      compress: (flags & Flag.NoCompress) === 0,
      timeout: ackTimeout,
    });
    return true;
  }

  /**
   * Sends an event and waits for the answer.
   *
   * @returns the first argument of the client's ack. Without {@link timeout} it never rejects, and never resolves if the
   * client leaves.
   * @throws Error (rejects) if a {@link timeout} was set and no answer came in time
   */
  emitWithAck<Name extends EventNamesWithAck<EmitEvents>>(
    event: Name,
    ...args: AllButLast<EventParams<EmitEvents, Name>>
  ): Promise<FirstAnswer<Last<EventParams<EmitEvents, Name>>>> {
    const timed = this.ackTimeout !== undefined;
    return new Promise((resolve, reject) => {
      const answer = timed
        ? (error: Error | null, value: any) => (error ? reject(error) : resolve(value))
        : (value: any) => resolve(value);
      this.emit(event, ...([...args, answer] as any));
    });
  }

  /** Sends a `message` event. */
  send(...args: EventParams<EmitEvents, any>): this {
    this.emit("message", ...args);
    return this;
  }

  /** Sends a `message` event. */
  write(...args: EventParams<EmitEvents, any>): this {
    return this.send(...args);
  }

  /**
   * How long the next emit waits for its answer. The ack is then called with an error, or with null and the answer.
   *
   * @param ms - in milliseconds
   */
  timeout(ms: number): Socket<ListenEvents, DecorateAcks<EmitEvents>, ServerSideEvents, SocketData> {
    this.ackTimeout = timerMs(ms);
    return this as any;
  }

  /** Whether the next emit's packet may be compressed. True without a call. */
  compress(compress: boolean): this {
    if (compress) this.flags &= ~Flag.NoCompress;
    else this.flags |= Flag.NoCompress;
    return this;
  }

  /** The next emit may be dropped if the client is not ready to receive. */
  get volatile(): this {
    this.flags |= Flag.Volatile;
    return this;
  }

  /**
   * Bytes that wait to be sent to this client, in all its namespaces. Who sends without end watches it: at a limit the engine
   * gives such a client up. Not in socket.io.
   */
  get bufferedAmount(): number {
    return this.conn.bufferedAmount;
  }

  /**
   * Resolves when everything emitted so far has been handed to the transport (over polling: to a poll), or the client has gone.
   * Not in socket.io.
   */
  drain(): Promise<void> {
    return this.conn.drained();
  }

  // ---- rooms ----

  /** Joins rooms. At once. */
  join(rooms: Room | Room[]): Promise<void> | void {
    if (this.state === State.Disconnected) return;
    if (debug.socket.enabled) debug.socket("%s joins %o", this.id, rooms);
    const list = Array.isArray(rooms) ? rooms : [rooms];
    const { _native: native, adapter } = this.nsp;
    if (native === undefined) return adapter.addAll(this.id, new Set(list));
    native.join(this as unknown as Socket, list);
  }

  /** Leaves a room. At once. */
  leave(room: Room): Promise<void> | void {
    if (debug.socket.enabled) debug.socket("%s leaves %o", this.id, room);
    const { _native: native, adapter } = this.nsp;
    if (native === undefined) return adapter.del(this.id, room);
    native.leave(this as unknown as Socket, room);
  }

  /** To the members of rooms, without this socket. */
  to(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.others().to(room);
  }

  /** The same as {@link to}. */
  in(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.others().in(room);
  }

  /** To everybody but the members of rooms and this socket. */
  except(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.others().except(room);
  }

  /** To everybody but this socket. */
  get broadcast(): BroadcastOperator<EmitEvents, SocketData> {
    return this.others();
  }

  /** To everybody on this server but this socket. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.others().local;
  }

  /**
   * Disconnects the client from this namespace.
   *
   * @param close - close the connection below too, with all its namespaces
   */
  disconnect(close = false): this {
    if (!this.connected) return this;
    if (close) this._wire.disconnectAll(this as unknown as Socket);
    else this._disconnectFromHere(false);
    return this;
  }

  // ---- in ----

  /** Adds a middleware: it sees each incoming event, may change its arguments, and lets it pass by calling `next()`. */
  use(middleware: Middleware): this {
    this.middlewares ??= [];
    this.middlewares.push(middleware);
    return this;
  }

  /** Adds a listener for every incoming event, whatever the middlewares say. */
  onAny(listener: AnyListener): this {
    this.anyListeners ??= [];
    this.anyListeners.push(listener);
    return this;
  }

  /** {@link onAny}, before the others. */
  prependAny(listener: AnyListener): this {
    this.anyListeners ??= [];
    this.anyListeners.unshift(listener);
    return this;
  }

  /** Removes a catch-all listener, or all. */
  offAny(listener?: AnyListener): this {
    removeListener(this.anyListeners, listener);
    return this;
  }

  /** The catch-all listeners; the list itself. */
  listenersAny(): AnyListener[] {
    this.anyListeners ??= [];
    return this.anyListeners;
  }

  /** Adds a listener for every event this socket is sent, broadcasts included. */
  onAnyOutgoing(listener: AnyListener): this {
    this.outgoing().push(listener);
    return this;
  }

  /** {@link onAnyOutgoing}, before the others. */
  prependAnyOutgoing(listener: AnyListener): this {
    this.outgoing().unshift(listener);
    return this;
  }

  /** Removes an outgoing catch-all listener, or all. */
  offAnyOutgoing(listener?: AnyListener): this {
    removeListener(this.anyOutgoingListeners, listener);
    return this;
  }

  /** The outgoing catch-all listeners; the list itself. */
  listenersAnyOutgoing(): AnyListener[] {
    return this.outgoing();
  }

  // ---- what the namespace and the wire call ----

  /** @internal The acks that are waited for, where the wire does not keep them. */
  get _ownAcks(): Map<number, AnyListener> {
    this.ownAcks ??= new Map();
    return this.ownAcks;
  }

  /** @internal It has been connected, or was refused, and is no more. */
  get _over(): boolean {
    return this.state === State.Disconnected;
  }

  /** @internal The middlewares let it in. */
  _accepted(): void {
    this.state = State.Connected;
    const { _native: native } = this.nsp;
    if (native === undefined) this.join(this.id);
    else native.accepted(this as unknown as Socket);
    this._wire.accept(this as unknown as Socket);
  }

  /** @internal A middleware refused it. */
  _rejected(error: ExtendedError): void {
    this.forget(false);
    this.state = State.Disconnected;
    this._wire.refuse(this as unknown as Socket, error);
  }

  /** @internal An event came. True if its listeners are to be called in the next tick. */
  _arrived(event: any[], id: number): boolean {
    if (this.state !== State.Connected) return false;
    if (debug.socket.enabled) debug.socket("%s got %o", this.id, event);
    if (id !== NO_ID) event.push(this.answerer(id));
    const { anyListeners, middlewares } = this;
    if (anyListeners !== undefined) for (const listener of anyListeners.slice()) listener.apply(this, event);
    if (middlewares === undefined) return true;
    this.runMiddlewares(middlewares.slice(), event as Event);
    return false;
  }

  /** @internal Calls the listeners of an event. */
  _deliver(event: any[]): void {
    if (this.state !== State.Connected) return;
    // As if there were a listener for it always: an unheard "error" must not be thrown.
    if (event[0] === "error" && this.listenerCount("error") === 0) return;
    callListeners.apply(this, event as any);
  }

  /** Tells the outgoing catch-all listeners of a packet: adapters call it. */
  notifyOutgoingListeners(packet: { data: any[] }): void {
    this._notifyOutgoing(packet.data);
  }

  /** @internal Tells the outgoing catch-all listeners. */
  _notifyOutgoing(event: any[]): void {
    if (this.anyOutgoingListeners === undefined) return;
    for (const listener of this.anyOutgoingListeners.slice()) listener.apply(this, event);
  }

  /** @internal */
  get _watchesOutgoing(): boolean {
    return this.anyOutgoingListeners !== undefined && this.anyOutgoingListeners.length > 0;
  }

  /** @internal The engine says that it is over. */
  _ended(reason: DisconnectReason, detail: string): void {
    // Who closes the connection itself, and not by way of a socket, hears what the connection hears.
    if (this.conn.readyState === "closing") reason = forConn(reason);
    // The packet was nonsense: who listens learns what kind.
    if (reason === "forced close" && detail !== "") this._fail(new Error(detail));
    if (this.state === State.Disconnected) this._wire.forget(this as unknown as Socket, true);
    else this.end(reason, describe(reason, detail), true);
  }

  /** @internal It is over from here, before the wire carries it out: what was emitted until now still goes out. */
  _close(reason: DisconnectReason, description?: Error): void {
    if (this.state !== State.Disconnected) this.end(reason, description, false);
  }

  /** @internal As {@link disconnect}; the wire tells the client. */
  _disconnectFromHere(close: boolean): void {
    this._wire.disconnect(this as unknown as Socket, close);
    this._close("server namespace disconnect");
  }

  /**
   * `disconnecting`, out of everything, `disconnect`.
   *
   * @param ended - the other side knows already: nobody has anything more to do for it
   */
  private end(reason: DisconnectReason, description: Error | undefined, ended: boolean): void {
    // Only the middlewares have seen a socket that is not connected yet: it ends in silence.
    const known = this.state === State.Connected;
    debug.socket("%s ends: %s", this.id, reason);
    try {
      if (known) callListeners.call(this, "disconnecting", reason, description);
    } finally {
      if (known) this._wire.ending(this as unknown as Socket, reason, this.ownData);
      this.forget(ended);
      this.state = State.Disconnected;
    }
    if (known) callListeners.call(this, "disconnect", reason, description);
  }

  /** Out of its rooms, its namespace and its connection. */
  private forget(ended: boolean): void {
    const { _native: native, adapter } = this.nsp;
    this.ownRooms?.keep();
    if (native === undefined) adapter.delAll(this.id);
    else native.left(this as unknown as Socket);
    this.nsp._left(this);
    this._wire.forget(this as unknown as Socket, ended);
  }

  /** @internal Something is wrong with what the client sent. */
  _fail(error: Error): void {
    if (this.listenerCount("error") > 0) callListeners.call(this, "error", error);
  }

  private runMiddlewares(middlewares: Middleware[], event: Event): void {
    const run = (at: number): void => {
      if (at === middlewares.length) return done();
      middlewares[at](event, (error) => (error ? done(error) : run(at + 1)));
    };
    const done = (error?: Error): void => {
      process.nextTick(() => (error ? this._fail(error) : this._deliver(event)));
    };
    run(0);
  }

  /** The function that a handler answers by: the first call counts. */
  private answerer(id: number): (...args: any[]) => void {
    let answered = false;
    return (...args) => {
      if (answered) return;
      answered = true;
      this._wire.answer(this as unknown as Socket, id, args);
    };
  }

  private outgoing(): AnyListener[] {
    if (this.anyOutgoingListeners === undefined) {
      this.anyOutgoingListeners = [];
      this.nsp._outgoingWatched = true;
    }
    return this.anyOutgoingListeners;
  }

  /** Everybody but this socket, with the flags set so far. */
  private others(): BroadcastOperator<EmitEvents, SocketData> {
    const { flags, ackTimeout } = this;
    this.flags = 0;
    this.ackTimeout = undefined;
    return new BroadcastOperator<EmitEvents, SocketData>(this.nsp.adapter, new Set(), new Set([this.id]), {
      ...((flags & Flag.Volatile) !== 0 && { volatile: true }),
      ...((flags & Flag.NoCompress) !== 0 && { compress: false }),
      ...(ackTimeout !== undefined && { timeout: ackTimeout }),
    });
  }
}

// Defaults of the fields that are made when first used.
Object.assign(Socket.prototype, {
  flags: 0,
  ackTimeout: undefined,
  ownRooms: undefined,
  ownAcks: undefined,
  _pid: undefined,
});

function removeListener(listeners: AnyListener[] | undefined, listener: AnyListener | undefined): void {
  if (listeners === undefined) return;
  if (listener === undefined) return void listeners.splice(0);
  const at = listeners.indexOf(listener);
  if (at >= 0) listeners.splice(at, 1);
}
