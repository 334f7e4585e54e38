/** What a client brought along when it connected. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Conn } from "./conn";

/** What the client sent to connect. */
export interface Handshake {
  /** Headers of the first request of the session. */
  headers: IncomingHttpHeaders;
  /** When the socket was created, as `Date` prints it. */
  time: string;
  /** The peer's address. */
  address: string;
  /** The request had an `Origin`. */
  xdomain: boolean;
  /** The request came over TLS. */
  secure: boolean;
  /** When the socket was created, in ms since 1970. */
  issued: number;
  /** URL of the first request. */
  url: string;
  /** Query of the first request, the last value of each name. */
  query: { [name: string]: string | string[] | undefined };
  /** What the client gave as `auth` for this namespace; an empty object if nothing. */
  auth: { [key: string]: any };
}

/** The handshake of a socket: the connection's, but for the time and the auth. @internal */
export function handshake(conn: Conn, issued: number, auth: object): Handshake {
  // A program may drop the request to save memory; its query may have been changed by a middleware.
  const request = conn.request as (IncomingMessage & { _query?: Handshake["query"] }) | null | undefined;
  const headers = request?.headers ?? {};
  const url = request?.url as string;
  return {
    headers,
    time: String(new Date(issued)),
    address: conn.remoteAddress ?? "",
    xdomain: headers.origin !== undefined,
    secure: request == null || Boolean((request.socket as Partial<TLSSocket>).encrypted),
    issued,
    url,
    query: request?._query ?? queryOf(url ?? ""),
    auth,
  };
}

/** The query of a URL: the last value of each name. (A name like `__proto__` is a name as any other.) @internal */
export function queryOf(url: string): Record<string, string> {
  const at = url.indexOf("?");
  return at < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(at)));
}
