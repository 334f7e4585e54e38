/** One connection for the sockets of several namespaces, and how it comes back. */
import { type DefaultEventsMap, Emitter, type EventsMap } from "@socket.io/component-emitter";
import type { Packet as ParserPacket } from "socket.io-parser";
import type { Packet } from "../scripted/packages";
import { Backoff } from "./backoff";
import * as debug from "./debug";
import type { Engine } from "./engine";
import { on } from "./on";
import type { EngineOptions } from "./options";
import { type DisconnectDescription, Socket, type SocketOptions } from "./socket";
import { type OutgoingPacket, Wire } from "./wire";

/** Options of a Manager. Times are milliseconds. */
export interface ManagerOptions extends EngineOptions {
  /** Do not share the connection with other sockets of the same server. False. */
  forceNew: boolean;
  /** Share the connection with other sockets of the same server. True. */
  multiplex: boolean;
  /** The path of the server's requests. `/socket.io`. */
  path: string;
  /** Come back when the connection is lost or cannot be had. True. */
  reconnection: boolean;
  /** How many attempts to come back are made. Without end. */
  reconnectionAttempts: number;
  /** How long to wait before the first attempt; before each further one twice as long. 1000. */
  reconnectionDelay: number;
  /** The longest wait before an attempt. 5000. */
  reconnectionDelayMax: number;
  /** How much of a wait is left to chance, from 0 to 1. 0.5. */
  randomizationFactor: number;
  /** How long an attempt may take; false means for ever. 20000. */
  timeout: number;
  /** Connect at once. True. */
  autoConnect: boolean;
  /** Who turns packets into messages, of the kind of `socket.io-msgpack-parser`. Socket.IO's own. */
  parser: any;
}

/** The events of a Manager. */
export interface ManagerReservedEvents {
  /** The connection is open. */
  open: () => void;
  /** A connection could not be had, or ended in an error. */
  error: (err: Error) => void;
  /** The server asked whether the client is there. */
  ping: () => void;
  /** A packet came. */
  packet: (packet: ParserPacket) => void;
  /** The connection has ended. */
  close: (reason: string, description?: DisconnectDescription) => void;
  /** All attempts to come back have failed. */
  reconnect_failed: () => void;
  /** An attempt to come back begins: `opts` may still be changed for it. */
  reconnect_attempt: (attempt: number) => void;
  /** An attempt to come back has failed. */
  reconnect_error: (err: Error) => void;
  /** The connection is back. */
  reconnect: (attempt: number) => void;
}

