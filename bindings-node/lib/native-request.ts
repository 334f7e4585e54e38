/** The first request of a session on a port of the engine's own. */
import type { IncomingHttpHeaders } from "node:http";

/** A request that never came to Node: what handshakes, and programs that look at them, need of it. @internal */
export class NativeRequest {
  readonly httpVersion = "1.1";
  readonly headers: IncomingHttpHeaders = {};
  readonly rawHeaders: string[];
  readonly socket: { readonly remoteAddress: string; readonly encrypted: boolean };

  constructor(
    readonly method: string,
    readonly url: string,
    remoteAddress: string,
    encrypted: boolean,
    rawHeaders: string[],
  ) {
    this.rawHeaders = rawHeaders;
    this.socket = { remoteAddress, encrypted };
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const [name, value] = [rawHeaders[i], rawHeaders[i + 1]];
      const before = this.headers[name];
      this.headers[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
    }
  }

  /** As old programs call it. */
  get connection(): this["socket"] {
    return this.socket;
  }
}
