/** One Engine.IO connection, as `socket.conn` and `io.engine`'s `connection` event show it. */
import type { IncomingMessage } from "node:http";
import type { Client } from "./client";
import * as debug from "./debug";
import type { Engine } from "./engine";
import { type FirstRequest, unpack } from "./first-request";
import { HeardEmitter } from "./heard";
import type { IoEngine } from "./io-engine";
import { NativeClient } from "./native-wire";
import type { TransportName } from "./options";
import { FlagBits, type PacketType, type REASONS } from "./records";
import type { ScriptedClient } from "./scripted/client";
import type { Socket } from "./socket";

/** Why a socket was disconnected. */
export type DisconnectReason = (typeof REASONS)[number];

/** What a connection's packets travel on. */
export interface ConnTransport {
  readonly name: TransportName;
  /** What is sent now leaves now: a poll waits, or the WebSocket takes bytes. */
  readonly writable: boolean;
}

/** An Engine.IO packet, as `packet`, `packetCreate` and `flush` show it. */
export interface ConnPacket {
  type: PacketType;
  /** Text or bytes; missing where there is none. */
  data?: string | Buffer;
  /** Of a packet to be sent. */
  options?: { compress: boolean };
}

/** How {@link Conn.send} sends. */
export interface SendOptions {
  /** Let a poll's body that holds the message be compressed. True. */
  compress?: boolean;
}

/** Events of which the engine only tells when asked to. */
const WATCHED = ["packet", "packetCreate", "data", "message", "heartbeat", "flush", "drain"] as const;

/** Of a connection that has none yet. */
const NO_SOCKETS: Socket[] = [];

/**
 * A connection.
 *
 * Emits `packet` and `packetCreate` ({@link ConnPacket}) for every packet that came or was made; `data` and `message` (text or
 * bytes) for every message that came; `heartbeat` for every ping or pong that came; `flush` (packets) and `drain` when what
 * waited has been handed to the transport; `upgrading` and `upgrade` (transport) when it begins to move from polling to a
 * WebSocket, and when it has; `close` (reason, description) when it has ended.
 */
export class Conn extends HeardEmitter {
  /** The Engine.IO session id, known to this client only. */
  readonly id: string;
  /** The revision of Engine.IO that the client speaks. */
  readonly protocol: 3 | 4;
  /** The peer's address, undefined if it was gone at once. */
  readonly remoteAddress: string | undefined;
  /** `open`, `closing` once {@link close} was called, `closed`. */
  readyState: "opening" | "open" | "closing" | "closed" = "open";
  /** The connection has moved from polling to a WebSocket. */
  upgraded = false;
  /** A WebSocket has come that may replace polling. */
  upgrading = false;

  /** @internal The engine's number for it. */
  readonly _key: number;
  /** @internal */
  readonly _engine: Engine;
  /** @internal Its sockets, of all namespaces, accepted or on their way. */
  _sockets: Socket[] = NO_SOCKETS;
  /** @internal Its Socket.IO, where the engine does none. */
  declare _script?: ScriptedClient;
  /** @internal `socket.client`: few programs ask for it. */
  declare _client?: Client;

  private readonly server: IoEngine;
  private readonly openedWith: TransportName;
  /** The engine tells of its packets. */
  private watched: boolean;
  private declare ownTransport: Transport | undefined;
  private declare waiting: ConnPacket[] | undefined;
  /** Packed until somebody asks for it, where nobody has yet. */
  private firstRequest: FirstRequest | undefined;

  /** @internal */
  constructor(
    server: IoEngine,
    engine: Engine,
    key: number,
    id: string,
    request: FirstRequest | undefined,
    remoteAddress: string | undefined,
    protocol: 3 | 4,
    transport: TransportName,
    watched: boolean,
  ) {
    super();
    (this as { _events?: object })._events = undefined; // made when somebody listens
    this.server = server;
    this._engine = engine;
    this._key = key;
    this.id = id;
    this.protocol = protocol;
    this.firstRequest = request;
    this.remoteAddress = remoteAddress;
    this.openedWith = transport;
    this.watched = watched;
  }

