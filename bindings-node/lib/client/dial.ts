/** What the engine is told of a connection that is to be made, or why npm's engine.io-client has to make it. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import type { EngineOptions, TransportCtor } from "./options";
import { bracketed, decodeQuery, parse } from "./url";

/** A connection to be made. @internal */
export interface Dial {
  url: string;
  /** For `core/embed/src/client/options.rs`, save `rememberUpgrade`. */
  options: { transports: string[]; rememberUpgrade: boolean; [name: string]: unknown };
  autoUnref: boolean;
}

/** Options that only mean something to Node's own HTTP, TLS and WebSockets: who gives one gets those. */
const NODE_STACK = [
  "agent",
  "pfx",
  "ciphers",
  "checkServerIdentity",
  "protocolVersion",
  "createConnection",
  "lookup",
  "secureContext",
  "secureProtocol",
  "minVersion",
  "maxVersion",
  "followRedirects",
  "forceBase64",
  "perMessageDeflate",
];
/** What the engine knows of `transportOptions`. */
const OWN_OF_TRANSPORT = ["path", "query", "extraHeaders"];

/** Options with what is beside the documented ones. */
type Given = EngineOptions & Record<string, any>;

/**
 * Reads the URL into the options, as engine.io-client does: `hostname`, `port`, `secure`, and `query` if the URL has one.
 *
 * @throws Error where options contradict each other
 */
export function locate(uri: string | undefined, options: EngineOptions): void {
  if (uri !== undefined) {
    const { protocol, host, port, query } = parse(uri);
    options.hostname = host;
    options.secure = protocol === "https" || protocol === "wss";
    options.port = port;
    if (query !== "") options.query = query as unknown as EngineOptions["query"];
  } else if (options.host) {
    options.hostname = parse(options.host).host;
  }
  if (options.hostname && !options.port) options.port = options.secure ? "443" : "80";
  if (options.transportImplementations && options.transports) {
    throw new Error("specifying both 'transportImplementations' and 'transports' options is not supported");
  }
}

/**
 * What the engine is told. Undefined: an option is given that only Node's stack knows.
 *
 * @throws Error naming the transport that there is not
 */
export function dialOf(given: EngineOptions): Dial | undefined {
  const options = given as Given;
  if (NODE_STACK.some((name) => options[name])) return undefined;
  const transports = transportsOf(options);
  const transportOptions = ofTransports(options);
  const tls = tlsOf(options);
  if (transports === undefined || transportOptions === undefined || tls === undefined) return undefined;
  const { hostname = "localhost", secure, port = secure ? "443" : "80" } = options;
  return {
    url: `${secure ? "https" : "http"}://${bracketed(hostname)}:${port}`,
    autoUnref: options.autoUnref === true,
    options: {
      transports,
      rememberUpgrade: options.rememberUpgrade === true,
      path: options.path ?? "/engine.io",
      addTrailingSlash: options.addTrailingSlash !== false,
      upgrade: options.upgrade !== false,
      tryAllTransports: options.tryAllTransports === true,
      // Kept for this connection only, as engine.io-client has it.
      cookies: options.withCredentials === true,
      query: pairs(options.query),
      extraHeaders: pairs(options.extraHeaders),
      transportOptions,
      timestampRequests: options.timestampRequests ?? null,
      timestampParam: options.timestampParam ?? "t",
      protocols: options.protocols === undefined ? [] : [options.protocols].flat(),
      // The Manager looks at the clock.
      timeout: null,
      requestTimeout: options.requestTimeout || null,
      maxPayload: options.maxPayload ?? null,
      localAddress: options.localAddress ?? null,
      family: options.family || null,
      // A program names its proxy by an agent.
      proxy: null,
      tls: secure ? tls : null,
    },
  };
}

/** Their names. Undefined if there is a class among them that is the program's own. */
function transportsOf({ transports, transportImplementations }: Given): string[] | undefined {
  const given: (string | TransportCtor)[] = transportImplementations ?? transports ?? ["polling", "websocket"];
  const names: string[] = [];
  for (const each of given) {
    const name = typeof each === "function" ? nameOfClass(each) : each;
    if (name === undefined || given.length === 0) return undefined;
    if (name === "polling" || name === "websocket") names.push(name);
    else if (name !== "webtransport") throw new Error(`ferrio/client knows no transport of the name ${String(name)}`);
    // Browsers and others that have it; in Node there is none, and engine.io-client goes on without.
    else if (typeof (globalThis as any).WebTransport === "function") return undefined;
  }
  return names.length === 0 ? undefined : names;
}

