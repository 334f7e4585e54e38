/** The client in one namespace. */
import {
  type DefaultEventsMap,
  Emitter,
  type EventNames,
  type EventParams,
  type EventsMap,
} from "@socket.io/component-emitter";
import type { Packet as ParserPacket } from "socket.io-parser";
import { refuseReserved, timedOut } from "../errors";
import { type Packet, PacketType } from "../scripted/packages";
import * as debug from "./debug";
import type { Manager } from "./manager";
import { on } from "./on";
import { type QueuedPacket, RetryQueue } from "./queue";
import type { OutgoingPacket } from "./wire";

/** What goes before an answer where the sender waits with a time limit. */
type PrependTimeoutError<Args extends any[]> = {
  [K in keyof Args]: Args[K] extends (...args: infer Params) => infer Result
    ? (err: Error, ...args: Params) => Result
    : Args[K];
};

/** The events of a map, whose acks get an error before the answer: what `timeout()` makes of them. */
export type DecorateAcknowledgements<E> = {
  [K in keyof E]: E[K] extends (...args: infer Params) => infer Result
    ? (...args: PrependTimeoutError<Params>) => Result
    : E[K];
};

/** The last of a list of arguments: where an ack stands. */
export type Last<T extends any[]> = T extends [...infer _, infer L] ? L : any;

/** A list of arguments without its last. */
export type AllButLast<T extends any[]> = T extends [...infer H, infer _] ? H : any[];

/** The first argument of a function: what a promise of an answer resolves with. */
export type FirstArg<T> = T extends (arg: infer Param) => infer _ ? Param : any;

/** Options of one socket. */
export interface SocketOptions {
  /** What the server's middlewares see as `handshake.auth`; a function is asked at every connection, and may answer later. */
  auth?: { [key: string]: any } | ((cb: (data: object) => void) => void);
  /** How often an event is sent again that the server does not acknowledge; then events are sent one after the other. None. */
  retries?: number;
  /** How long an ack is waited for, in ms, unless `timeout()` says otherwise. For ever. */
  ackTimeout?: number;
}

/** Why a socket was disconnected: what is known beside the reason. */
export type DisconnectDescription = Error | { description: string; context?: unknown };

/** The error of a namespace that refused the client: `data` is what its middleware added. */
export interface ExtendedError extends Error {
  data?: any;
}

/** The library's own events. */
export interface SocketReservedEvents {
  /** The socket is connected, for the first time or again. */
  connect: () => void;
  /** The connection failed, or the namespace refused the client. Then `socket.active` is false, and it does not try again. */
  connect_error: (err: ExtendedError) => void;
  /** The socket is not connected any more; `socket.active` tells whether it will be again. */
  disconnect: (reason: Socket.DisconnectReason, description?: DisconnectDescription) => void;
}

/** How the next event is sent. @internal */
export interface Flags {
  compress?: boolean;
  volatile?: boolean;
  timeout?: number;
  fromQueue?: boolean;
}

/** Who waits for an answer. `withError`: its first argument is an error, or null. */
type Ack = ((...args: any[]) => void) & { withError?: boolean };
type Listener = (...args: any[]) => void;

const OLD_SERVER =
  "It seems you are trying to reach a Socket.IO server in v2.x with a v3.x client, but they are not compatible (more " +
  "information here: https://socket.io/docs/v3/migrating-from-2-x-to-3-0/)";

/**
 * The client in one namespace: what `io()` and `manager.socket()` return. Sockets of one Manager share its connection.
 *
 * Emits what the server sends, and {@link SocketReservedEvents}. Events that are emitted while it is not connected are sent when
 * it is.
 */
