/**
 * The first request of a session, in a few hundred bytes.
 *
 * Node's own request takes four kilobytes with its socket, its streams and its headers, for as long as the connection lives. Where
 * nobody but us has seen it, its facts are packed into one string, and made into a request again for whoever asks.
 */
import { type Server as HttpServer, IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import type { TLSSocket } from "node:tls";
import { queryOf } from "./handshake";

/** A first request, packed. */
export type PackedRequest = string & { readonly packed: unique symbol };

/** A first request as its connection keeps it. */
export type FirstRequest = IncomingMessage | PackedRequest;

/** How Node's parser fills a request. Not public: where it is missing (Bun, Deno), requests stay as they are. */
interface Fillable {
  _addHeaderLines?(rawHeaders: string[], count: number): void;
}

const SEPARATOR = "\0"; // in no header and no address

/** Whether listeners of the program's saw this request of `server`, or its connection. */
export function seenByOthers(server: HttpServer, event: "request" | "upgrade"): boolean {
  if ((IncomingMessage.prototype as Fillable)._addHeaderLines === undefined) return true;
  // One listener of each is Node's own, or ours.
  return server.listenerCount(event) > 1 || server.listenerCount("connection") > 1;
}

/** Keeps what a program may want to know. */
export function pack(request: IncomingMessage): PackedRequest {
  const { method, url, httpVersion, rawHeaders } = request;
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted } = request.socket as TLSSocket;
  const connection = [remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted ? 1 : ""];
  return [method, url, httpVersion, ...connection, ...rawHeaders].join(SEPARATOR) as PackedRequest;
}

/** The URL it was for. */
export function urlOf(request: FirstRequest): string {
  return (typeof request === "string" ? request.split(SEPARATOR, 2)[1] : request.url) ?? "";
}

/**
 * A request as it was.
 *
 * @param close - what `destroy()` of its socket does
 */
export function unpack(packed: PackedRequest, close: () => void): IncomingMessage {
  const [method, url, httpVersion, address, port, family, localAddress, localPort, encrypted, ...rawHeaders] =
    packed.split(SEPARATOR);
  const socket = new NetSocket();
  const facts = {
    remoteAddress: address || undefined,
    remotePort: port ? Number(port) : undefined,
    remoteFamily: family || undefined,
    localAddress: localAddress || undefined,
    localPort: localPort ? Number(localPort) : undefined,
    ...(encrypted && { encrypted: true }),
  };
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(socket, name, { value, configurable: true });
  socket.destroy = () => {
    close();
    return socket;
  };

  const request = new IncomingMessage(socket);
  const [major, minor] = httpVersion.split(".").map(Number);
  (request as unknown as Required<Fillable>)._addHeaderLines(rawHeaders, rawHeaders.length);
  const version = { httpVersion, httpVersionMajor: major, httpVersionMinor: minor };
  Object.assign(request, { method, url, ...version, complete: true });
  return Object.assign(request, { _query: queryOf(url) });
}
