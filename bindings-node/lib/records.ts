/**
 * The layout of what crosses: numbers in one `Float64Array`, texts joined in one string, bytes beside it.
 *
 * The same numbers, in the same order, stand in `src/convert.rs`; each record begins with its kind, and a reader knows from
 * the kind what follows. A text that goes out is one cell (its length in UTF-16 units; the texts follow each other). A text
 * that comes in is two (offset and length in the joined text; a length of -1 means that the offset is an index into the
 * strings that travel by themselves). Bytes that come in are two cells, offset and length in the one `ArrayBuffer`.
 */

/** Events: engine to host. */
export const enum EventKind {
  /** conn, request or -1, protocol, transport, text: JSON `[sid, head|null]` */
  Open = 1,
  /** conn */
  Upgrade,
  /** socket, conn, text: JSON `[nsp, sid, auth|null]`, behind them pid and whether it is back, if state can be recovered */
  Connect,
  /** socket, id or -1, text: JSON, n, n bytes */
  Message,
  /** ack, socket, text: JSON, n, n bytes */
  Ack,
  /** ack, end, expected, received */
  AckEnd,
  /** socket, reason, text */
  Disconnect,
  /** conn, reason, text */
  Close,
  /** conn */
  Drain,
  /** request, status, text: JSON `[opened|null, name, value, …]`, 0 and text or 1 and bytes */
  Response,
  /** link, bytes */
  LinkWrite,
  /** link */
  LinkClose,
  Closed,
  /** conn, 0 and text or 1 and bytes */
  Data,
  /** receipt */
  Written,
  /** conn, sent, type, 0 and text or 1 and bytes or -1 and nothing */
  Packet,
  /** request or link, code, text: JSON `[message, context]` */
  Refused,
  /** text: JSON `[nsp, pid, sid, room, …]` */
  SessionExpired,
  /** client, transport, ping interval and timeout in ms, bytes of a POST or -1, text: JSON `[sid, upgrade, …]` */
  ClientOpened,
  /** client, 0 begins or 1 done or 2 failed, text: why */
  ClientUpgrade,
  /** client, text: JSON `[nsp, data|null]` */
  ClientJoined,
  /** client, text: JSON `[nsp, data]` */
  ClientRefused,
  /** client, text: nsp */
  ClientLeft,
  /** client, id or -1, text: nsp, text: JSON, n, n bytes */
  ClientMessage,
  /** client, id, text: nsp, text: JSON, n, n bytes */
  ClientAck,
  /** client, 0 and text or 1 and bytes */
  ClientData,
  /** client, sent, type, 0 and text or 1 and bytes or -1 and nothing */
  ClientPacket,
  /** client */
  ClientDrain,
  /** client, kind, transport or -1, HTTP status or -1, text: JSON `[message, detail]` */
  ClientFailed,
  /** client, reason, text */
  ClientClosed = 30,
}

/** Commands: host to engine. */
export const enum CommandKind {
  /** socket */
  Accept = 1,
  /** socket, text */
  Reject,
  /** flags, ack or -1, timeout in ms or -1, text, n, socket; takes n attachments */
  Emit,
  /** flags, ack or -1, timeout in ms or -1, text, n, text: nsp, rooms, rooms texts, excepted, excepted texts; takes n attachments */
  Broadcast,
  /** socket, id, text, n; takes n attachments */
  Ack,
  /** socket, n, n texts */
  Join,
  /** socket, text */
  Leave,
  /** socket, close */
  Disconnect,
  /** socket */
  Release,
  /** conn, discard */
  Close,
  /** request, end, head */
  Request,
  /** request, end; takes an attachment */
  Body,
  /** request */
  Abort,
  /** link, descriptor, head, n, n times text: name and text: value; takes an attachment */
  TakeOver,
  /** link, head, n, n times text: name and text: value */
  OpenLink,
  /** link; takes an attachment */
  Feed,
  /** link, error */
  LinkClosed,
  /** link, bytes */
  LinkSent,
  /** flags, receipt or -1, n, n conns, n, n times text or -1; takes an attachment for each -1 */
  Write,
  /** conn, on */
  Watch,
  /** client, text: url, text: options as JSON */
  Dial,
  /** client, text: nsp, text: auth as JSON or -1 */
  ClientJoin,
  /** client, text: nsp */
  ClientLeave,
  /** client, id or -1, volatile, text: nsp, text, n; takes n attachments */
  ClientEmit,
  /** client, id, text: nsp, text, n; takes n attachments */
  ClientAck,
  /** client, volatile, n, n times text or -1; takes an attachment for each -1 */
  ClientWrite,
  /** client, on */
  ClientWatch,
  /** client, on */
  ClientHold,
  /** client, discard */
  HangUp = 29,
}

/** Bits of an emit's flags. */
export const enum FlagBits {
  None = 0,
  Volatile = 1,
  Compress = 2,
  /** The last argument is an offset that `stamp` gave. */
  Stamped = 4,
}

/** The types of Engine.IO packets, by their digits. */
export const PACKET_TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"] as const;

/** The type of an Engine.IO packet. */
export type PacketType = (typeof PACKET_TYPES)[number];

/** Transports, by the number they cross with. */
export const TRANSPORTS = ["polling", "websocket"] as const;

/** Why a client's connection was not made, by the number it crosses with. */
export const FAILURES = ["options", "unreachable", "proxy", "tls", "status", "protocol", "timeout", "aborted"] as const;

/** How an emit with ack ended. */
export const enum AckEndKind {
  Complete,
  TimedOut,
  Disconnected,
}

/** Reasons of a disconnect, by the number they cross with. */
export const REASONS = [
  "client namespace disconnect",
  "forced close",
  "forced server close",
  "parse error",
  "ping timeout",
  "server namespace disconnect",
  "server shutting down",
  "transport close",
  "transport error",
  // ferrio's own: socket.io has no such limits
  "slow consumer",
  "rate limited",
] as const;

/**
 * Headers the engine reads, by the number they cross with. A head is: text: method, text: target, text: remote address,
 * text: an id for the session that it opens (empty: none), secure, n, n times number and text.
 */
export const HEADERS = [
  "accept-encoding",
  "connection",
  "content-length",
  "content-type",
  "cookie",
  "host",
  "origin",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "x-forwarded-for",
] as const;

/** Commands on their way: what one crossing takes along. */
export class Commands {
  text = "";
  cells = new Float64Array(1024);
  used = 0;
  attachments: Uint8Array[] | undefined;

  /** Makes room for `count` more cells. */
  reserve(count: number): void {
    if (this.used + count <= this.cells.length) return;
    const larger = new Float64Array(Math.max(this.cells.length * 2, this.used + count));
    larger.set(this.cells.subarray(0, this.used));
    this.cells = larger;
  }

  /** Appends a number. The caller has reserved. */
  number(value: number): void {
    this.cells[this.used++] = value;
  }

  /** Appends a text. The caller has reserved. */
  string(value: string): void {
    this.text += value;
    this.cells[this.used++] = value.length;
  }

  /** Appends a count and so many texts. */
  strings(values: readonly string[]): void {
    this.reserve(values.length + 1);
    this.number(values.length);
    for (const value of values) this.string(value);
  }

  /** Hands over bytes that nobody changes any more. */
  bytes(value: Uint8Array): void {
    this.attachments ??= [];
    this.attachments.push(value);
  }

  clear(): void {
    this.text = "";
    this.used = 0;
    this.attachments = undefined;
  }
}
