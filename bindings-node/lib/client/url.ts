/** What `io()` makes of its URL: where to connect to, and the namespace. */
import * as debug from "./debug";

/** The longest URL that is read. */
const MAX_LENGTH = 8000;

/** A URL in its parts. */
export interface Url {
  /** The URL as it was given, or as it was completed from the page's address. */
  source: string;
  /** Without its colon; `undefined` as a text if there is none and no page to take it from. */
  protocol: string;
  /** The host, an IPv6 address without its brackets. */
  host: string;
  /** The port as text; empty if there is none and the protocol has no usual one. */
  port: string;
  /** The path, `/` if there is none: for `io()` the namespace. */
  path: string;
  /** What stands behind the question mark, as it is. */
  query: string;
  /** The query's values by name, not decoded. */
  queryKey: Record<string, string>;
}

/** What is read of a page's address. */
interface Page {
  protocol?: string;
  host?: string;
}

/** The parts of a URI as in RFC 3986, appendix B: scheme, authority, path, query. The authority is there without a scheme, too. */
const PARTS = /^(?:([^:/?#]+):\/\/)?([^/?#]*)([^?#]*)(?:\?([^#]*))?/;

/**
 * Splits a URL.
 *
 * @throws `"URI too long"`, a text, as the original does
 */
export function parse(source: string): Url {
  if (source.length > MAX_LENGTH) throw "URI too long";
  const [, protocol = "", authority = "", path = "", query = ""] = PARTS.exec(source)!;
  const { host, port } = splitAuthority(authority);
  return { source, protocol, host, port, path, query, queryKey: splitQuery(query) };
}

/**
 * Reads what `io()` was given. What is missing comes from the address of the page, where there is one; in Node there is none,
 * so a URL without a scheme names no host.
 *
 * @param path - the path of the requests, part of the id
 * @returns the parts, and the `id` that two URLs share whose sockets may share a connection
 */
export function read(uri: string | undefined, path: string): Url & { id: string } {
  const page: Page = (globalThis as { location?: Page }).location ?? {};
  let source = uri ?? `${page.protocol}//${page.host}`;
  if (source.startsWith("//")) source = page.protocol + source;
  else if (source.startsWith("/")) source = page.host + source;
  if (!/^(https?|wss?):\/\//.test(source)) source = `${page.protocol}//${source}`;
  debug.url("parse %s", source);
  const url = parse(source);
  url.port ||= usualPort(url.protocol);
  url.path ||= "/";
  const { protocol, host, port } = url;
  return { ...url, id: `${protocol}://${bracketed(host)}:${port}${path}` };
}

/** A host as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Pairs behind a question mark, decoded. */
export function decodeQuery(query: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const pair of query.split("&")) {
    const [name, value] = pair.split("=");
    values[decodeURIComponent(name)] = decodeURIComponent(value ?? "");
  }
  return values;
}

function usualPort(protocol: string): string {
  if (protocol === "http" || protocol === "ws") return "80";
  return protocol === "https" || protocol === "wss" ? "443" : "";
}

function splitAuthority(authority: string): { host: string; port: string } {
  const address = authority.slice(authority.lastIndexOf("@") + 1);
  const [, six, host = "", port = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(address) ?? [];
  return { host: six ?? host, port };
}

function splitQuery(query: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const pair of query.split("&")) {
    const at = pair.indexOf("=");
    const name = at < 0 ? pair : pair.slice(0, at);
    if (name !== "") values[name] = at < 0 ? "" : pair.slice(at + 1);
  }
  return values;
}