/** The name of one of engine.io-client's own classes. */
function nameOfClass(transport: TransportCtor): string | undefined {
  const { Fetch, NodeXHR, XHR, NodeWebSocket, WebSocket, WebTransport } = require("engine.io-client");
  if (![Fetch, NodeXHR, XHR, NodeWebSocket, WebSocket, WebTransport].includes(transport)) return undefined;
  return transport.prototype.name;
}

/** The options of single transports: their headers replace all others. */
function ofTransports({ transportOptions, origin, extraHeaders }: Given): object | undefined {
  const all: Record<string, Record<string, unknown>> = {};
  for (const [name, own] of Object.entries((transportOptions ?? {}) as Record<string, Given>)) {
    if (name !== "polling" && name !== "websocket") continue;
    if (Object.keys(own).some((key) => !OWN_OF_TRANSPORT.includes(key))) return undefined;
    all[name] = {
      ...(own.path !== undefined && { path: own.path }),
      ...(own.query !== undefined && { query: pairs(own.query) }),
      ...(own.extraHeaders !== undefined && { extraHeaders: pairs(own.extraHeaders) }),
    };
  }
  const addHeader = (transport: string, name: string, value: unknown) => {
    const headers = (all[transport]?.extraHeaders as [string, string][] | undefined) ?? pairs(extraHeaders);
    if (headers.some(([other]) => other.toLowerCase() === name)) return;
    all[transport] = { ...all[transport], extraHeaders: [...headers, [name, String(value)]] };
  };
  addHeader("polling", "accept", "*/*");
  if (origin !== undefined) addHeader("websocket", "origin", origin);
  return all;
}

/** Pairs of texts: of a query or of headers, whose values may be lists. */
function pairs(values: string | Record<string, any> | undefined): [string, string][] {
  const given = typeof values === "string" ? decodeQuery(values) : (values ?? {});
  return Object.entries(given).map(([name, value]) => [name, String(value)]);
}

/** Undefined if the engine cannot read it. */
function tlsOf(options: Given): object | undefined {
  const { ca, cert, key, passphrase, rejectUnauthorized, servername, hostname = "localhost" } = options;
  try {
    const authorities = ca === undefined || ca === null ? undefined : [ca].flat().map(certificate);
    return {
      ca: authorities ?? extraAuthorities() ?? null,
      // OpenSSL takes a certificate that is its own authority for one that has none: so do programs for their tests.
      pinned: authorities?.filter((pem) => isOf(pem, servername ?? hostname)) ?? null,
      cert: cert === undefined ? null : [cert].flat().map(certificate).join("\n"),
      key: key === undefined ? null : plainKey(key, passphrase),
      rejectUnauthorized: rejectUnauthorized !== false,
      serverName: servername ?? null,
    };
  } catch {
    return undefined;
  }
}

function certificate(given: string | Uint8Array): string {
  const text = Buffer.from(given as any).toString("latin1");
  return text.includes("-----BEGIN") ? text : new X509Certificate(given).toString();
}

/** Whether a server of this name may show the certificate, now. */
function isOf(pem: string, host: string): boolean {
  const known = new X509Certificate(pem);
  const named = isIP(host) === 0 ? known.checkHost(host) : known.checkIP(host);
  return named !== undefined && Date.parse(known.validFrom) <= Date.now() && Date.now() <= Date.parse(known.validTo);
}

/** The engine knows no encrypted keys. */
function plainKey(key: string | Buffer, passphrase: string | undefined): string {
  if (passphrase === undefined) return String(key);
  return createPrivateKey({ key, passphrase }).export({ type: "pkcs8", format: "pem" }) as string;
}

/** What Node trusts besides its own list: NODE_EXTRA_CA_CERTS. */
function extraAuthorities(): string[] | undefined {
  const path = process.env.NODE_EXTRA_CA_CERTS;
  return path === undefined ? undefined : [...rootCertificates, readFileSync(path, "latin1")];
}
