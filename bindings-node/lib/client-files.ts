/** The browser's bundles, `/socket.io/socket.io.js` and its kind, out of the `socket.io-client` package. */
import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream";
import { createBrotliCompress, createDeflate, createGzip } from "node:zlib";

const FILE = /^\/(socket\.io(?:\.msgpack|\.esm)?(?:\.min)?\.js(?:\.map)?)(?:\?.*)?$/;

/** The encodings we have. */
const ENCODERS = { br: createBrotliCompress, gzip: createGzip, deflate: createDeflate } as const;

const manifest = require.resolve("socket.io-client/package.json");
const { version } = require(manifest) as { version: string };

/** Which of the bundles there are: not every combination that {@link FILE} matches. */
const NAMES: ReadonlySet<string> = new Set(
  ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"].flatMap((name) => [
    name,
    `${name}.map`,
  ]),
);

/** Answers the request if it is for a bundle. */
export function serveClientFile(path: string, req: IncomingMessage, res: ServerResponse): boolean {
  const { url = "" } = req;
  if (!url.startsWith(path)) return false;
  const name = FILE.exec(url.slice(path.length))?.[1];
  if (name === undefined || !NAMES.has(name)) return false;

  const etag = `"${version}"`;
  res.setHeader("Cache-Control", "public, max-age=0");
  res.setHeader("Content-Type", `application/${name.endsWith(".map") ? "json" : "javascript"}; charset=utf-8`);
  res.setHeader("ETag", etag);
  const known = req.headers["if-none-match"];
  if (known === etag || known === `W/${etag}`) {
    res.writeHead(304);
    res.end();
    return true;
  }
  send(join(dirname(manifest), "dist", name), req, res);
  return true;
}

function send(file: string, req: IncomingMessage, res: ServerResponse): void {
  const encoding = chooseEncoding(String(req.headers["accept-encoding"] ?? ""));
  const source = createReadStream(file);
  // The head is out already when a read fails: all that is left is to end the connection, which pipeline does.
  const done = () => {};
  if (encoding === undefined) {
    res.writeHead(200);
    pipeline(source, res, done);
  } else {
    res.writeHead(200, { "Content-Encoding": encoding });
    pipeline(source, ENCODERS[encoding](), res, done);
  }
}

/** The encoding the client likes best of those we have; of several, the one it names first. */
function chooseEncoding(accepted: string): keyof typeof ENCODERS | undefined {
  let best: keyof typeof ENCODERS | undefined;
  let bestQuality = 0;
  for (const item of accepted.split(",")) {
    const [name, ...parameters] = item.split(";").map((part) => part.trim());
    const quality = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
    if (!Object.hasOwn(ENCODERS, name) || !(quality > bestQuality)) continue;
    best = name as keyof typeof ENCODERS;
    bestQuality = quality;
  }
  return best;
}
