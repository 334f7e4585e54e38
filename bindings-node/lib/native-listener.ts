/** A port of the engine's own, without Node's http: what the option `nativeListener` asks for. */
import { type AddressInfo, isIPv6 } from "node:net";
import type { Engine } from "./engine";
import { keepAlive } from "./exchange";
import { type EngineSource, IoEngine } from "./io-engine";
import { type EngineOptions, type NativeListenerOptions, type ServerOptions, sessionCookie } from "./options";

/** Options that only Node's http server could carry out. */
const OF_HTTP = ["allowRequest", "destroyUpgrade", "destroyUpgradeTimeout"] as const;
/** What of the `cors` package's options the engine has. */
const CORS = ["origin", "credentials"];

/** Events of `io.engine` that tell of Node's requests. */
const EVENTS_OF_HTTP: ReadonlySet<unknown> = new Set(["headers", "initial_headers", "connection_error"]);

/**
 * `io.engine` of a port of the engine's own. Requests do not come to JavaScript: there are no middlewares, no `allowRequest`, no
 * `generateId`, no `headers`, `initial_headers` and `connection_error`; asking for one is an error.
 */
export class NativeIoEngine extends IoEngine {
  private readonly bound: AddressInfo;

  /** @internal @throws Error if it cannot listen there */
  constructor(source: EngineSource, engine: Engine, port: number, options: Partial<ServerOptions>) {
    super(source, { ...options, cors: undefined });
    const { host = "::", certificate, key } = listenerOptions(options);
    this.bound = address(engine.listen(`${isIPv6(host) ? `[${host}]` : host}:${port}`, certificate, key));
    keepAlive.add();
    engine.whenOver(() => keepAlive.delete());
    this.run();
  }

  /** Where it listens. */
  address(): AddressInfo {
    return this.bound;
  }

  override use(): void {
    throw ofHttp("engine.use()");
  }

  override on(event: string | symbol, listener: (...args: any[]) => void): this {
    if (EVENTS_OF_HTTP.has(event)) throw ofHttp(`the event "${String(event)}" of io.engine`);
    return super.on(event, listener);
  }
}

// Whoever replaces it learns that nobody would ask.
Object.defineProperty(NativeIoEngine.prototype, "generateId", {
  get: () => IoEngine.prototype.generateId,
  set: () => {
    throw ofHttp("engine.generateId");
  },
});

/**
 * The options as the engine wants them where it answers requests by itself.
 *
 * @throws Error naming an option that it cannot carry out
 * @internal
 */
export function nativeOptions(options: Partial<ServerOptions>): object {
  for (const name of OF_HTTP) if (options[name] !== undefined) throw ofHttp(`the option "${name}"`);
  if (options.serveClient) throw ofHttp('the option "serveClient"');
  return {
    path: options.path,
    addTrailingSlash: options.addTrailingSlash,
    readyPath: listenerOptions(options).readyPath,
    cookie: options.cookie ? cookie(options.cookie) : null,
    cors: options.cors ? cors(options.cors) : "off",
  };
}

function listenerOptions({ nativeListener }: Partial<ServerOptions>): NativeListenerOptions {
  return typeof nativeListener === "object" ? nativeListener : {};
}

function cookie(option: NonNullable<EngineOptions["cookie"]>): object {
  const { name = "io", ...given } = typeof option === "object" ? option : {};
  const [, ...attributes] = sessionCookie({ name, path: "/", httpOnly: true, sameSite: "lax", ...given }, "").split(
    "; ",
  );
  return { name, attributes: attributes.join("; ") };
}

function cors(option: EngineOptions["cors"]): object {
  if (typeof option === "function") throw ofHttp('a function as the option "cors"');
  for (const name of Object.keys(option)) if (!CORS.includes(name)) throw ofHttp(`the option "cors.${name}"`);
  const { origin = "*", credentials = false } = option;
  const texts = Array.isArray(origin) ? origin : [origin];
  if (origin !== true && !texts.every((each) => typeof each === "string")) {
    throw ofHttp('anything but texts for the option "cors.origin"');
  }
  return { origin, credentials };
}

function ofHttp(what: string): Error {
  return new Error(`ferrio: ${what} needs Node's http server, which the option "nativeListener" does without`);
}

function address(text: string): AddressInfo {
  const at = text.lastIndexOf(":");
  const host = text.slice(0, at).replace(/^\[|\]$/g, "");
  return { address: host, family: isIPv6(host) ? "IPv6" : "IPv4", port: Number(text.slice(at + 1)) };
}
