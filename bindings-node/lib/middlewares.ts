/** Middlewares of HTTP requests and upgrades, as Express has them. */
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Headers } from "./exchange";

/** A middleware of HTTP requests and WebSocket upgrades. It may be async: a rejection is a failure. */
export type EngineMiddleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: any) => void,
) => void | Promise<void>;

/**
 * Runs middlewares one after another.
 *
 * @param done - called once: with nothing, or with what a middleware threw, rejected with or passed to `next()`. Never, if
 * one answers the request itself.
 * @internal
 */
export function runMiddlewares(
  middlewares: readonly EngineMiddleware[],
  req: IncomingMessage,
  res: ServerResponse,
  done: (error?: unknown) => void,
): void {
  const run = (at: number): void => {
    if (at === middlewares.length) return done();
    let settled = false;
    // By way of a microtask, so that what the next one throws is not taken for a failure of this one.
    const settle = (failed: boolean, error?: unknown): void => {
      if (settled) return;
      settled = true;
      queueMicrotask(() => (failed ? done(error ?? FAILED) : run(at + 1)));
    };
    try {
      const result = middlewares[at](req, res, (error) => settle(Boolean(error), error)) as unknown;
      if (result instanceof Promise) result.catch((error) => settle(true, error));
    } catch (error) {
      settle(true, error);
    }
  };
  run(0);
}

/** Stands for a failure of which no more is known. */
const FAILED = new Error("middleware failed");

/**
 * What middlewares get for the answer of an upgrade: a part of `http.ServerResponse`. Headers go on the 101; an end ends the
 * connection. Emits `finish`, and `close` when the connection is over.
 *
 * @internal
 */
export class UpgradeResponse extends EventEmitter {
  /** Headers for the 101. */
  readonly headers: Headers = {};

  constructor(
    readonly req: IncomingMessage,
    readonly socket: NetSocket,
  ) {
    super();
    socket.once("close", () => this.emit("close"));
  }

  setHeader(name: string, value: string | string[]): void {
    this.headers[name] = value;
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
    this.emit("finish");
    this.socket.destroy();
  }
}
