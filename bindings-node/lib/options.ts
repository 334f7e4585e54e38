/** The options of a server: their types and defaults, and what of them the engine gets to know. */

import type { IncomingMessage } from "node:http";
import { type SerializeOptions, serialize } from "cookie";
import type { CorsOptions, CorsOptionsDelegate } from "cors";
import type { AdapterConstructor } from "./adapter";
import type { SendData } from "./conn";
import { unsupported } from "./errors";
import { type LimitOptions, limitOptions } from "./limits";
import type { ConnectionStateRecovery } from "./recovery";

/** The transports a client may use. */
export type TransportName = "polling" | "websocket";

/** The session cookie of a polling handshake. */
export interface CookieOptions extends SerializeOptions {
  /** Its name. `io` if not given. */
  name?: string;
}

/** When to compress a poll's answer. */
export interface HttpCompressionOptions {
  /** Compress from so many bytes on. 1024 if not given. */
  threshold?: number;
}

/** Options of the Engine.IO layer, and of how it attaches to an http server. */
export interface EngineOptions extends LimitOptions {
  /** Time between heartbeats, in ms. 25000. */
  pingInterval: number;
  /** Time a heartbeat may go unanswered, in ms. 20000. */
  pingTimeout: number;
  /** Time a WebSocket may take to replace polling, in ms. 10000. */
  upgradeTimeout: number;
  /** Largest request body and WebSocket message, in bytes. 1e6. */
  maxHttpBufferSize: number;
  /** Transports clients may use. `["polling", "websocket"]`. */
  transports: TransportName[];
  /** Whether a client may move from polling to a WebSocket. True. */
  allowUpgrades: boolean;
  /** Decides on every handshake: `callback(null, true)` lets it pass. Not asked for later requests of a session. */
  allowRequest: (req: IncomingMessage, callback: (error: string | null | undefined, success: boolean) => void) => void;
  /** Compression of polls. `{ threshold: 1024 }`; false turns it off. */
  httpCompression: boolean | HttpCompressionOptions;
  /** Compression of WebSocket messages. False; anything else is not supported: messages go uncompressed, with a warning. */
  perMessageDeflate: boolean | object;
  /** A cookie for the polling handshake. None; true means one with the default attributes. */
  cookie: CookieOptions | boolean;
  /** Cross-origin requests, as the `cors` package has it. None are answered with CORS headers if not given. */
  cors: CorsOptions | CorsOptionsDelegate;
  /** Accept clients of Socket.IO 1 and 2. False. */
  allowEIO3: boolean;
  /** A message for every client, right behind the open packet. None. */
  initialPacket: SendData;
  /** End upgrade requests that nobody has answered. True. */
  destroyUpgrade: boolean;
  /** After how many ms. 1000. */
  destroyUpgradeTimeout: number;
  /** Match the path with a slash after it. True. */
  addTrailingSlash: boolean;
}

/** Where the engine listens by itself. */
export interface NativeListenerOptions {
  /** The address. `::`, which is every address of IPv6 and IPv4. */
  host?: string;
  /** Path of the certificate chain (PEM): the port speaks TLS. */
  certificate?: string;
  /** Path of the private key (PEM). */
  key?: string;
  /** Path that is answered 200 while newcomers are let in, 503 once the server drains. None. */
  readyPath?: string;
}

/** Options of a server. */
export interface ServerOptions extends EngineOptions {
  /** Path of the HTTP endpoint. `/socket.io`. */
  path: string;
  /** Serve the client's bundles under the path. True. */
  serveClient: boolean;
  /** Time a connection may stay without having joined a namespace, in ms. 45000. */
  connectTimeout: number;
  /** Drop a namespace made for a client when its last socket leaves. False. */
  cleanupEmptyChildNamespaces: boolean;
  /** Have clients whose connection broke come back to their id, rooms, data and missed events. Off. */
  connectionStateRecovery: ConnectionStateRecovery;
  /** The class of the namespaces' adapters, or a function that makes one. The engine keeps the rooms if not given. */
  adapter: AdapterConstructor;
  /** What encodes packets: `{ Encoder, Decoder }`, as `socket.io-msgpack-parser` has it. The engine does if not given. */
  parser: any;
  /**
   * Have the engine listen on the port by itself, without Node's http server: polling costs less, and there is no `httpServer`,
   * nothing that hangs on it (`allowRequest`, `engine.use()`, the bundles, …), and no other route. False. Not in socket.io.
   */
  nativeListener: boolean | NativeListenerOptions;
  /** Threads that do the I/O. 1; more helps only where many connections keep one busy. Not in socket.io. */
  ioThreads: number;
}

/** The program has been told that messages are not compressed. */
let warned = false;

/** Options of socket.io that would change what a program observes, and that ferrio has not got. */
const UNSUPPORTED = ["wsEngine"] as const;

