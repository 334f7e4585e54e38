/** The browser's bundles, `/socket.io/socket.io.js` and its kind, out of the `socket.io-client` package. */

import { createReadStream } from "node:fs";
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream";
import { createBrotliCompress, createDeflate, createGzip } from "node:zlib";
import accepts from "accepts";
import cors from "cors";
import { intercept } from "./attach";
import * as debug from "./debug";

/** The encodings we have, the best first. */
const ENCODERS = { br: createBrotliCompress, gzip: createGzip, deflate: createDeflate } as const;

const manifest = require.resolve("socket.io-client/package.json");
const { version } = require(manifest) as { version: string };

const NAMES: ReadonlySet<string> = new Set(
  ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"].flatMap((name) => [
    name,
    `${name}.map`,
  ]),
);

/**
 * Serves the bundles on an http server, before anything else there.
 *
 * @param path - the path they lie under, now
 * @param corsOptions - as the `cors` package has them, if there are any
 * @internal
 */
export function serveClientFiles(server: HttpServer, path: () => string, corsOptions: unknown): void {
  const allow = corsOptions ? cors(corsOptions as any) : undefined;
  intercept(server, (req, res) => {
    const name = fileName(req.url ?? "", path());
    if (name === undefined) return false;
    if (allow) allow(req as any, res as any, () => serve(name, req, res));
    else serve(name, req, res);
    return true;
  });
}

function fileName(url: string, path: string): string | undefined {
  if (!url.startsWith(path)) return undefined;
  const [name] = url.slice(path.length + 1).split("?", 1);
  return NAMES.has(name) ? name : undefined;
}

function serve(name: string, req: IncomingMessage, res: ServerResponse): void {
  debug.server("bundle %s", name);
  const etag = `"${version}"`;
  const known = req.headers["if-none-match"];
  if (known === etag || known === `W/${etag}`) {
    res.writeHead(304);
    res.end();
    return;
  }
  res.setHeader("Cache-Control", "public, max-age=0");
  res.setHeader("Content-Type", `application/${name.endsWith(".map") ? "json" : "javascript"}; charset=utf-8`);
  res.setHeader("ETag", etag);
  send(join(dirname(manifest), "dist", name), req, res);
}

function send(file: string, req: IncomingMessage, res: ServerResponse): void {
  const encoding = accepts(req).encodings(Object.keys(ENCODERS)) as keyof typeof ENCODERS | "identity" | false;
  const source = createReadStream(file);
  // The head is out already when a read fails: all that is left is to end the connection, which pipeline does.
  const done = () => {};
  if (encoding === false || encoding === "identity") {
    res.writeHead(200);
    pipeline(source, res, done);
  } else {
    res.writeHead(200, { "Content-Encoding": encoding });
    pipeline(source, ENCODERS[encoding](), res, done);
  }
}