  /** What carries packets now. */
  get transport(): ConnTransport {
    this.ownTransport ??= new Transport(this, this.upgraded ? "websocket" : this.openedWith);
    return this.ownTransport;
  }

  /**
   * Packets that were made and not yet handed to the transport. Listed only while somebody listens for `flush` or `drain`;
   * {@link bufferedAmount} knows always.
   */
  get writeBuffer(): ConnPacket[] {
    return this.waiting ?? [];
  }

  /** Bytes that wait to be sent: what was sent to this client alone and has not left yet, and broadcasts once they are encoded. */
  get bufferedAmount(): number {
    return this.readyState === "closed" ? 0 : this._engine.buffered(this._key);
  }

  /** Resolves when everything sent so far has been handed to the transport, or the connection has ended. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.readyState === "closed") resolve();
      else this._engine.whenWritten(this._key, resolve);
    });
  }

  /**
   * Sends an Engine.IO message. To a client of Socket.IO, one it does not expect.
   *
   * @param data - text or bytes; bytes may be reused afterwards
   * @param callback - called with the transport, once the message has been handed to it
   */
  send(data: SendData, options?: SendOptions, callback?: SendCallback): this;
  send(data: SendData, callback?: SendCallback): this;
  send(data: SendData, options?: SendOptions | SendCallback, callback?: SendCallback): this {
    if (typeof options === "function") return this.send(data, undefined, options);
    if (this.readyState === "closing" || this.readyState === "closed") return this;
    const flags = options?.compress === false ? FlagBits.None : FlagBits.Compress;
    const receipt = callback && (() => this.readyState !== "closed" && callback(this.transport));
    this._engine.write([this._key], [message(data)], flags, receipt);
    return this;
  }

  /** The same as {@link send}. */
  write(data: SendData, options?: SendOptions, callback?: SendCallback): this;
  write(data: SendData, callback?: SendCallback): this;
  write(data: SendData, options?: any, callback?: SendCallback): this {
    return this.send(data, options, callback);
  }

  /** The first HTTP request of the session. May be set to null to save its memory. */
  get request(): IncomingMessage {
    const { firstRequest } = this;
    if (typeof firstRequest === "string") this.firstRequest = unpack(firstRequest, () => this.close(true));
    return this.firstRequest as IncomingMessage;
  }

  set request(request: IncomingMessage) {
    this.firstRequest = request;
  }

  /**
   * Closes the connection, with all its sockets.
   *
   * @param discard - drop what waits to be sent instead of sending it first
   */
  close(discard = false): this {
    if (this.readyState === "closed" || (this.readyState === "closing" && !discard)) return this;
    debug.conn("%s closing (discard: %s)", this.id, discard);
    this.readyState = "closing";
    this._engine.closeConn(this._key, discard);
    return this;
  }

  // ---- listeners decide what the engine tells ----

  protected override listenersChanged(): void {
    this._watch();
  }

  /**
   * @internal Has the engine tell of packets, or not, as listeners here and at the server want it.
   *
   * @param surely - the engine may do otherwise than this believes
   */
  _watch(surely = false): void {
    if (this.readyState === "closed") return;
    const wanted =
      this.server._tellsFlushes || debug.conn.enabled || WATCHED.some((event) => this.listenerCount(event) > 0);
    if (surely || wanted !== this.watched) {
      this.watched = wanted;
      this._engine.watch(this._key, wanted);
    }
  }

  // ---- what the engine tells ----

  /** @internal A client asks to join a namespace. */
  _joining(socket: Socket): void {
    if (this._sockets === NO_SOCKETS) this._sockets = [socket];
    else this._sockets.push(socket);
  }

  /** @internal A socket has left. */
  _left(socket: Socket): void {
    const at = this._sockets.indexOf(socket);
    if (at >= 0) this._sockets.splice(at, 1);
  }

  /** @internal */
  get _asClient(): Client {
    this._client ??= new NativeClient(this);
    return this._client;
  }

  /** @internal A WebSocket of this session has come, or has gone again. */
  _upgrading(on: boolean): void {
    if (this.upgraded || this.upgrading === on) return;
    debug.transport("%s %s", this.id, on ? "is about to move to a WebSocket" : "stays on polling");
    this.upgrading = on;
    if (on) this.emit("upgrading", new Transport(this, "websocket"));
  }

