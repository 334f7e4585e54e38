/** Connections that are not the engine's: what `io.bind()` takes. */
import type { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";

/** An Engine.IO server. Emits `connection` ({@link RawSocket}). */
export interface RawServer extends EventEmitter {
  /** Ends all connections. */
  close(): unknown;
}

/** One of its connections. Emits `data` (text or `Buffer`), `close` (reason, description) and may emit `error`. */
export interface RawSocket extends EventEmitter {
  /** The session id. */
  readonly id: string;
  /** The revision of Engine.IO. */
  readonly protocol: number;
  /** The first HTTP request of the session. */
  request: IncomingMessage;
  /** `opening`, `open`, `closing` or `closed`. */
  readonly readyState: string;
  /** The peer's address. */
  readonly remoteAddress?: string;
  /** What carries packets now, and whether it would take one at once. */
  readonly transport: { readonly name: string; readonly writable: boolean };
  /** Sends a message. */
  write(data: any, options?: object): unknown;
  /** Ends the connection. */
  close(discard?: boolean): unknown;
}
