/** Requests that get no session: why, and what they are answered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";

/** The numbers of the refusals. */
export const ERRORS = Object.freeze({
  UNKNOWN_TRANSPORT: 0,
  UNKNOWN_SID: 1,
  BAD_HANDSHAKE_METHOD: 2,
  BAD_REQUEST: 3,
  FORBIDDEN: 4,
  UNSUPPORTED_PROTOCOL_VERSION: 5,
});

/** What each number means, as the answer says it. */
export const ERROR_MESSAGES: { readonly [code: number]: string } = Object.freeze({
  0: "Transport unknown",
  1: "Session ID unknown",
  2: "Bad handshake method",
  3: "Bad request",
  4: "Forbidden",
  5: "Unsupported protocol version",
});

/** A refusal: its number, and more about it for the program. */
export interface Refusal {
  code: number;
  context: Record<string, any>;
}

/** What `connection_error` of `io.engine` tells. */
export interface ConnectionError extends Refusal {
  /** The request that was refused. */
  req: IncomingMessage;
  /** What the number means. */
  message: string;
}

/** Answers a plain request. @internal */
export function refuseRequest(res: ServerResponse, { code, context }: Refusal): void {
  if (res.headersSent) {
    // A middleware has begun an answer before it failed.
    if (!res.writableEnded) res.end();
    return;
  }
  res.writeHead(code === ERRORS.FORBIDDEN ? 403 : 400, { "Content-Type": "application/json" });
  res.end(JSON.stringify({ code, message: context.message || ERROR_MESSAGES[code] }));
}

/** Answers an upgrade, and ends its connection. @internal */
export function refuseUpgrade(socket: NetSocket, { code, context }: Refusal): void {
  if (!socket.writable) return void socket.destroy();
  const message: string = context.message || ERROR_MESSAGES[code];
  socket.end(
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\n" +
      `Content-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
    () => socket.destroy(),
  );
}
