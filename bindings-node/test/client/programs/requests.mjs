// What a server sees of the requests: query, headers, path, cookies, timestamps.
import { createServer } from "node:http";
import { io as connect } from "socket.io-client";
import { event, print, start, until } from "./support.mjs";

const http = createServer();
const server = await start({ cookie: false }, { http });
const seen = [];
const hide = (url) => url.replace(/([?&](?:t|sid|mine)=)[^&]+/g, "$1…");
for (const name of ["request", "upgrade"]) http.prependListener(name, (req) => seen.push([name, req]));

async function run(title, options, namespace = "/", url = server.url) {
  seen.length = 0;
  const client = connect(url + namespace, { forceNew: true, reconnection: false, ...options });
  await event(client, "connect");
  // Not what a client before it had still to say.
  const [name, req] = seen.find(([, { url }]) => !url.includes("sid="));
  const headers = Object.entries(req.headers).filter(([key]) =>
    /^x-|^cookie|^origin|^user-agent|subprotocol|^sec-websocket-protocol/.test(key),
  );
  print(
    title,
    "|",
    name,
    req.method,
    hide(req.url),
    "|",
    headers.filter(([key]) => key !== "user-agent"),
  );
  client.disconnect();
}

for (const transports of [["polling"], ["websocket"]]) {
  print("==", transports[0]);
  await run("plain", { transports });
  await run("query", { transports, query: { a: 1, b: "x y&=ü", c: null, d: undefined, e: [1, 2] } });
  await run("query in the URL", { transports }, "/?u=1&v=a%20b&w=&x");
  await run("query in both", { transports, query: { mine: 1 } }, "/?u=1");
  await run("headers", { transports, extraHeaders: { "x-One": "1", "x-two": "2, 3", cookie: "a=b" } });
  await run("headers of a transport", {
    transports,
    extraHeaders: { "x-all": "1" },
    transportOptions: { polling: { extraHeaders: { "x-polling": "1" } }, websocket: { extraHeaders: { "x-ws": "1" } } },
  });
  await run("timestamp by name", { transports, timestampParam: "mine", timestampRequests: true });
  await run("no timestamp", { transports, timestampRequests: false });
  await run("base64", { transports, forceBase64: true });
}
print("== later requests");
for (const transports of [["polling"]]) {
  seen.length = 0;
  const client = connect(server.url, {
    forceNew: true,
    reconnection: false,
    transports,
    extraHeaders: { "x-every": "1" },
  });
  await event(client, "connect");
  client.emit("hello", "ü", Buffer.from("x"));
  await until(() => seen.length >= 5);
  for (const method of ["GET", "POST"]) {
    const [, req] = seen.findLast(([, { method: its }]) => its === method);
    print(method, hide(req.url), req.headers["x-every"], req.headers["content-type"], req.headers.accept);
  }
  client.disconnect();
}
await server.close();

print("== paths");
for (const [path, options] of [
  ["/", {}],
  ["/mine", {}],
  ["/mine/", {}],
  ["/deep/er/path", {}],
  ["/mine", { addTrailingSlash: false }],
]) {
  const http = createServer();
  const server = await start({ path, ...options }, { http });
  let first;
  http.prependListener("request", (req) => {
    first ??= req;
  });
  const client = connect(server.url, {
    forceNew: true,
    reconnection: false,
    path,
    ...options,
    transports: ["polling"],
  });
  await event(client, "connect");
  print(path, options, client.io.opts.path, first.url.split("?")[0]);
  client.disconnect();
  await server.close();
}

print("== cookies");
for (const withCredentials of [false, true]) {
  const cookies = [];
  const server = await start({ cookie: { name: "mine", path: "/" } });
  server.io.engine.on("initial_headers", (headers) => {
    headers["set-cookie"] = ["first=1; Path=/", "short=2; Max-Age=100", "gone=3; Max-Age=0"];
  });
  server.io.engine.on("headers", (_, req) => cookies.push((req.headers.cookie ?? "").replace(/mine=[^;]+/, "mine=…")));
  const client = connect(server.url, { forceNew: true, reconnection: false, withCredentials, transports: ["polling"] });
  await event(client, "connect");
  client.emit("x");
  await until(() => cookies.length >= 3);
  print(withCredentials, cookies[0], "|", cookies.at(-1).split("; ").sort());
  client.disconnect();
  await server.close();
}
