/**
 * The checks of a request that come before the program is asked (`allowRequest`, `generateId`), in the order of the original.
 *
 * The engine checks everything again with what it knows by then: a session may end while a request is on its way to it.
 */
import type { IncomingMessage } from "node:http";
import type { Conn } from "./conn";
import type { EngineOptions } from "./options";
import { ERRORS, type Refusal } from "./refusal";

/** A request with its query, as middlewares and `allowRequest` see it. */
export type EngineRequest = IncomingMessage & {
  /** The query; the last value of each name. */
  _query: Record<string, string>;
  /** The response, until the engine has the request. */
  res?: unknown;
  /** Nobody but us has seen it. */
  _unseen?: boolean;
};

/** What is wrong with a request, as far as that shows before the program is asked. @internal */
export function verify(
  req: EngineRequest,
  upgrade: boolean,
  options: Partial<EngineOptions>,
  clients: { [sid: string]: Conn },
): Refusal | undefined {
  const { transport, sid } = req._query;
  if (!options.transports!.includes(transport as any)) return refusal(ERRORS.UNKNOWN_TRANSPORT, { transport });

  const { origin } = req.headers;
  if (origin !== undefined && CONTROL.test(origin)) {
    (req.headers as Record<string, unknown>).origin = null; // nobody is to print it unawares
    return refusal(ERRORS.BAD_REQUEST, { name: "INVALID_ORIGIN", origin });
  }

  if (sid) {
    if (!Object.hasOwn(clients, sid)) {
      // A session that is closing is not among the clients any more, and has its last poll to come: the engine knows.
      return upgrade ? refusal(ERRORS.UNKNOWN_SID, { sid }) : undefined;
    }
    const client = clients[sid];
    const previousTransport = client.transport.name;
    if (!upgrade && previousTransport !== transport) {
      return refusal(ERRORS.BAD_REQUEST, { name: "TRANSPORT_MISMATCH", transport, previousTransport });
    }
    const protocol = revision(req);
    if (client.protocol !== protocol) {
      const context = { name: "PROTOCOL_MISMATCH", protocol, previousProtocol: client.protocol };
      return refusal(ERRORS.BAD_REQUEST, context);
    }
    return undefined;
  }

  const { method } = req;
  if (method !== "GET") return refusal(ERRORS.BAD_HANDSHAKE_METHOD, { method });
  if (transport === "websocket" && !upgrade) {
    return refusal(ERRORS.BAD_REQUEST, { name: "TRANSPORT_HANDSHAKE_ERROR" });
  }
  return undefined;
}

/** What comes after the program was asked: whether the client's revision is spoken here. @internal */
export function verifyRevision(req: EngineRequest, options: Partial<EngineOptions>): Refusal | undefined {
  if (options.allowEIO3 || revision(req) === 4) return undefined;
  return refusal(ERRORS.UNSUPPORTED_PROTOCOL_VERSION, { protocol: 3 });
}

/** @internal */
export function refusal(code: number, context: Record<string, unknown>): Refusal {
  return { code, context };
}

function revision(req: EngineRequest): 3 | 4 {
  return req._query.EIO === "4" ? 4 : 3;
}

/** What no header may hold: control characters but the tab, and anything beyond Latin-1. */
const CONTROL = /[^\t\x20-\x7e\x80-\xff]/;
