/** Errors of connections, in the form that engine.io-client gives them. */
import type { FAILURES, TRANSPORTS } from "../records";

/** What the engine says of a connection that it could not make. @internal */
export interface Failure {
  kind: (typeof FAILURES)[number];
  /** What was tried last, if it came to that. */
  transport: (typeof TRANSPORTS)[number] | undefined;
  /** Of the HTTP answer, if there was one. */
  status: number | undefined;
  /** All of it, as a sentence. */
  message: string;
  /** The bare reason; of an answer the beginning of its body. */
  detail: string;
}

/** The error of a transport. */
export class TransportError extends Error {
  readonly type = "TransportError";

  /**
   * @param description - of a request its HTTP status, 0 if there was none; of a WebSocket an event with the error's `message`
   * @param context - of a request its `status` and `responseText`
   */
  constructor(
    reason: string,
    readonly description: any,
    readonly context: any,
  ) {
    super(reason);
  }
}

/** @internal */
export function errorOf({ kind, transport, status, message, detail }: Failure): Error {
  if (transport === undefined || kind === "options") return new Error(message);
  if (transport === "websocket") {
    const text = status === undefined ? message : `Unexpected server response: ${status}`;
    return new TransportError(
      "websocket error",
      { type: "error", message: text, error: new Error(message) },
      undefined,
    );
  }
  if (kind === "protocol") return Object.assign(new Error("server error"), { code: "parser error" });
  const responseText = status === undefined ? message : detail;
  return new TransportError("xhr poll error", status ?? 0, { status: status ?? 0, responseText });
}

/** The error of a connection that was open; `status` of the HTTP answer that it broke over, 0 if it was none. @internal */
export function brokenOff(transport: string, detail: string, status = 0): TransportError {
  if (transport !== "polling")
    return new TransportError("websocket error", { type: "error", message: detail }, undefined);
  return new TransportError("xhr poll error", status, { status, responseText: detail });
}
