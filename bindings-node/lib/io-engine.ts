/** `io.engine`: what stands between Node's http server and the engine. */
import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import cors from "cors";
import { type AttachOptions, attach } from "./attach";
import { Conn } from "./conn";
import type { Engine } from "./engine";
import { type Cause, Exchange, type Headers, openLink } from "./exchange";
import { queryOf } from "./handshake";
import { type EngineMiddleware, runMiddlewares, UpgradeResponse } from "./middlewares";
import { type EngineOptions, sessionCookie, type TransportName, withDefaults } from "./options";
import { type ConnectionError, ERROR_MESSAGES, ERRORS, type Refusal, refuseRequest, refuseUpgrade } from "./refusal";
import { type EngineRequest, refusal, verify, verifyRevision } from "./verify";

/** Where the engine comes from: several `IoEngine`s may share one. @internal */
export interface EngineSource {
  /** The engine, if it runs. */
  current(): Engine | undefined;
  /** The http server listens (again): the engine is to run. */
  start(): void;
}

/**
 * The Engine.IO side of a server: sessions over HTTP requests and WebSockets.
 *
 * Emits `connection` (conn); `initial_headers` (headers, req) once a session and `headers` (headers, req) for every answer of
 * a session and every 101, where the headers may be changed; `connection_error` ({@link ConnectionError}) for every request
 * that is refused; `flush` (conn, packets) and `drain` (conn) as its connections do.
 */
export class IoEngine extends EventEmitter {
  /** The numbers of `connection_error`, by name. */
  static readonly errors = ERRORS;
  /** What each number means. */
  static readonly errorMessages = ERROR_MESSAGES;

  /** Open connections. */
  clientsCount = 0;
  /** The open connections, by session id. */
  readonly clients: { [sid: string]: Conn } = {};
  /** The options, with their defaults. */
  readonly opts: Partial<EngineOptions>;
  /** The http server, once attached. */
  httpServer: unknown;

  private readonly source: EngineSource;
  private readonly middlewares: EngineMiddleware[] = [];

  /** @internal */
  constructor(source: EngineSource, options: Partial<EngineOptions>) {
    super();
    this.source = source;
    this.opts = withDefaults(options);
    if (options.cors) this.use(cors(options.cors as any) as unknown as EngineMiddleware);
  }

  /**
   * Adds a middleware for every HTTP request and every upgrade. For an upgrade, the headers it sets go on the 101, and an end
   * of the response ends the connection. A failure answers the request with 400.
   */
  use(middleware: EngineMiddleware): void {
    this.middlewares.push(middleware);
  }

  /** Transports that a session on this one may move to. */
  upgrades(transport: TransportName): TransportName[] {
    return this.opts.allowUpgrades && transport === "polling" ? ["websocket"] : [];
  }

  /**
   * Takes the requests and upgrades of an http server that are for the path; all others go where they went before.
   *
   * @param options - the path (`/engine.io` if not given), and what to do with upgrades that nobody answers
   */
  attach(server: HttpServer, options: Partial<AttachOptions> = {}): void {
    this.source.start();
    attach(this, server, options);
    server.on("close", () => this.close());
    server.on("listening", () => this.source.start());
  }

  /** Closes all connections, dropping what waits to be sent. */
  close(): this {
    for (const conn of Object.values(this.clients)) conn.close(true);
    return this;
  }

  /**
   * Draws the id of a session. May be replaced, also by an async function: whoever knows the id owns the session, so it must
   * not be guessed; ids that `@socket.io/sticky` understands are 20 characters of `A-Z a-z 0-9 _ -`.
   */
  generateId(_req: IncomingMessage): string | Promise<string> {
    return randomBytes(15).toString("base64url");
  }

  /** Answers an HTTP request, whatever its path. */
  handleRequest(req: IncomingMessage, res: ServerResponse): void {
    const request = prepare(req);
    request.res = res;
    this.decide(request, res, false, (refused, sid) => {
      request.res = null; // the first request of a session is kept: not its response with it
      if (refused) return refuseRequest(res, refused);
      const engine = this.source.current();
      if (engine === undefined) refuseRequest(res, refusal(ERRORS.BAD_REQUEST, {}));
      else new Exchange(engine, this, request, res, sid).start();
    });
  }

