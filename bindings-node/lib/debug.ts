/**
 * What the program can watch with `DEBUG=engine*,socket.io*`, by the names that socket.io gives it.
 *
 * A call that is off costs a look at a flag where its arguments are at hand; where they must be made, or calls are frequent, ask
 * `enabled` first.
 */
import createDebug from "debug";

/** Requests, and what becomes of them. */
export const engine = createDebug("engine");
/** Connections, their packets, their ends. */
export const conn = createDebug("engine:socket");
/** Moves from polling to a WebSocket. */
export const transport = createDebug("engine:transport");
/** Requests of sessions. */
export const polling = createDebug("engine:polling");
/** WebSockets. */
export const ws = createDebug("engine:ws");
/** Attaching, the bundles, namespaces that are made. */
export const server = createDebug("socket.io:server");
/** Connections that ask for a namespace. */
export const client = createDebug("socket.io:client");
/** Sockets that come and go. */
export const namespace = createDebug("socket.io:namespace");
/** Namespaces that are made for a client. */
export const parent = createDebug("socket.io:parent-namespace");
/** Events, rooms, ends. */
export const socket = createDebug("socket.io:socket");
