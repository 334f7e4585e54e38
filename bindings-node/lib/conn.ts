/** One Engine.IO connection, as `socket.conn` and `io.engine`'s `connection` event show it. */
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Engine } from "./engine";
import type { IoEngine } from "./io-engine";
import type { PacketType, REASONS } from "./records";
import type { Socket } from "./socket";

/** Why a socket was disconnected. */
export type DisconnectReason = (typeof REASONS)[number];

/** What a connection's packets travel on. */
export interface ConnTransport {
  readonly name: "polling" | "websocket";
}

const POLLING: ConnTransport = Object.freeze({ name: "polling" });
const WEBSOCKET: ConnTransport = Object.freeze({ name: "websocket" });

/**
 * A connection. Emits `upgrade` (transport) when it has moved from polling to a WebSocket, `drain` when a slow peer has
 * caught up, `close` (reason, description) when it has ended.
 */
export class Conn extends EventEmitter {
  /** The Engine.IO session id, known to this client only. */
  readonly id: string;
  /** The revision of Engine.IO that the client speaks. */
  readonly protocol: 3 | 4;
  /** The first HTTP request of the session. May be set to null to save its memory. */
  request: IncomingMessage;
  /** The peer's address, undefined if it was gone at once. */
  readonly remoteAddress: string | undefined;
  /** What carries packets now. */
  transport: ConnTransport;
  /** `open`, `closing` once {@link close} was called, `closed`. */
  readyState: "open" | "closing" | "closed" = "open";
  /** The connection has moved from polling to a WebSocket. */
  upgraded = false;

  /** @internal The engine's number for it. */
  readonly _key: number;
  /** @internal */
  readonly _engine: Engine;
  /** @internal Its sockets, of all namespaces, accepted or on their way. */
  readonly _sockets: Socket[] = [];
  /** @internal Nobody but {@link Client} needs one, and few programs ask for it. */
  declare _client?: Client;

  private readonly server: IoEngine;

  /** @internal */
  constructor(
    server: IoEngine,
    engine: Engine,
    key: number,
    id: string,
    request: IncomingMessage | undefined,
    protocol: 3 | 4,
    transport: string,
  ) {
    super();
    this.server = server;
    this._engine = engine;
    this._key = key;
    this.id = id;
    this.protocol = protocol;
    this.request = request as IncomingMessage;
    this.remoteAddress = request?.socket.remoteAddress;
    this.transport = transport === "websocket" ? WEBSOCKET : POLLING;
  }

  /**
   * Closes the connection, with all its sockets.
   *
   * @param discard - drop what waits to be sent instead of sending it first
   */
  close(discard = false): this {
    if (this.readyState !== "open") return this;
    this.readyState = "closing";
    this._engine.closeConn(this._key, discard);
    return this;
  }

  /** @internal */
  get _asClient(): Client {
    this._client ??= new Client(this);
    return this._client;
  }

  /** @internal */
  _upgraded(): void {
    this.upgraded = true;
    this.transport = WEBSOCKET;
    this.emit("upgrade", this.transport);
  }

  /** @internal A raw message, for there is no Socket.IO on this connection. */
  _data(data: string | Buffer): void {
    this.emit("data", data);
    this.emit("message", data);
  }

  /** @internal An Engine.IO packet, for this connection is watched: one that was just made (`sent`), or received. */
  _packet(sent: boolean, type: PacketType, data: string | Buffer | undefined): void {
    this.emit(sent ? "packetCreate" : "packet", data === undefined ? { type } : { type, data });
  }

  /** @internal */
  _drained(): void {
    this.emit("drain");
  }

  /** @internal */
  _closed(reason: DisconnectReason, detail: string): void {
    this.readyState = "closed";
    this.server._closed(this);
    this.emit("close", reason, describe(reason, detail));
  }
}

/** The connection as seen from Socket.IO: `socket.client`. */
export class Client {
  constructor(
    /** The connection. */
    readonly conn: Conn,
  ) {}

  /** The connection's session id. */
  get id(): string {
    return this.conn.id;
  }

  /** The first HTTP request of the session. */
  get request(): IncomingMessage {
    return this.conn.request;
  }
}

/** The `description` of an ending: an error where something failed. @internal */
export function describe(reason: DisconnectReason, detail: string): Error | undefined {
  return reason === "transport error" ? new Error(detail || reason) : undefined;
}
