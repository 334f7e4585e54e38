/** A connection as seen from Socket.IO: `socket.client`. */
import type { IncomingMessage } from "node:http";
import type { Conn } from "./conn";
import type { Socket } from "./socket";

/** How adapters send: the packet is encoded already. */
export interface WriteOptions {
  /** Drop it if the connection is not ready. */
  volatile?: boolean;
  /** Whether it may be compressed. */
  compress?: boolean;
  /** It was encoded before. */
  preEncoded?: boolean;
}

/** A connection with its sockets, one in each namespace that the client has joined. */
export abstract class Client {
  /** The connection. */
  readonly conn: Conn;

  /** @internal */
  constructor(conn: Conn) {
    this.conn = conn;
  }

  /** The connection's session id, known to this client only. */
  get id(): string {
    return this.conn.id;
  }

  /** The first HTTP request of the session. */
  get request(): IncomingMessage {
    return this.conn.request;
  }

  /** The sockets by id. */
  abstract readonly sockets: Map<string, Socket>;

  /** The sockets by the name of their namespace. */
  abstract readonly nsps: Map<string, Socket>;

  /**
   * Sends what a parser's encoder made of one packet.
   *
   * @param encoded - one frame after the other: text or binary
   */
  abstract writeToEngine(encoded: readonly (string | Uint8Array)[], options?: WriteOptions): void;
}
