/** `io.engine`: what stands between Node's http server and the engine. */
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import cors from "cors";
import { Conn } from "./conn";
import type { Engine } from "./engine";
import { unsupported } from "./errors";
import { Exchange, type Headers, type Link, openLink } from "./exchange";
import { queryOf } from "./handshake";
import { type ServerOptions, sessionCookie } from "./options";

/** A middleware of HTTP requests and WebSocket upgrades, as Express has them. */
export type EngineMiddleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: any) => void,
) => void | Promise<void>;

/** A request as middlewares and `allowRequest` see it, with its query. */
type Request = IncomingMessage & { _query?: Record<string, string> };

/** Refusals that are decided here and not in the engine, as the original words them. */
const BAD_REQUEST = { code: 3, message: "Bad request" };
const FORBIDDEN = { code: 4, message: "Forbidden" };

/**
 * The Engine.IO side of a server. Emits `connection` (conn), `initial_headers` (headers, req) once a session and `headers`
 * (headers, req) for every answer and every 101; the headers may be changed.
 */
export class IoEngine extends EventEmitter {
  /** Open connections. */
  clientsCount = 0;
  /** The options. `allowRequest` and `cookie` may be changed at any time; the others were handed to the engine. */
  readonly opts: Partial<ServerOptions>;
  /** The http server, once attached. */
  httpServer: unknown;

  private readonly engine: Engine;
  private readonly middlewares: EngineMiddleware[] = [];
  private readonly conns = new Map<string, Conn>();

  /** @internal */
  constructor(engine: Engine, opts: Partial<ServerOptions>) {
    super();
    this.engine = engine;
    this.opts = opts;
    if (opts.cors) this.use(cors(opts.cors as any) as unknown as EngineMiddleware);
  }

  /** The open connections, by session id. A copy. */
  get clients(): { [sid: string]: Conn } {
    return Object.fromEntries(this.conns);
  }

  /** Adds a middleware for every HTTP request and every upgrade. */
  use(middleware: EngineMiddleware): this {
    this.middlewares.push(middleware);
    return this;
  }

  /** Closes all connections, dropping what waits to be sent. */
  close(): this {
    for (const conn of this.conns.values()) conn.close(true);
    return this;
  }

  /** Session ids are drawn by the engine. @throws Error when set */
  set generateId(_generate: (req: IncomingMessage) => string | Promise<string>) {
    throw unsupported("engine.generateId");
  }

  /** Answers a request on the path. */
  handleRequest(req: IncomingMessage, res: ServerResponse): void {
    this.prepare(req);
    this.runMiddlewares(req, res, (error) => {
      if (error) return refuse(res, 400, BAD_REQUEST);
      this.allow(req, (refusal) => {
        if (refusal) refuse(res, 403, refusal);
        else new Exchange(this.engine, req, res, this.onHeaders).start();
      });
    });
  }

  /** Answers an upgrade on the path. */
  handleUpgrade(req: IncomingMessage, socket: NetSocket, head: Buffer): void {
    this.prepare(req);
    socket.on("error", ignore);
    const response = new UpgradeResponse(req, socket);
    this.runMiddlewares(req, response as unknown as ServerResponse, (error) => {
      if (error) return refuseUpgrade(socket, BAD_REQUEST.message);
      this.allow(req, (refusal) => {
        if (refusal) return refuseUpgrade(socket, refusal.message);
        if (socket.destroyed) return;
        response.writeHead(); // express-session adds its cookie then
        const { headers } = response;
        if ((req as Request)._query!.sid === undefined) this.emit("initial_headers", headers, req);
        this.emit("headers", headers, req);
        openLink(this.engine, req, socket, head, headers);
      });
    });
  }

  /** @internal A connection opened. */
  _opened(key: number, sid: string, cause: Exchange | Link | undefined, protocol: 3 | 4, transport: string): void {
    const conn = new Conn(this, this.engine, key, sid, cause?.request, protocol, transport);
    this.engine.conns.add(conn);
    this.conns.set(sid, conn);
    this.clientsCount++;
    this.emit("connection", conn);
  }

  /** @internal A request is refused. */
  _refused(cause: Exchange | Link, code: number, message: string, context: object): void {
    this.emit("connection_error", { req: cause.request, code, message, context });
  }

  /** @internal A connection closed. */
  _closed(conn: Conn): void {
    this.conns.delete(conn.id);
    this.clientsCount--;
  }

  private prepare(req: Request): void {
    req._query ??= queryOf(req.url ?? "");
  }

  private readonly onHeaders = (headers: Headers, req: IncomingMessage, opened: string | null): void => {
    if (opened !== null) {
      const cookie = sessionCookie(this.opts.cookie, opened);
      if (cookie !== undefined) headers["set-cookie"] = cookie;
      this.emit("initial_headers", headers, req);
    }
    this.emit("headers", headers, req);
  };

  private runMiddlewares(req: IncomingMessage, res: ServerResponse, done: (error?: any) => void): void {
    const { middlewares } = this;
    const run = (at: number): void => {
      if (at === middlewares.length) return done();
      let called = false;
      const next = (error?: any) => {
        if (called) return;
        called = true;
        if (error) done(error);
        else run(at + 1);
      };
      const result = middlewares[at](req, res, next);
      if (result instanceof Promise) result.catch((error) => next(error ?? new Error("middleware failed")));
    };
    run(0);
  }

  /** Asks `allowRequest` about a handshake that the engine will find nothing else to say against. */
  private allow(req: Request, done: (refusal?: { code: number; message: string }) => void): void {
    const { allowRequest, transports } = this.opts;
    const query = req._query!;
    const handshake =
      query.sid === undefined &&
      req.method === "GET" &&
      (transports ?? ["polling", "websocket"]).includes(query.transport as any);
    if (!allowRequest || !handshake) return done();
    allowRequest(req, (error, success) => {
      if (success) done();
      else done({ ...FORBIDDEN, message: error || FORBIDDEN.message });
    });
  }
}

/** What middlewares may do to the answer of an upgrade: headers go on the 101; an end ends the connection. */
class UpgradeResponse extends EventEmitter {
  readonly headers: Headers = {};
  readonly req: IncomingMessage;
  statusCode = 101;
  finished = false;

  constructor(
    req: IncomingMessage,
    private readonly netSocket: NetSocket,
  ) {
    super();
    this.req = req;
  }

  setHeader(name: string, value: string | string[]): this {
    this.headers[name] = value;
    return this;
  }

  getHeader(name: string): unknown {
    return this.headers[name];
  }

  removeHeader(name: string): void {
    delete this.headers[name];
  }

  write(): void {}

  writeHead(): void {}

  end(): void {
    this.finished = true;
    this.netSocket.destroy();
    this.emit("finish");
    this.emit("close");
  }
}

/** Who leaves costs nobody anything. */
function ignore(): void {}

function refuse(res: ServerResponse, status: number, body: { code: number; message: string }): void {
  res.writeHead(status, { "Content-Type": "application/json" });
  res.end(JSON.stringify(body));
}

function refuseUpgrade(socket: NetSocket, message: string): void {
  if (!socket.writable) return void socket.destroy();
  const length = Buffer.byteLength(message);
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: ${length}\r\n\r\n${message}`,
    () => socket.destroy(),
  );
}
