/** `ferrio/engine`: the Engine.IO layer by itself, as npm's `engine.io` offers it. Connections without Socket.IO. */
import { createServer, type Server as HttpServer } from "node:http";
import type { AttachOptions } from "./attach";
import { Conn } from "./conn";
import { Engine } from "./engine";
import { type EngineSource, IoEngine } from "./io-engine";
import type { DrainOptions } from "./limits";
import { type EngineOptions, engineOptions, refuseUnsupported } from "./options";
import { readStats, type Stats } from "./stats";

export type { AttachOptions } from "./attach";
export type { ConnTransport, SendCallback, SendData } from "./conn";
export type { DrainOptions } from "./limits";
export type { CookieOptions, EngineOptions as ServerOptions } from "./options";
export type { ConnectionError } from "./refusal";
export type { Stats } from "./stats";
export { Conn as Socket };

/** The revision of Engine.IO. */
export const protocol = 4;

/**
 * An Engine.IO server.
 *
 * ```ts
 * const server = attach(http);
 * server.on("connection", (socket) => {
 *   socket.on("message", (data) => socket.send(data));
 * });
 * ```
 *
 * Emits `connection` ({@link Socket}) and what else {@link IoEngine} tells.
 */
export class Server extends IoEngine {
  private readonly own: OwnEngine;

  /** @throws Error for an option that ferrio does not support, or with a value that it cannot have */
  constructor(options: Partial<EngineOptions> = {}) {
    refuseUnsupported(options);
    const own = new OwnEngine(engineOptions(options, { layer: "engineio" }));
    super(own, options);
    this.own = own;
    own.server = this;
    own.start();
  }

  /**
   * Ends the server so that others can take over from it. Not in engine.io.
   *
   * Nobody new is let in from now on (503, and {@link ready} is false). Connections are closed in random order over `spread`,
   * each when what waits for it has left; their clients hear `transport close` (WebSockets: code 1012 with the `reason`). Then comes
   * {@link close}; called meanwhile, it ends it at once. The http server is the program's to close.
   *
   * @returns resolves when all connections have ended
   * @throws RangeError (rejects) for a time that is none
   */
  async drain(options: Partial<DrainOptions> = {}): Promise<void> {
    const engine = this.own.current();
    await engine?.drain(options);
    // Whoever has closed it meanwhile has done the rest as well, and may have started it again.
    if (this.own.current() === engine) this.close();
  }

  /** Whether newcomers are let in: not once it drains or is closed. Not in engine.io. */
  get ready(): boolean {
    return this.own.current()?.ready ?? false;
  }

  /** The state of the server and what it has counted: refused requests, limits that struck, how connections ended. Not in engine.io. */
  stats(): Stats {
    return this.own.current()?.stats() ?? readStats(undefined);
  }

  /** Closes all connections, dropping what waits to be sent. An http server that listens again begins anew. */
  override close(): this {
    super.close();
    this.own.close();
    return this;
  }
}

/** Listens on a port, and answers whatever is not Engine.IO with 501. `callback` is called when it does. */
export function listen(
  port: number,
  options?: Partial<EngineOptions & AttachOptions>,
  callback?: () => void,
): Server & { httpServer: HttpServer };
export function listen(port: number, callback?: () => void): Server & { httpServer: HttpServer };
export function listen(
  port: number,
  options?: Partial<EngineOptions & AttachOptions> | (() => void),
  callback?: () => void,
): Server & { httpServer: HttpServer } {
  if (typeof options === "function") return listen(port, {}, options);
  const http = createServer((_, res) => {
    res.writeHead(501);
    res.end("Not Implemented");
  });
  const server = attach(http, options);
  server.httpServer = http;
  http.listen(port, callback);
  return server as Server & { httpServer: HttpServer };
}

/** A server that takes an http server's requests and upgrades under `path` (`/engine.io`); all others go where they went. */
export function attach(http: HttpServer, options: Partial<EngineOptions & AttachOptions> = {}): Server {
  const server = new Server(options);
  server.attach(http, options);
  return server;
}

/** The engine of one {@link Server}: it runs from the start, and again when an http server listens again. */
class OwnEngine implements EngineSource {
  server!: Server;
  private engine: Engine | undefined;

  constructor(private readonly settings: string) {}

  current(): Engine | undefined {
    return this.engine;
  }

  start(): void {
    if (this.engine !== undefined) return;
    const { server } = this;
    const engine: Engine = new Engine(this.settings, {
      opened: (key, sid, cause, ...how) => server._opened(engine, key, sid, cause, ...how),
      refused: (cause, code, _message, context) => server._refused(cause.request, { code, context }),
      connecting: () => {}, // there is no Socket.IO, nor its sessions
      expired: () => {},
    });
    this.engine = engine;
  }

  raw(): boolean {
    return true;
  }

  close(): void {
    this.engine?.close();
    this.engine = undefined;
  }
}
