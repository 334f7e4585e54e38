/** What the program can watch with `DEBUG=socket.io-client*,engine.io-client*`, by the names that socket.io-client gives it. */
import createDebug from "debug";

/** Which Manager `io()` chose. */
export const client = createDebug("socket.io-client");
/** How a URL was read. */
export const url = createDebug("socket.io-client:url");
/** Connecting, closing, coming back. */
export const manager = createDebug("socket.io-client:manager");
/** Namespaces, acks, retries. */
export const socket = createDebug("socket.io-client:socket");
/** Connections. */
export const engine = createDebug("engine.io-client:socket");