/** A connection to one server, which comes back when it is lost; sockets share it, one for each namespace. */
export class Manager<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
> extends Emitter<{}, {}, ManagerReservedEvents> {
  /** The present connection, or the last one. */
  declare engine: Engine;
  /** What the next connection is opened with: may be changed. */
  opts: Partial<ManagerOptions>;

  /** @internal */
  _autoConnect: boolean;
  /** @internal */
  _readyState: "opening" | "open" | "closed" = "closed";
  /** @internal An attempt to come back is waited for, or under way. */
  _reconnecting = false;
  /** @internal */
  readonly _setTimeout: typeof setTimeout;
  /** @internal */
  readonly _clearTimeout: typeof clearTimeout;

  private readonly uri: string | undefined;
  private readonly nsps: Record<string, Socket<ListenEvents, EmitEvents>> = {};
  private readonly wire: Wire;
  private readonly backoff: Backoff;
  /** What undoes the subscriptions at the connection, and its timers. */
  private subs: (() => void)[] = [];
  private skipReconnect = false;
  /** Sockets among the listeners of `packet`. */
  private routes = 0;
  private watchesPings: Engine | undefined;
  private _reconnection!: boolean;
  private _reconnectionAttempts: number;
  private _reconnectionDelay: number;
  private _reconnectionDelayMax: number;
  private _randomizationFactor: number;
  private _timeout: number | boolean;

  /** @param uri - of the server; its path is of no meaning here */
  constructor(opts: Partial<ManagerOptions>);
  constructor(uri?: string, opts?: Partial<ManagerOptions>);
  constructor(uri?: string | Partial<ManagerOptions>, opts?: Partial<ManagerOptions>);
  constructor(uri?: string | Partial<ManagerOptions>, opts?: Partial<ManagerOptions>) {
    super();
    if (typeof uri === "object" && uri !== null) {
      opts = uri;
      uri = undefined;
    }
    opts ??= {};
    opts.path ||= "/socket.io";
    this.opts = opts;
    this.uri = uri as string | undefined;
    [this._setTimeout, this._clearTimeout] = timersOf(opts);
    this.reconnection(opts.reconnection !== false);
    this._reconnectionAttempts = opts.reconnectionAttempts || Number.POSITIVE_INFINITY;
    this._reconnectionDelay = opts.reconnectionDelay || 1000;
    this._reconnectionDelayMax = opts.reconnectionDelayMax || 5000;
    this._randomizationFactor = opts.randomizationFactor ?? 0.5;
    this._timeout = opts.timeout ?? 20_000;
    this.backoff = new Backoff(this._reconnectionDelay, this._reconnectionDelayMax, this._randomizationFactor);
    this.wire = new Wire(opts.parser, {
      packet: (packet) => this.onPacket(packet),
      unreadable: (error) => this.onClose("parse error", error),
    });
    this._autoConnect = opts.autoConnect !== false;
    if (this._autoConnect) this.open();
  }

  // ---- options ----

  /** Whether it comes back; false also ends what is under way. Without a value, tells it. */
  reconnection(v: boolean): this;
  reconnection(): boolean;
  reconnection(v?: boolean): this | boolean;
  reconnection(...value: [boolean?]): this | boolean {
    if (value.length === 0) return this._reconnection;
    this._reconnection = !!value[0];
    if (!this._reconnection) this.skipReconnect = true;
    return this;
  }

  /** How many attempts to come back are made. Without a value, tells it. */
  reconnectionAttempts(v: number): this;
  reconnectionAttempts(): number;
  reconnectionAttempts(v?: number): this | number;
  reconnectionAttempts(v?: number): this | number {
    if (v === undefined) return this._reconnectionAttempts;
    this._reconnectionAttempts = v;
    return this;
  }

  /** How long to wait before the first attempt, in ms. Without a value, tells it. */
  reconnectionDelay(v: number): this;
  reconnectionDelay(): number;
  reconnectionDelay(v?: number): this | number;
  reconnectionDelay(v?: number): this | number {
    if (v === undefined) return this._reconnectionDelay;
    this._reconnectionDelay = v;
    this.backoff.setMin(v);
    return this;
  }

  /** How much of a wait is left to chance, from 0 to 1. Without a value, tells it. */
  randomizationFactor(v: number): this;
  randomizationFactor(): number;
  randomizationFactor(v?: number): this | number;
  randomizationFactor(v?: number): this | number {
    if (v === undefined) return this._randomizationFactor;
    this._randomizationFactor = v;
    this.backoff.setJitter(v);
    return this;
  }

  /** The longest wait before an attempt, in ms. Without a value, tells it. */
  reconnectionDelayMax(v: number): this;
  reconnectionDelayMax(): number;
  reconnectionDelayMax(v?: number): this | number;
  reconnectionDelayMax(v?: number): this | number {
    if (v === undefined) return this._reconnectionDelayMax;
    this._reconnectionDelayMax = v;
    this.backoff.setMax(v);
    return this;
  }

  /** How long an attempt may take, in ms; false means for ever. Without a value, tells it. */
  timeout(v: number | boolean): this;
  timeout(): number | boolean;
  timeout(v?: number | boolean): this | number | boolean;
  timeout(...value: [(number | boolean)?]): this | number | boolean {
    if (value.length === 0) return this._timeout;
    this._timeout = value[0]!;
    return this;
  }

  // ---- sockets ----

  /** The socket of a namespace. The same name gives the same socket, whatever its options; one that was disconnected connects. */
  socket(nsp: string, opts?: Partial<SocketOptions>): Socket {
    const known = this.nsps[nsp];
    if (known === undefined) {
      this.nsps[nsp] = new Socket(this as unknown as Manager, nsp, opts) as unknown as Socket<ListenEvents, EmitEvents>;
    } else if (this._autoConnect && !known.active) {
      known.connect();
    }
    return this.nsps[nsp] as unknown as Socket;
  }

  /** @internal There is a socket of this namespace. */
  _has(nsp: string): boolean {
    return nsp in this.nsps;
  }

  /** @internal A socket wants nothing any more: the last one takes the connection with it. */
  _destroy(): void {
    for (const nsp of Object.keys(this.nsps)) {
      if (this.nsps[nsp].active) return debug.manager("socket %s is still active, skipping close", nsp);
    }
    this._close();
  }

  /** @internal */
  _packet(packet: OutgoingPacket): void {
    this.wire.send(this.engine, packet);
  }

  /** @internal Subscribes a socket to `packet`. @returns what ends it */
  _route(listener: (packet: Packet) => void): () => void {
    this.routes++;
    const undo = on(this, "packet", listener);
    return () => {
      this.routes--;
      undo();
    };
  }

  /** Where only sockets listen, a packet goes straight to its own: the same as if all were asked. */
  private onPacket(packet: Packet): void {
    if (this.listeners("packet").length !== this.routes) {
      this.emitReserved("packet", packet as ParserPacket);
    } else {
      const socket = this.nsps[packet.nsp];
      if (socket?.active) socket._received(packet);
    }
  }

  // ---- the connection ----

  /**
   * Connects, unless it does already.
   *
   * @param fn - called when it is open, or with the error; with it, a failure does not begin a reconnection
   */
  open(fn?: (err?: Error) => void): this {
    debug.manager("readyState %s", this._readyState);
    if (this._readyState !== "closed") return this;
    // It takes the place of the attempt that is waited for, and of those after it.
    const resumes = this._reconnecting && fn === undefined;
    this._reconnecting = false;
    return this.dial(fn ?? (resumes ? this.resumed : undefined));
  }

  private dial(fn: ((err?: Error) => void) | undefined): this {
    debug.manager("opening %s", this.uri);
    const engine = this.wire.open(this.uri, this.opts);
    this.engine = engine;
    this._readyState = "opening";
    this.skipReconnect = false;
    const ignoreOpen = on(engine, "open", () => {
      this.onOpen();
      fn?.();
    });
    const fail = (error: Error) => {
      this.cleanup();
      this._readyState = "closed";
      this.emitReserved("error", error);
      if (fn !== undefined) fn(error);
      else this.beginReconnection();
    };
    if (this._timeout !== false) {
      debug.manager("connect attempt will timeout after %d", this._timeout);
      this.after(Number(this._timeout), () => {
        debug.manager("connect attempt timed out after %d", this._timeout);
        ignoreOpen();
        fail(new Error("timeout"));
        engine.close();
      });
    }
    this.subs.push(ignoreOpen, on(engine, "error", fail));
    return this;
  }

  /** The same as {@link open}. */
  connect(fn?: (err?: Error) => void): this {
    return this.open(fn);
  }

  /** @internal Closes for good. */
  _close(): void {
    debug.manager("disconnect");
    this.skipReconnect = true;
    this._reconnecting = false;
    this.onClose("forced close");
  }

  /** @internal The same as {@link _close}. */
  disconnect(): void {
    this._close();
  }

  private onOpen(): void {
    debug.manager("open");
    this.cleanup();
    this._readyState = "open";
    this.emitReserved("open");
    const { engine } = this;
    this.subs.push(on(engine, "error", this.onError), on(engine, "close", this.onClose), () => this.wire.mute());
    if (this.hasListeners("ping")) this.watchPings();
    this.wire.listen(engine);
  }

  /** The engine tells of pings only where somebody wants to know. */
  private watchPings(): void {
    if (this._readyState !== "open" || this.watchesPings === this.engine) return;
    this.watchesPings = this.engine;
    this.subs.push(on(this.engine, "ping", () => this.emitReserved("ping")));
  }

  /** @internal */
  override on(event: any, listener: any): this {
    super.on(event, listener);
    if (event === "ping") this.watchPings();
    return this;
  }

  /** @internal */
  addEventListener(event: any, listener: any): this {
    return this.on(event, listener);
  }

  private readonly onError = (error: Error): void => {
    debug.manager("error", error);
    this.emitReserved("error", error);
  };

  private readonly onClose = (reason: string, description?: DisconnectDescription): void => {
    debug.manager("closed due to %s", reason);
    this.cleanup();
    this.engine?.close();
    this.backoff.reset();
    this._readyState = "closed";
    this.emitReserved("close", reason, description);
    if (this._reconnection && !this.skipReconnect) this.reconnect();
  };

  private cleanup(): void {
    debug.manager("cleanup");
    const { subs } = this;
    this.subs = [];
    for (const undo of subs) undo();
  }

  // ---- coming back ----

  /** After a first attempt has failed; the further ones see to it themselves. */
  private beginReconnection(): void {
    if (!this._reconnecting && this._reconnection && this.backoff.attempts === 0) this.reconnect();
  }

  private reconnect(): void {
    if (this._reconnecting || this.skipReconnect) return;
    const { backoff } = this;
    if (backoff.attempts >= this._reconnectionAttempts) {
      debug.manager("reconnect failed");
      backoff.reset();
      this.emitReserved("reconnect_failed");
      return;
    }
    const delay = backoff.duration();
    debug.manager("will wait %dms before reconnect attempt", delay);
    this._reconnecting = true;
    this.after(delay, () => {
      if (this.skipReconnect) return;
      debug.manager("attempting reconnect");
      this.emitReserved("reconnect_attempt", backoff.attempts);
      // A listener may have closed it.
      if (this.skipReconnect) return;
      if (this._readyState === "closed") this.dial(this.resumed);
    });
  }

  /** How an attempt to come back went. */
  private readonly resumed = (error?: Error): void => {
    if (error === undefined) return this.onReconnect();
    debug.manager("reconnect attempt error");
    this._reconnecting = false;
    this.reconnect();
    this.emitReserved("reconnect_error", error);
  };

  private onReconnect(): void {
    const attempt = this.backoff.attempts;
    this._reconnecting = false;
    this.backoff.reset();
    this.emitReserved("reconnect", attempt);
  }

  /** Calls back after some ms, unless the connection changes before. */
  private after(ms: number, callback: () => void): void {
    const timer = this._setTimeout(callback, ms);
    if (this.opts.autoUnref) timer.unref();
    this.subs.push(() => this._clearTimeout(timer));
  }
}

/** Timers as they are now, or as they were when this module was loaded, whatever a fake clock has made of them since. */
function timersOf(opts: Partial<ManagerOptions>): [typeof setTimeout, typeof clearTimeout] {
  if (opts.useNativeTimers) return NATIVE_TIMERS;
  return [globalThis.setTimeout.bind(globalThis) as typeof setTimeout, globalThis.clearTimeout.bind(globalThis)];
}

const NATIVE_TIMERS: [typeof setTimeout, typeof clearTimeout] = [setTimeout, clearTimeout];
