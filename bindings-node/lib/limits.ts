/** What clients may cost: options that socket.io has not got. Nothing of it costs the JavaScript thread anything. */

/** How often something may happen. */
export interface Rate {
  /** In one second, in the long run; may be a fraction. */
  perSecond: number;
  /** At once, after a pause. `perSecond`, rounded up, if not given. */
  burst?: number;
}

/** What one packet or connection may have in it. An offender's connection is closed. */
export interface PacketLimits {
  /** Packets in one POST. 1000. */
  packetsPerPayload: number;
  /** Attachments of one packet; together they may have so many times `maxHttpBufferSize`. 10. */
  attachments: number;
  /** Time for announced attachments to arrive, in ms. 30000. */
  reassembly: number;
  /** Lists and objects in each other. 128. */
  jsonDepth: number;
  /** Namespaces one connection may join or ask for. 64. */
  namespaces: number;
  /** Bytes of a namespace's name. 512. */
  namespaceName: number;
  /** Bytes of an event's name, as it stands in the packet. 1024. */
  eventName: number;
  /** Frames that one WebSocket message may be cut into, empty ones included. 1024. */
  fragments: number;
  /** Pings, pongs and closes on one WebSocket in a second. 50. */
  controlFrames: number;
}

/** How much may wait for a client and for the program, what a packet may be, and who may come in. */
export interface LimitOptions {
  /** Bytes waiting for one client above which it counts as slow: `await socket.drain()` waits from there on. 1 MiB. */
  highMark: number;
  /** Bytes waiting for one client that are too many. 16 MiB. */
  hardLimit: number;
  /**
   * What becomes of a client for which more than `hardLimit` would wait, once the volatile events among it have been dropped.
   * `"disconnect"`: it is disconnected with the reason `"slow consumer"`. `"drop"`: it stays, and does not get the event.
   */
  slowConsumer: "disconnect" | "drop";
  /** Time a client may take nothing of what waits for it, in ms; then it is disconnected, as a slow consumer. 45000. */
  writeTimeout: number;
  /** Bytes of events waiting for the JavaScript thread above which the engine stops reading from clients. 8 MiB. */
  mailboxBytes: number;
  /** What one packet or connection may have in it. */
  limits: Partial<PacketLimits>;
  /** Bytes of a request's header block, on a port of the engine's own ({@link ServerOptions.nativeListener}). 16384. */
  maxHeaderBytes: number;
  /** Headers of a request; there too. More are answered 431 and counted as `maxHeaderBytes`. 100. */
  maxHeaders: number;
  /** Time for a request's headers to arrive, in ms; there too. 10000. */
  headerTimeout: number;
  /** Connections at once. Who comes then is answered 503 with `Retry-After`. Any number. */
  maxConnections: number;
  /** Connections at once that have not joined their first namespace yet. The same answer. Any number. */
  maxHandshakes: number;
  /**
   * New sessions of one address (of IPv6, one /64 network). Who comes more often is answered 429 with `Retry-After`. Any number.
   */
  sessionsPerAddress: Rate;
  /**
   * Events of one client, in all its namespaces together, and its requests to join one. At one more it is disconnected with the
   * reason `"rate limited"`. Any number.
   */
  eventsPerClient: Rate;
  /**
   * Proxies in front of the server that write `X-Forwarded-For`: an address is what the outermost of them saw. 0: the header is
   * not believed.
   */
  trustedProxies: number;
  /**
   * Namespaces at once that were made because clients asked for them, by all patterns and functions of `io.of()` together. Who
   * asks for one more is refused (`connect_error`, "Too many namespaces"). 100000.
   */
  maxChildNamespaces: number;
}

/** How a server is drained. */
export interface DrainOptions {
  /**
   * The longest wait for answers to events that ask for one, of clients and of handlers, in ms; and again, at the end, for what
   * is still on its way to clients. 10000.
   */
  grace: number;
  /** The time over which connections are closed, in ms. 10000. */
  spread: number;
  /** Why, in a few words: in the close frame of WebSockets, beside its code 1012, and as the description of `disconnect`. None. */
  reason: string;
}

/** The limits as the engine has them. @internal */
export function limitOptions(options: Partial<LimitOptions>): object {
  const limits: Record<string, unknown> = {};
  for (const name of LIMITS) limits[name] = options[name];
  return limits;
}

const LIMITS: readonly (keyof LimitOptions)[] = [
  "highMark",
  "hardLimit",
  "slowConsumer",
  "writeTimeout",
  "mailboxBytes",
  "limits",
  "maxHeaderBytes",
  "maxHeaders",
  "headerTimeout",
  "maxConnections",
  "maxHandshakes",
  "sessionsPerAddress",
  "eventsPerClient",
  "trustedProxies",
  "maxChildNamespaces",
];