  /** @internal */
  _upgraded(): void {
    debug.transport("%s moved to a WebSocket", this.id);
    this.upgraded = true;
    this.upgrading = false;
    this.ownTransport = undefined;
    this.emit("upgrade", this.transport);
  }

  /** @internal A raw message, for there is no Socket.IO on this connection. */
  _data(data: string | Buffer): void {
    this.emit("data", data);
    this.emit("message", data);
  }

  /** @internal An Engine.IO packet, for this connection is watched: one that was just made (`sent`), or received. */
  _packet(sent: boolean, type: PacketType, data: string | Buffer | undefined): void {
    if (!this.watched) this._engine.watch(this._key, false); // it was when the session opened
    debug.conn("%s %s %s %o", this.id, sent ? "made" : "got", type, data);
    const packet: ConnPacket = data === undefined ? { type } : { type, data };
    if (sent) return this.made(packet);
    this.emit("packet", packet);
    if (type === "ping" || type === "pong") this.emit("heartbeat");
    else if (type === "message" && !this.server._raw) this._data(data ?? "");
  }

  private made(packet: ConnPacket): void {
    packet.options = { compress: packet.type === "message" };
    this.emit("packetCreate", packet);
    if (this.waiting !== undefined) return void this.waiting.push(packet);
    if (!this.tellsFlushes) return;
    this.waiting = [packet];
    queueMicrotask(() => this.waiting && this.awaitFlush(this.waiting)); // when what was made together is here
  }

  /** Tells when what waits now has been handed to the transport. */
  private awaitFlush(waiting: ConnPacket[]): void {
    const { length } = waiting;
    this._engine.whenWritten(this._key, () => {
      if (this.readyState === "closed") return;
      const flushed = waiting.splice(0, length);
      if (waiting.length > 0) this.awaitFlush(waiting);
      else this.waiting = undefined;
      this.emit("flush", flushed);
      this.server.emit("flush", this, flushed);
      this.emit("drain");
      this.server.emit("drain", this);
    });
  }

  private get tellsFlushes(): boolean {
    return this.server._tellsFlushes || this.listenerCount("flush") > 0 || this.listenerCount("drain") > 0;
  }

  /** @internal */
  _closed(reason: DisconnectReason, detail: string): void {
    debug.conn("%s closed: %s %s", this.id, reason, detail);
    this.readyState = "closed";
    this.upgrading = false;
    this.server._closed(this);
    this.emit("close", forConn(reason), describe(reason, detail));
    this.waiting = undefined;
  }
}

/** A connection's transport, by name; whether it is writable the engine knows. */
class Transport implements ConnTransport {
  constructor(
    conn: Conn,
    readonly name: TransportName,
  ) {
    Object.defineProperty(this, "conn", { value: conn }); // hidden, so that nobody prints all of it
  }

  private declare readonly conn: Conn;

  get writable(): boolean {
    return this.conn.readyState !== "closed" && this.conn._engine.writable(this.conn._key);
  }
}

/** What can be sent. */
export type SendData = string | Buffer | ArrayBuffer | ArrayBufferView;

/** Called when a message has been handed to the transport. */
export type SendCallback = (transport: ConnTransport) => void;

function message(data: SendData): string | Uint8Array {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return data ? String(data) : "";
}

/**
 * What a connection is told where its sockets hear of a `forced server close`: that the transport took its time is the
 * sockets' business only. @internal
 */
export function forConn(reason: DisconnectReason): DisconnectReason {
  return reason === "forced server close" ? "forced close" : reason;
}

/** The `description` of an ending: an error where something failed. @internal */
export function describe(reason: DisconnectReason, detail: string): Error | undefined {
  if (reason === "slow consumer" || reason === "rate limited") return new Error(detail);
  if (reason === "server shutting down" && detail !== "") return new Error(detail);
  return reason === "transport error"
    ? Object.assign(new Error(detail || reason), { type: "TransportError" })
    : undefined;
}
