/**
 * Socket.IO for Node on a Rust engine.
 *
 * The module has the shape of `socket.io`: callable, with `Server`, `Namespace` and `Socket`.
 */
import { Namespace } from "./namespace";
import type { ServerOptions } from "./options";
import { type AnyHttpServer, Server } from "./server";
import { Socket } from "./socket";

export type { BroadcastOperator, RemoteSocket } from "./broadcast-operator";
export type { DisconnectReason } from "./conn";
export type { DefaultEventsMap } from "./emitter";
export type { ExtendedError } from "./errors";
export type { DrainOptions, LimitOptions, Rate } from "./limits";
export type { ServerOptions } from "./options";
export type { ConnectionStateRecovery, ExpiredSession } from "./recovery";
export type { Event } from "./socket";
export type { Stats } from "./stats";
export { Namespace, Server, Socket };

/** `require("ferrio")(server, options)`: the same as `new Server(server, options)`. */
const create = (server?: AnyHttpServer | number, options?: Partial<ServerOptions>) => new Server(server, options);

module.exports = Object.assign(create, { Server, Namespace, Socket });