export class Socket<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
> extends Emitter<ListenEvents, EmitEvents, SocketReservedEvents> {
  /** The Manager, which has the connection. */
  readonly io: Manager<ListenEvents, EmitEvents>;
  /** The id of this session, known to the server's programs; undefined while the socket is not connected. */
  id: string | undefined;
  /** The socket is connected. */
  connected = false;
  /** The server had kept this session's state while the client was away, and what it missed has been delivered. */
  recovered = false;
  /** What the server's middlewares see as `handshake.auth` from the next connection on. */
  declare auth: { [key: string]: any } | ((cb: (data: object) => void) => void);
  /** Events that came before the socket was connected. */
  receiveBuffer: ReadonlyArray<any>[] = [];
  /** Events that wait for the connection. */
  sendBuffer: ParserPacket[] = [];

  private readonly nsp: string;
  private readonly _opts: SocketOptions;
  /** The session at the server, to come back to; undefined unless the server recovers sessions. */
  private _pid: string | undefined;
  private _lastOffset: string | undefined;
  private ids = 0;
  private acks: Record<string, Ack> = {};
  private flags: Flags = {};
  /** What undoes the subscriptions at the Manager: there as long as the socket is connected or wants to be. */
  private subs: (() => void)[] | undefined;
  private readonly retries: RetryQueue | undefined;
  private _anyListeners: Listener[] | undefined;
  private _anyOutgoingListeners: Listener[] | undefined;

  /** Programs call {@link Manager.socket} instead. */
  constructor(io: Manager, nsp: string, opts?: Partial<SocketOptions>) {
    super();
    this.io = io as unknown as Manager<ListenEvents, EmitEvents>;
    this.nsp = nsp;
    this._opts = { ...opts };
    if (opts?.auth) this.auth = opts.auth;
    if (this._opts.retries) {
      const send = ({ args, flags }: QueuedPacket) => {
        this.flags = flags;
        (this as Socket).emit(...(args as [string, ...any[]]));
      };
      this.retries = new RetryQueue(this._opts.retries, () => this.connected, send);
    }
    if (io._autoConnect) this.connect();
  }

  /** The socket is not connected. */
  get disconnected(): boolean {
    return !this.connected;
  }

  /** The socket is connected, or will be as soon as its Manager is. False once either side has disconnected it. */
  get active(): boolean {
    return this.subs !== undefined;
  }

  /** Connects, unless it is connected. Needed after a disconnect of either side, and with `autoConnect: false`. */
  connect(): this {
    if (this.connected) return this;
    const { io } = this;
    this.subs ??= [
      on(io, "open", this.onOpen),
      io._route(this.onPacket),
      on(io, "error", this.onError),
      on(io, "close", this.onClose),
    ];
    if (!io._reconnecting) io.open();
    if (io._readyState === "open") this.onOpen();
    return this;
  }

  /** The same as {@link connect}. */
  open(): this {
    return this.connect();
  }

  /** Disconnects for good, until {@link connect}. The last active socket of a Manager takes the connection with it. */
  disconnect(): this {
    if (this.connected) this.packet({ type: PacketType.Disconnect });
    this.destroy();
    if (this.connected) this.onClose("io client disconnect");
    return this;
  }

  /** The same as {@link disconnect}. */
  close(): this {
    return this.disconnect();
  }

  // ---- out ----

  /** Emits `message`. */
  send(...args: any[]): this {
    this.emit("message" as any, ...(args as any));
    return this;
  }

  /**
   * Sends an event to the server. Arguments are anything JSON can carry, and bytes; a function as the last one is called with the
   * server's answer, as its `this` the socket.
   *
   * @throws Error for a reserved name, and what `JSON.stringify` throws
   */
  override emit<Ev extends EventNames<EmitEvents>>(ev: Ev, ...args: EventParams<EmitEvents, Ev>): this;
  override emit(ev: any, ...args: any[]): this {
    refuseReserved(ev);
    args.unshift(ev);
    const { flags } = this;
    this.flags = {};
    if (this.retries !== undefined && !flags.fromQueue && !flags.volatile) {
      this.retries.add(args, flags);
      return this;
    }
    const packet: OutgoingPacket = {
      type: PacketType.Event,
      nsp: undefined,
      data: args,
      id: undefined,
      options: { compress: flags.compress !== false },
    };
    if (typeof args[args.length - 1] === "function") {
      packet.id = this.ids++;
      this.awaitAnswer(packet.id, args.pop(), flags);
    }
    const { engine } = this.io;
    if (flags.volatile && !engine?.transport?.writable) {
      debug.socket("discard packet as the transport is not currently writable");
    } else if (this.connected && !engine._hasPingExpired()) {
      this.sendEvent(packet);
    } else {
      this.sendBuffer.push(packet as unknown as ParserPacket);
    }
    return this;
  }

  /**
   * Sends an event and waits for the server's answer.
   *
   * @returns a promise of the answer's first argument; it is rejected when `timeout()` or `ackTimeout` is over, and when the
   * socket is disconnected meanwhile
   */
  emitWithAck<Ev extends EventNames<EmitEvents>>(
    ev: Ev,
    ...args: AllButLast<EventParams<EmitEvents, Ev>>
  ): Promise<FirstArg<Last<EventParams<EmitEvents, Ev>>>> {
    return new Promise((resolve, reject) => {
      const ack: Ack = (error, answer) => (error ? reject(error) : resolve(answer));
      ack.withError = true;
      this.emit(ev, ...([...args, ack] as any));
    });
  }

  /** Whether the next event may be compressed: true unless said otherwise. */
  compress(compress: boolean): this {
    this.flags.compress = compress;
    return this;
  }

  /** The next event may be lost: it is dropped if it cannot be sent at once. */
  get volatile(): this {
    this.flags.volatile = true;
    return this;
  }

  /** How long the answer to the next event is waited for, in ms; its callback gets an error, or null, before the answer. */
  timeout(timeout: number): Socket<ListenEvents, DecorateAcknowledgements<EmitEvents>> {
    this.flags.timeout = timeout;
    return this as any;
  }

  private awaitAnswer(id: number, ack: Ack, flags: Flags): void {
    const timeout = flags.timeout ?? this._opts.ackTimeout;
    if (timeout === undefined) {
      this.acks[id] = ack;
      return;
    }
    const timer = this.io._setTimeout(() => {
      delete this.acks[id];
      const at = this.sendBuffer.findIndex((packet) => packet.id === id);
      if (at >= 0) this.sendBuffer.splice(at, 1);
      debug.socket("event with ack id %d has timed out after %d ms", id, timeout);
      ack.call(this, timedOut());
    }, timeout);
    const timed: Ack = (...args) => {
      this.io._clearTimeout(timer);
      ack.apply(this, args);
    };
    timed.withError = true;
    this.acks[id] = timed;
  }

  private sendEvent(packet: OutgoingPacket): void {
    const listeners = this._anyOutgoingListeners;
    if (listeners !== undefined) for (const listener of listeners.slice()) listener.apply(this, packet.data);
    this.packet(packet);
  }

  private packet(packet: OutgoingPacket): void {
    packet.nsp = this.nsp;
    this.io._packet(packet);
  }

  /** A function that answers an event, once. */
  private reply(id: number): (...args: any[]) => void {
    let sent = false;
    return (...args) => {
      if (sent) return;
      sent = true;
      debug.socket("sending ack %j", args);
      this.packet({ type: PacketType.Ack, id, data: args });
    };
  }

  // ---- in ----

  private readonly onOpen = (): void => {
    debug.socket("transport is open - connecting");
    if (typeof this.auth === "function") this.auth((data) => this.sendConnect(data));
    else this.sendConnect(this.auth);
  };

  private sendConnect(auth: object | undefined): void {
    const data = this._pid ? { pid: this._pid, offset: this._lastOffset, ...auth } : auth;
    this.packet({ type: PacketType.Connect, data });
  }

  private readonly onError = (error: Error): void => {
    if (!this.connected) this.emitReserved("connect_error", error);
  };

  private readonly onClose = (reason: string, description?: DisconnectDescription): void => {
    debug.socket("close (%s)", reason);
    this.connected = false;
    this.id = undefined;
    this.emitReserved("disconnect", reason as Socket.DisconnectReason, description);
    this.forgetAcks();
  };

  /** Nobody answers any more, except what has not been sent yet. */
  private forgetAcks(): void {
    for (const id of Object.keys(this.acks)) {
      if (this.sendBuffer.some((packet) => String(packet.id) === id)) continue;
      const ack = this.acks[id];
      delete this.acks[id];
      if (ack.withError) ack.call(this, new Error("socket has been disconnected"));
    }
  }

  private readonly onPacket = (packet: Packet): void => {
    if (packet.nsp === this.nsp) this._received(packet);
  };

  /** @internal A packet for this namespace has come. */
  _received({ type, data, id }: Packet): void {
    switch (type) {
      case PacketType.Connect:
        if (data?.sid) this.onConnect(data.sid, data.pid);
        else this.emitReserved("connect_error", new Error(OLD_SERVER));
        return;
      case PacketType.Event:
      case PacketType.BinaryEvent: {
        const args = data ?? [];
        if (id !== undefined && id !== null) args.push(this.reply(id));
        if (this.connected) this.deliver(args);
        else this.receiveBuffer.push(Object.freeze(args));
        return;
      }
      case PacketType.Ack:
      case PacketType.BinaryAck:
        return this.onAnswer(id as number, data);
      case PacketType.Disconnect:
        debug.socket("server disconnect (%s)", this.nsp);
        this.destroy();
        return this.onClose("io server disconnect");
      case PacketType.ConnectError: {
        this.destroy();
        const error: ExtendedError = new Error(data?.message);
        error.data = data?.data;
        this.emitReserved("connect_error", error);
      }
    }
  }

  private onConnect(id: string, pid: string | undefined): void {
    debug.socket("socket connected with id %s", id);
    this.id = id;
    // As in the original, undefined where the server recovers nothing.
    this.recovered = (pid && this._pid === pid) as boolean;
    this._pid = pid;
    this.connected = true;
    for (const args of this.receiveBuffer) this.deliver(args);
    this.receiveBuffer = [];
    for (const packet of this.sendBuffer) this.sendEvent(packet as unknown as OutgoingPacket);
    this.sendBuffer = [];
    this.retries?.drain(true);
    this.emitReserved("connect");
  }

  private deliver(args: ReadonlyArray<any>): void {
    const any = this._anyListeners;
    if (any !== undefined) for (const listener of any.slice()) listener.apply(this, args as any[]);
    super.emit.apply(this, args as any);
    if (!this._pid) return;
    // What recovery goes by: the server appends an offset to what it keeps.
    const last = args[args.length - 1];
    if (typeof last === "string") this._lastOffset = last;
  }

  private onAnswer(id: number, args: any[]): void {
    const ack = this.acks[id];
    if (ack === undefined) return debug.socket("bad ack %s", id);
    delete this.acks[id];
    if (ack.withError) args.unshift(null);
    ack.apply(this, args);
  }

  private destroy(): void {
    if (this.subs !== undefined) for (const undo of this.subs) undo();
    this.subs = undefined;
    this.io._destroy();
  }

  /** @internal Events that wait for their turn, with the option `retries`. */
  get _queue(): QueuedPacket[] {
    return this.retries?.waiting ?? [];
  }

  // ---- catch-all listeners ----

  /** Adds a listener for every event that comes; its first argument is the event's name. */
  onAny(listener: Listener): this {
    this._anyListeners ??= [];
    this._anyListeners.push(listener);
    return this;
  }

  /** The same, before all others. */
  prependAny(listener: Listener): this {
    this._anyListeners ??= [];
    this._anyListeners.unshift(listener);
    return this;
  }

  /** Removes a listener for every event, or all of them. */
  offAny(listener?: Listener): this {
    this._anyListeners = without(this._anyListeners, listener);
    return this;
  }

  /** The listeners for every event. Changing the array changes them. */
  listenersAny(): Listener[] {
    return this._anyListeners ?? [];
  }

  /** Adds a listener for every event that is sent, acks apart; its first argument is the event's name. */
  onAnyOutgoing(listener: Listener): this {
    this._anyOutgoingListeners ??= [];
    this._anyOutgoingListeners.push(listener);
    return this;
  }

  /** The same, before all others. */
  prependAnyOutgoing(listener: Listener): this {
    this._anyOutgoingListeners ??= [];
    this._anyOutgoingListeners.unshift(listener);
    return this;
  }

  /** Removes a listener for every event that is sent, or all of them. */
  offAnyOutgoing(listener?: Listener): this {
    this._anyOutgoingListeners = without(this._anyOutgoingListeners, listener);
    return this;
  }

  /** The listeners for every event that is sent. Changing the array changes them. */
  listenersAnyOutgoing(): Listener[] {
    return this._anyOutgoingListeners ?? [];
  }
}

export declare namespace Socket {
  /** Why a socket was disconnected. It comes back by itself except after the first two. */
  type DisconnectReason =
    | "io server disconnect"
    | "io client disconnect"
    | "ping timeout"
    | "transport close"
    | "transport error"
    | "parse error";
}

/** Takes one listener out of the array, or gives an empty one. */
function without(listeners: Listener[] | undefined, listener: Listener | undefined): Listener[] | undefined {
  if (listeners === undefined) return undefined;
  if (listener === undefined) return [];
  const at = listeners.indexOf(listener);
  if (at >= 0) listeners.splice(at, 1);
  return listeners;
}