  /** Answers an HTTP upgrade, whatever its path. */
  handleUpgrade(req: IncomingMessage, socket: NetSocket, head: Buffer): void {
    const request = prepare(req);
    socket.on("error", ignore);
    const response = new UpgradeResponse(request, socket);
    this.decide(request, response as unknown as ServerResponse, true, (refused, sid) => {
      if (refused) return refuseUpgrade(socket, refused);
      const engine = this.source.current();
      if (engine === undefined || !socket.readable || !socket.writable) return void socket.destroy();
      response.writeHead(); // express-session adds its cookie then
      const { headers } = response;
      if (!request._query.sid) this.emit("initial_headers", headers, request);
      this.emit("headers", headers, request);
      openLink(engine, this, request, socket, head, headers, sid);
    });
  }

  /**
   * Middlewares, checks, the program's say. `done` is called once, unless somebody else answers the request; with the id for
   * the session, if the program has one.
   */
  private decide(
    req: EngineRequest,
    res: ServerResponse,
    upgrade: boolean,
    done: (refused: Refusal | undefined, sid: string) => void,
  ): void {
    const refuse = (refused: Refusal) => {
      this._refused(req, refused);
      done(refused, NO_ID);
    };
    const checked = (failure?: unknown) => {
      if (failure) return refuse(refusal(ERRORS.BAD_REQUEST, { name: "MIDDLEWARE_FAILURE" }));
      const refused = verify(req, upgrade, this.opts, this.clients);
      if (refused) return refuse(refused);
      if (req._query.sid) return done(undefined, NO_ID);
      this.allow(req, (message, allowed) => {
        if (!allowed) return refuse(refusal(ERRORS.FORBIDDEN, { message }));
        const refused = verifyRevision(req, this.opts);
        if (refused) return refuse(refused);
        // Ours need not be drawn here: the engine does it as well.
        if (this.generateId === IoEngine.prototype.generateId) return done(undefined, NO_ID);
        this.drawId(req).then(
          (sid) => done(undefined, sid),
          (error) => refuse(refusal(ERRORS.BAD_REQUEST, { name: "ID_GENERATION_ERROR", error })),
        );
      });
    };
    if (this.middlewares.length === 0) checked();
    else runMiddlewares(this.middlewares, req, res, checked);
  }

  private async drawId(req: IncomingMessage): Promise<string> {
    return String(await this.generateId(req));
  }

  /** Asks the program about a handshake. */
  private allow(req: EngineRequest, done: (message: unknown, allowed: boolean) => void): void {
    const { allowRequest } = this.opts;
    if (!allowRequest) return done(undefined, true);
    let decided = false;
    allowRequest(req, (message, allowed) => {
      if (decided) return;
      decided = true;
      done(message, allowed);
    });
  }

  /** @internal A connection opened. */
  _opened(
    engine: Engine,
    key: number,
    sid: string,
    cause: Cause | undefined,
    protocol: 3 | 4,
    transport: string,
  ): void {
    const conn = new Conn(this, engine, key, sid, cause?.request, protocol, transport);
    engine.conns.add(conn);
    this.clients[sid] = conn;
    this.clientsCount++;
    this.emit("connection", conn);
  }

  /** @internal A connection closed. */
  _closed(conn: Conn): void {
    delete this.clients[conn.id];
    this.clientsCount--;
  }

  /** @internal The head of an answer of a session, before it goes out. */
  _headers(headers: Headers, req: IncomingMessage, opened: string | null): void {
    if (opened !== null) {
      const { cookie } = this.opts;
      if (cookie) headers["Set-Cookie"] = [sessionCookie(cookie, opened)];
      this.emit("initial_headers", headers, req);
    }
    this.emit("headers", headers, req);
  }

  /** @internal A request was refused. */
  _refused(req: IncomingMessage, { code, context }: Refusal): void {
    const error: ConnectionError = { req, code, message: ERROR_MESSAGES[code], context };
    this.emit("connection_error", error);
  }
}

/** The engine draws an id itself. */
const NO_ID = "";

function prepare(req: IncomingMessage): EngineRequest {
  const request = req as EngineRequest;
  request._query ??= queryOf(req.url ?? "");
  return request;
}

/** Who leaves costs nobody anything. */
function ignore(): void {}
