/** `io.engine`: what stands between Node's http server and the engine. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import cors from "cors";
import { type AttachOptions, attach } from "./attach";
import { Conn } from "./conn";
import * as debug from "./debug";
import type { Engine } from "./engine";
import { type Cause, Exchange, type Headers, openLink } from "./exchange";
import { queryOf } from "./handshake";
import { HeardEmitter } from "./heard";
import { randomId } from "./ids";
import { type EngineMiddleware, runMiddlewares, UpgradeResponse } from "./middlewares";
import { type EngineOptions, liveOptions, sessionCookie, type TransportName, withDefaults } from "./options";
import { type ConnectionError, ERROR_MESSAGES, ERRORS, type Refusal, refuseRequest, refuseUpgrade } from "./refusal";
import { type EngineRequest, refusal, verify, verifyRevision } from "./verify";

/** Where the engine comes from: several `IoEngine`s may share one. @internal */
export interface EngineSource {
  /** The engine, if it runs. */
  current(): Engine | undefined;
  /** The http server listens (again): the engine is to run. */
  start(): void;
  /** There is no Socket.IO on its connections (from now on). */
  raw?(): boolean;
  /** A connection opened: before anybody else hears of it. */
  opened?(conn: Conn): void;
}

/**
 * The Engine.IO side of a server: sessions over HTTP requests and WebSockets.
 *
 * Emits `connection` (conn); `initial_headers` (headers, req) once a session and `headers` (headers, req) for every answer of
 * a session and every 101, where the headers may be changed; `connection_error` ({@link ConnectionError}) for every request
 * that is refused; `flush` (conn, packets) and `drain` (conn) as its connections do.
 */
export class IoEngine extends HeardEmitter {
  /** The numbers of `connection_error`, by name. */
  static readonly errors = ERRORS;
  /** What each number means. */
  static readonly errorMessages = ERROR_MESSAGES;

  /** Open connections. */
  clientsCount = 0;
  /** The open connections, by session id. */
  readonly clients: { [sid: string]: Conn } = {};
  /**
   * The options, with their defaults. Most may be changed while the server runs: what they say about requests and sessions
   * counts for those to come, times count from their next beginning. (Servers attached more than once share one engine, and with
   * it what the engine is told here.)
   */
  readonly opts: Partial<EngineOptions>;
  /** The http server, once attached. */
  httpServer: unknown;

  private readonly source: EngineSource;
  private readonly middlewares: EngineMiddleware[] = [];
  /** Options that were changed. */
  private readonly changes: Record<string, unknown> = {};
  /** The engine that has been told of them, and of the listeners. */
  private told: Engine | undefined;

  /** @internal */
  constructor(source: EngineSource, options: Partial<EngineOptions>) {
    super();
    this.source = source;
    this.opts = liveOptions(withDefaults(options), (name, value) => this.changed(name, value));
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
    this.run();
    attach(this, server, options);
    server.on("close", () => this.close());
    server.on("listening", () => this.run());
  }

  /** @internal Has the engine run, as the options and the listeners want it. */
  protected run(): void {
    this.source.start();
    const engine = this.source.current();
    if (engine === undefined || engine === this.told) return;
    this.told = engine;
    if (Object.keys(this.changes).length > 0) engine.configure(this.changes);
    this.watch();
  }

  /** An option of the engine's has been changed. */
  private changed(name: string, value: unknown): void {
    this.source.current()?.configure({ [name]: value });
    this.changes[name] = value;
  }

  /** Closes all connections, dropping what waits to be sent. */
  close(): this {
    debug.engine("closing all connections");
    for (const conn of Object.values(this.clients)) conn.close(true);
    return this;
  }

  /**
   * Draws the id of a session. May be replaced, also by an async function: whoever knows the id owns the session, so it must
   * not be guessed; ids that `@socket.io/sticky` understands are 20 characters of `A-Z a-z 0-9 _ -`.
   */
  generateId(_req: IncomingMessage): string | Promise<string> {
    return randomId();
  }

