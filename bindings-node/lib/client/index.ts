/**
 * Socket.IO's client for Node on the engine.
 *
 * The module has the shape of `socket.io-client`: callable, with `Manager`, `Socket`, `io` and `connect`.
 */
import * as debug from "./debug";
import { Manager, type ManagerOptions, type ManagerReservedEvents } from "./manager";
import {
  type DisconnectDescription,
  type ExtendedError,
  Socket,
  type SocketOptions,
  type SocketReservedEvents,
} from "./socket";
import { read } from "./url";

/** Managers by the server that they connect to, for sockets that may share a connection. */
const cache: Record<string, Manager> = {};

/**
 * A socket of the namespace that the URL's path names.
 *
 * Sockets of the same server, with the same path of its requests, share a connection: then the options of the first one count.
 * Each has a connection of its own with `forceNew`, with `multiplex: false`, and where there is a socket of this namespace
 * already.
 *
 * @param uri - of the server, with its scheme
 */
function lookup(opts?: Partial<ManagerOptions & SocketOptions>): Socket;
function lookup(uri?: string, opts?: Partial<ManagerOptions & SocketOptions>): Socket;
function lookup(
  uri?: string | Partial<ManagerOptions & SocketOptions>,
  opts?: Partial<ManagerOptions & SocketOptions>,
): Socket {
  if (typeof uri === "object") {
    opts = uri ?? undefined;
    uri = undefined;
  }
  opts ??= {};
  const { source, id, path, query, queryKey } = read(uri ?? undefined, opts.path || "/socket.io");
  const alone =
    opts.forceNew ||
    (opts as Record<string, unknown>)["force new connection"] ||
    opts.multiplex === false ||
    cache[id]?._has(path);
  debug.client(alone ? "ignoring socket cache for %s" : "a connection that may be shared for %s", source);
  let manager: Manager;
  if (alone) {
    manager = new Manager(source, opts);
  } else {
    cache[id] ??= new Manager(source, opts);
    manager = cache[id];
  }
  if (query !== "" && !opts.query) opts.query = queryKey;
  return manager.socket(path, opts);
}

/** The revision of the Socket.IO protocol. */
declare const protocol: number;

export type {
  DisconnectDescription,
  ExtendedError,
  ManagerOptions,
  ManagerReservedEvents,
  SocketOptions,
  SocketReservedEvents,
};
export { lookup as connect, lookup as default, lookup as io, Manager, protocol, Socket };

module.exports = Object.assign(lookup, { Manager, Socket, io: lookup, connect: lookup });