/** @throws Error naming an option that ferrio has not got. @internal */
export function refuseUnsupported(options: Partial<ServerOptions> & Record<string, unknown>): void {
  for (const name of UNSUPPORTED) if (options[name]) throw unsupported(`the option "${name}"`);
  for (const name of options.transports ?? []) {
    if (name !== "polling" && name !== "websocket") throw unsupported(`the transport "${String(name)}"`);
  }
  if (options.perMessageDeflate && !warned) {
    warned = true;
    process.emitWarning("ferrio does not compress WebSocket messages: perMessageDeflate has no effect", {
      code: "FERRIO_NO_DEFLATE",
    });
  }
}

/** The engine's options as JSON. What is not given stays out: the defaults are the engine's. @internal */
export function engineOptions(options: Partial<ServerOptions>, more?: object): string {
  const { connectionStateRecovery: recovery } = options;
  return JSON.stringify({
    dialect: "node",
    transports: options.transports,
    allowUpgrades: options.allowUpgrades,
    allowEio3: options.allowEIO3,
    pingInterval: options.pingInterval,
    pingTimeout: options.pingTimeout,
    upgradeTimeout: options.upgradeTimeout,
    // As in socket.io, 0 is no time but the default.
    connectTimeout: options.connectTimeout || undefined,
    maxPayload: options.maxHttpBufferSize,
    compressionThreshold: compressionThreshold(options.httpCompression),
    initialPacket: options.initialPacket ? initialPacket(options.initialPacket) : undefined,
    // The `cors` package answers, before a request comes to the engine.
    cors: "off",
    connectionStateRecovery: recovery && {
      maxDisconnectionDuration: recovery.maxDisconnectionDuration,
      maxBytes: recovery.maxBytes,
      maxSessions: recovery.maxSessions,
    },
    ioThreads: options.ioThreads,
    ...limitOptions(options),
    ...more,
  });
}

/**
 * The options of `io.engine`: those given, and the defaults that programs read there. (What the engine itself is to default is
 * not told to it again.)
 *
 * @internal
 */
export function withDefaults(options: Partial<EngineOptions>): Partial<EngineOptions> {
  const all: Partial<EngineOptions> = {
    pingTimeout: 20_000,
    pingInterval: 25_000,
    upgradeTimeout: 10_000,
    maxHttpBufferSize: 1e6,
    transports: ["polling", "websocket"],
    allowUpgrades: true,
    httpCompression: { threshold: 1024 },
    cors: false as any,
    allowEIO3: false,
    ...options,
  };
  if (options.cookie) {
    const given = options.cookie === true ? {} : options.cookie;
    all.cookie = { name: "io", path: "/", httpOnly: true, sameSite: "lax", ...given };
  }
  return all;
}

/**
 * Options that tell of their changes.
 *
 * @param changed - called with the engine's name of an option and its value; what it throws stands in the way of the change
 * @internal
 */
export function liveOptions(
  options: Partial<EngineOptions>,
  changed: (name: string, value: unknown) => void,
): Partial<EngineOptions> {
  return new Proxy(options, {
    set(target, name, value) {
      const live = LIVE[name as string];
      if (live !== undefined && !Object.is(value, target[name as keyof EngineOptions])) changed(...live(value));
      return Reflect.set(target, name, value);
    },
  });
}

/** What of the options of `io.engine` the engine is told of when it changes, as it wants it. */
const LIVE: { readonly [name: string]: (value: any) => [name: string, value: unknown] } = {
  pingInterval: (ms) => ["pingInterval", ms],
  pingTimeout: (ms) => ["pingTimeout", ms],
  upgradeTimeout: (ms) => ["upgradeTimeout", ms],
  maxHttpBufferSize: (bytes) => ["maxHttpBufferSize", bytes],
  transports: (names) => ["transports", names],
  allowUpgrades: (allowed) => ["allowUpgrades", allowed],
  allowEIO3: (allowed) => ["allowEIO3", allowed],
  httpCompression: (option) => ["compressionThreshold", compressionThreshold(option)],
  initialPacket: (packet) => ["initialPacket", initialPacket(packet)],
};

/** From how many bytes on polls are compressed; null for never, undefined for the engine's own rule. */
function compressionThreshold(option: boolean | HttpCompressionOptions | undefined): number | null | undefined {
  if (option === undefined) return undefined;
  if (!option) return null;
  // As in the original, who gives anything but a threshold has everything compressed.
  return (option === true ? undefined : option.threshold) ?? 0;
}

/** The message behind the open packet, as the engine wants it. */
function initialPacket(packet: SendData | null | undefined): unknown {
  if (!packet) return null;
  if (typeof packet === "string") return packet;
  const bytes = ArrayBuffer.isView(packet)
    ? Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)
    : Buffer.from(packet);
  return { binary: bytes.toString("base64") };
}

/** The value of `Set-Cookie` for a session. @internal */
export function sessionCookie(option: CookieOptions | true, sid: string): string {
  const { name = "io", ...attributes } = option === true ? {} : option;
  return serialize(name, sid, attributes);
}