  /** Answers an HTTP request, whatever its path. */
  handleRequest(req: IncomingMessage, res: ServerResponse): void {
    debug.engine("%s %s", req.method, req.url);
    const request = this.prepare(req);
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
    debug.engine("upgrade %s", req.url);
    const request = this.prepare(req);
    socket.on("error", ignore);
    const response = new UpgradeResponse(request, socket);
    this.decide(request, response as unknown as ServerResponse, true, (refused, sid) => {
      if (refused) return refuseUpgrade(socket, refused);
      const engine = this.source.current();
      if (engine === undefined || !socket.readable || !socket.writable) return void socket.destroy();
      response.writeHead(); // express-session adds its cookie then
      const { headers } = response;
      if (opensWebSocket(request)) {
        if (!request._query.sid) this.emit("initial_headers", headers, request);
        this.emit("headers", headers, request);
      }
      this.client(request._query.sid)?._upgrading(true);
      openLink(engine, this, request, socket, head, headers, sid);
    });
  }

  private prepare(req: IncomingMessage): EngineRequest {
    const request = req as EngineRequest;
    request._query ??= queryOf(req.url ?? "");
    request._unseen &&= !this.showsRequests();
    return request;
  }

  /** Whether anything of the program's is to see requests. */
  private showsRequests(): boolean {
    return (
      this.middlewares.length > (this.opts.cors ? 1 : 0) ||
      this.opts.allowRequest !== undefined ||
      this.generateId !== IoEngine.prototype.generateId ||
      this.listenerCount("initial_headers") > 0 ||
      this.listenerCount("headers") > 0
    );
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
      this.source.current()?.decline(refused.code);
      this._refused(req, refused);
      done(refused, NO_ID);
    };
    const checked = (failure?: unknown) => {
      if (failure) debug.engine("a middleware failed: %s", failure);
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

  // ---- listeners decide what the engine tells ----

  protected override listenersChanged(): void {
    this.watch();
  }

  /** Who hears of a connection may want to hear of its packets, from the first on. */
  private watch(): void {
    const flushes = this.listenerCount("flush") > 0 || this.listenerCount("drain") > 0;
    this.told?.watchNew(this, flushes || this.listenerCount("connection") > 0 || debug.conn.enabled);
    if (flushes !== this._tellsFlushes) {
      this._tellsFlushes = flushes;
      for (const conn of Object.values(this.clients)) conn._watch();
    }
  }

  /** @internal Somebody listens for `flush` or `drain`. */
  _tellsFlushes = false;

  /** @internal There is no Socket.IO on its connections. */
  get _raw(): boolean {
    return this.source.raw?.() === true;
  }

  // ---- what the engine tells ----

  /** @internal A connection opened. */
  _opened(
    engine: Engine,
    key: number,
    sid: string,
    cause: Cause | undefined,
    protocol: 3 | 4,
    transport: TransportName,
  ): void {
    const watched = engine.watchesNew;
    const remoteAddress = cause?.request.socket.remoteAddress;
    const conn = new Conn(this, engine, key, sid, cause?.claim(), remoteAddress, protocol, transport, watched);
    debug.engine('session "%s" opened over %s', sid, transport);
    engine.conns.add(conn);
    this.clients[sid] = conn;
    this.clientsCount++;
    this.source.opened?.(conn);
    this.emit("connection", conn);
    if (watched) conn._watch(true);
  }

  /** @internal A WebSocket has gone, which came with this URL. */
  _linkClosed(url: string): void {
    if (url.includes("sid=")) this.client(queryOf(url).sid)?._upgrading(false);
  }

  private client(sid: string | undefined): Conn | undefined {
    return sid && Object.hasOwn(this.clients, sid) ? this.clients[sid] : undefined;
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
    debug.engine("refused: %s %o", ERROR_MESSAGES[code], context);
    const error: ConnectionError = { req, code, message: ERROR_MESSAGES[code], context };
    this.emit("connection_error", error);
  }
}

/** The engine draws an id itself. */
const NO_ID = "";

/** The headers of a WebSocket handshake are as they should be: a 101 will follow. If not, the engine says what is wrong. */
function opensWebSocket({ headers }: IncomingMessage): boolean {
  return (
    headers.upgrade?.toLowerCase() === "websocket" &&
    headers["sec-websocket-version"] === "13" &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")
  );
}

/** Who leaves costs nobody anything. */
function ignore(): void {}
