/** The errors of the host side. What the engine itself refuses comes as an `Error` with its own text. */

/** An error that a middleware may pass on: `data` reaches the client's `connect_error`. */
export interface ExtendedError extends Error {
  /** Anything JSON can carry. */
  data?: any;
}

/** Names that mean something to the library, so no packet may carry them. */
const RESERVED: ReadonlySet<unknown> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

/** @throws Error if an event of this name cannot be sent. @internal */
export function refuseReserved(event: unknown): void {
  if (RESERVED.has(event)) throw reserved(event);
}

/** @internal */
export function reserved(event: unknown): Error {
  return new Error(`"${String(event)}" is a reserved event name`);
}

/** An ack did not come in time. @internal */
export function timedOut(): Error {
  return new Error("operation has timed out");
}

/** What a program asked for is part of socket.io and not of ferrio (yet): said at once, never ignored. @internal */
export function unsupported(what: string): Error {
  return new Error(`ferrio does not support ${what} yet`);
}
