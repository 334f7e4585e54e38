// The client's bundles: which there are, their headers, what is compressed, when they are not modified.
import { createHash } from "node:crypto";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { print, start } from "./support.mjs";

const server = await start();
const plain = (bytes, encoding) => {
  if (encoding === "br") return brotliDecompressSync(bytes);
  if (encoding === "gzip") return gunzipSync(bytes);
  return encoding === "deflate" ? inflateSync(bytes) : bytes;
};
const show = ({ status, headers, bytes }) => [
  status,
  headers["content-type"],
  headers["content-encoding"],
  headers["cache-control"],
  headers.etag,
  headers.vary,
  createHash("sha256").update(plain(bytes, headers["content-encoding"])).digest("hex").slice(0, 12),
];
for (const name of [
  "socket.io.js",
  "socket.io.js.map",
  "socket.io.min.js",
  "socket.io.min.js.map",
  "socket.io.msgpack.min.js",
  "socket.io.msgpack.min.js.map",
  "socket.io.esm.min.js",
  "socket.io.esm.min.js.map",
]) {
  print(name, ...show(await server.get(`/socket.io/${name}`)));
}
for (const name of [
  "socket.io.esm.js",
  "socket.io.msgpack.js",
  "other.js",
  "../package.json",
  "socket.io.min.js?v=1",
  "socket.io.min.js/x",
  "xsocket.io.js",
]) {
  const { status, headers } = await server.get(`/socket.io/${name}`);
  print(name, status, headers["content-type"]);
}
for (const encoding of [
  "gzip",
  "br",
  "deflate",
  "gzip, deflate, br",
  "gzip;q=1, br;q=0.5",
  "identity",
  "*",
  "br;q=0, gzip",
  "unknown",
  "",
]) {
  print(
    JSON.stringify(encoding),
    ...show(await server.get("/socket.io/socket.io.min.js", { headers: { "accept-encoding": encoding } })),
  );
}
const { headers } = await server.get("/socket.io/socket.io.js");
for (const value of [headers.etag, `W/${headers.etag}`, '"other"', "*"]) {
  const { status, headers, bytes } = await server.get("/socket.io/socket.io.js", {
    headers: { "if-none-match": value },
  });
  print("if-none-match", value, status, bytes.length > 0, headers.etag);
}
for (const method of ["HEAD", "POST"]) {
  const { status } = await server.get("/socket.io/socket.io.js", { method });
  print(method, status);
}
await server.close();

for (const options of [{ serveClient: false }, { path: "/my" }, { serveClient: undefined }]) {
  const other = await start(options);
  print(
    options,
    other.io.serveClient(),
    (await other.get("/socket.io/socket.io.js")).status,
    (await other.get("/my/socket.io.js")).status,
  );
  await other.close();
}
