/** How a server shares an http server with the program that owns it. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import { serveClientFile } from "./client-files";
import type { IoEngine } from "./io-engine";

/** What decides which requests are ours. */
export interface AttachOptions {
  /** Path of the endpoint, without its slash. */
  path: string;
  /** Match the path with a slash after it. */
  addTrailingSlash: boolean;
  /** Serve the client's bundles. */
  serveClient: boolean;
  /** Take WebSocket upgrades. */
  websocket: boolean;
  /** End upgrade requests that nobody has answered. */
  destroyUpgrade: boolean;
  /** After how many ms. */
  destroyUpgradeTimeout: number;
}

/**
 * Takes the requests under the path; all others go to the listeners that the http server had until now. (Listeners added
 * later see every request, ours too: that is how the original has it.)
 */
export function attach(engine: IoEngine, server: HttpServer, options: AttachOptions): void {
  const prefix = options.addTrailingSlash ? `${options.path}/` : options.path;
  const ours = (req: IncomingMessage) => req.url?.startsWith(prefix) === true;

  const others = server.listeners("request").slice();
  server.removeAllListeners("request");
  server.on("request", (req: IncomingMessage, res: ServerResponse) => {
    if (options.serveClient && serveClientFile(options.path, req, res)) return;
    if (ours(req)) return engine.handleRequest(req, res);
    for (const listener of others) listener.call(server, req, res);
  });

  server.on("close", () => engine.close());
  if (!options.websocket) return;
  server.on("upgrade", (req: IncomingMessage, socket: NetSocket, head: Buffer) => {
    if (ours(req)) engine.handleUpgrade(req, socket, head);
    else if (options.destroyUpgrade) endUnanswered(socket, options.destroyUpgradeTimeout);
  });
}

/** Another library may answer this upgrade. If none has by then, the connection ends. */
function endUnanswered(socket: NetSocket, ms: number): void {
  setTimeout(() => {
    if (!socket.writable || socket.bytesWritten > 0) return;
    socket.on("error", () => {});
    socket.end();
  }, ms);
}
