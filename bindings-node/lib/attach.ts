/** How a server shares an http server with the program that owns it. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import { seenByOthers } from "./first-request";
import type { IoEngine } from "./io-engine";
import type { EngineRequest } from "./verify";

/** What decides which requests are ours. */
export interface AttachOptions {
  /** Path of the endpoint, without its slash. `/engine.io`. */
  path: string;
  /** Match the path with a slash after it. True. */
  addTrailingSlash: boolean;
  /** End upgrade requests that nobody has answered. True. */
  destroyUpgrade: boolean;
  /** After how many ms. 1000. */
  destroyUpgradeTimeout: number;
}

/**
 * Takes the requests under the path; all others go to the listeners that the http server had until now. (Listeners added
 * later see every request, ours too: that is how the original has it.)
 *
 * @internal
 */
export function attach(engine: IoEngine, server: HttpServer, options: Partial<AttachOptions>): void {
  const path = (options.path || "/engine.io").replace(/\/$/, "");
  const prefix = options.addTrailingSlash === false ? path : `${path}/`;
  const ours = (req: IncomingMessage) => req.url?.startsWith(prefix) === true;

  intercept(server, (req, res) => {
    if (!ours(req)) return false;
    (req as EngineRequest)._unseen = !seenByOthers(server, "request");
    engine.handleRequest(req, res);
    return true;
  });
  if (!engine.opts.transports?.includes("websocket")) return;
  server.on("upgrade", (req: IncomingMessage, socket: NetSocket, head: Buffer) => {
    if (ours(req)) {
      (req as EngineRequest)._unseen = !seenByOthers(server, "upgrade");
      engine.handleUpgrade(req, socket, head);
    } else if (options.destroyUpgrade !== false) endUnanswered(socket, options.destroyUpgradeTimeout || 1000);
  });
}

/** Asks `take` about every request before the listeners that `server` has now, which get what it does not take. @internal */
export function intercept(server: HttpServer, take: (req: IncomingMessage, res: ServerResponse) => boolean): void {
  const others = server.listeners("request").slice();
  server.removeAllListeners("request");
  server.on("request", (req: IncomingMessage, res: ServerResponse) => {
    if (take(req, res)) return;
    for (const listener of others) listener.call(server, req, res);
  });
}

/** Another library may answer this upgrade. If none has by then, the connection ends. */
function endUnanswered(socket: NetSocket, ms: number): void {
  socket.on("error", () => {});
  setTimeout(() => {
    if (socket.writable && socket.bytesWritten === 0) socket.end();
  }, ms);
}
