/** Options of a connection. Times are milliseconds. */

/** The name of a transport. */
export type TransportName = "polling" | "websocket" | "webtransport" | (string & {});

/** A transport's class, as `engine.io-client` has them. */
export type TransportCtor = { new (o: any): any };

/** Options of a connection. Those marked *Node's stack* have the connection run on npm's `engine.io-client`, in JavaScript. */
export interface EngineOptions {
  /** The server's host, where no URL is given. */
  host?: string;
  /** The same; set from the URL. */
  hostname?: string;
  /** Encrypt; set from the URL. */
  secure?: boolean;
  /** The server's port; set from the URL. */
  port?: string | number;
  /** What is added to the query of each request. */
  query?: { [key: string]: any };
  /** Node's stack: an `http.Agent`. */
  agent?: string | boolean;
  /** Move from polling to a WebSocket where the server can. True. */
  upgrade?: boolean;
  /** Send bytes as text. False. */
  forceBase64?: boolean;
  /** The name of the timestamp in the query. `t`. */
  timestampParam?: string;
  /** Add a timestamp to each request. True for polling, false for WebSockets. */
  timestampRequests?: boolean;
  /** Transports in the order in which they are tried; a class that is not one of `engine.io-client`'s own: Node's stack. */
  transports?: TransportName[] | TransportCtor[];
  /** Transports by their classes. */
  transportImplementations?: TransportCtor[];
  /** Try the next transport when one fails. False. */
  tryAllTransports?: boolean;
  /** Begin with a WebSocket where the last connection had one. False. */
  rememberUpgrade?: boolean;
  /** How long a polling request may take. For ever. */
  requestTimeout?: number;
  /** Options for one transport, by its name. */
  transportOptions?: Object;
  /** Node's stack: a PKCS #12 archive of key and certificates. */
  pfx?: string;
  /** The key of the client's certificate, PEM. */
  key?: string;
  /** What the key is encrypted with. */
  passphrase?: string;
  /** The client's certificate, PEM. */
  cert?: string;
  /** Authorities that are trusted instead of the usual ones, PEM. */
  ca?: string | string[];
  /** Node's stack: the ciphers that may be used. */
  ciphers?: string;
  /** Refuse a server whose certificate cannot be verified. True. */
  rejectUnauthorized?: boolean;
  /** Headers of every request. */
  extraHeaders?: { [header: string]: string };
  /** Keep the server's cookies, for as long as the connection lasts. False. */
  withCredentials?: boolean;
  /** In browsers only. */
  closeOnBeforeunload?: boolean;
  /** Keep to the real timers where a fake clock is installed. False. */
  useNativeTimers?: boolean;
  /** Let the process end though a client is connected or will be. False. */
  autoUnref?: boolean;
  /** Compress the messages of a WebSocket. */
  perMessageDeflate?: { threshold: number };
  /** The path of the server's requests. */
  path?: string;
  /** Whether the path ends in a slash. True. */
  addTrailingSlash?: boolean;
  /** WebSocket sub-protocols to offer. */
  protocols?: string | string[];
}
