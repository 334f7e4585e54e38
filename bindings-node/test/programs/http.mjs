// The endpoint as an HTTP client sees it: refusals, headers, what belongs to the program, static files, CORS, cookies.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { event, get, journal, print, raw, serve, start } from "./support.mjs";

const P = "/socket.io/?EIO=4&transport=polling";
const brief = ({ status, headers, body }) => [
  status,
  headers["content-type"],
  body.replace(/"sid":"[\w-]{20}"/, '"sid":"…"'),
];
const cors = (headers) =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => /^(access-control-|vary$)/.test(name))
      .sort(),
  );

print("refusals");
const server = await start();
server.io.engine.on("connection_error", ({ req, code, message, context }) =>
  errors(req.method, req.url.replace(/sid=[\w-]{20}/, "sid=…"), code, message, context),
);
const errors = journal("connection_error");
for (const [method, path] of [
  ["GET", "/socket.io/?EIO=4&transport=foo"],
  ["GET", "/socket.io/?EIO=4"],
  ["GET", "/socket.io/"],
  ["POST", P],
  ["PUT", P],
  ["DELETE", P],
  ["OPTIONS", P],
  ["GET", `${P}&sid=zzz`],
  ["POST", `${P}&sid=zzz`],
  ["GET", "/socket.io/?EIO=3&transport=polling"],
  ["GET", "/socket.io/?transport=polling"],
  ["GET", "/socket.io/?EIO=5&transport=polling"],
  ["GET", "/socket.io/?EIO=4&transport=websocket"],
  ["GET", "/socket.io?EIO=4&transport=polling"],
  ["GET", "/socket.io/foo/?EIO=4&transport=polling"],
  ["GET", "/socket.iox/?EIO=4&transport=polling"],
  ["GET", "/other"],
  ["HEAD", "/other"],
]) {
  print(method, path, ...brief(await server.get(path, { method })));
}
const { body: opened } = await server.get(P);
const { sid } = JSON.parse(opened.slice(1));
print("sid:", sid.length, /^[\w-]{20}$/.test(sid));
print(
  "websocket of a polling session without an upgrade:",
  ...brief(await server.get(`/socket.io/?EIO=4&transport=websocket&sid=${sid}`)),
);
print("another revision:", ...brief(await server.get(`/socket.io/?EIO=3&transport=polling&sid=${sid}`)));
print("PUT with a sid:", ...brief(await server.get(`${P}&sid=${sid}`, { method: "PUT", body: "x" })));
print("upgrades");
for (const [query, headers] of [
  ["EIO=4&transport=websocket&sid=nope", {}],
  ["EIO=4&transport=foo", {}],
  ["EIO=3&transport=websocket", {}],
  ["transport=websocket", {}],
  ["EIO=4&transport=polling", {}],
]) {
  const { socket } = raw(`ws://127.0.0.1:${server.port}/socket.io/?${query}`, { headers });
  print(
    query,
    await Promise.race([
      event(socket, "error").then(([error]) => error.message),
      event(socket, "open").then(() => "open"),
    ]),
  );
}

print("headers of a polling session");
const all = await server.get(P);
const { date, ...headers } = all.headers;
print(
  Object.fromEntries(Object.entries(headers).sort()),
  Buffer.byteLength(all.body) === Number(headers["content-length"]),
  typeof date,
);
const post = await server.get(`${P}&sid=${JSON.parse(all.body.slice(1)).sid}`, {
  method: "POST",
  body: "40",
  headers: { "content-type": "text/plain;charset=UTF-8" },
});
print(post.status, post.headers["content-type"], post.headers["cache-control"], post.body);
const poll = await server.get(`${P}&sid=${JSON.parse(all.body.slice(1)).sid}`, { headers: { "user-agent": ";MSIE" } });
print(
  poll.status,
  poll.headers["content-type"],
  poll.headers["cache-control"],
  poll.headers["x-xss-protection"],
  poll.body.replace(/"[\w-]{20}"/, '"…"'),
);
await server.close();

print("other paths");
for (const options of [
  { path: "/my" },
  { path: "/my/" },
  { path: "/my/deep/path" },
  { path: "/my", addTrailingSlash: false },
  { path: "my" },
]) {
  const other = await start(options);
  print(options, "io.path():", other.io.path());
  for (const path of ["/my/", "/my", "/my/deep/path/", "/myx", "/socket.io/"])
    print(path, (await other.get(`${path}?EIO=4&transport=polling`)).status);
  await other.close();
}

print("listeners of the http server");
const http = createServer((req, res) => {
  log("before", req.url.split("?")[0]);
  res.end("mine");
});
const log = journal("request listeners");
const io = new Server(http);
http.on("request", (req) => log("after", req.url.split("?")[0]));
const shared = await serve(io, http);
print((await shared.get("/page")).body, (await shared.get(P)).status);
print(http.listenerCount("request"), http.listenerCount("upgrade"));
await shared.close();

print("cookies");
for (const cookie of [
  undefined,
  false,
  true,
  { name: "mine" },
  { name: "x", path: "/a", maxAge: 60, sameSite: "strict", httpOnly: false },
  { name: "y", domain: "a.example", secure: true, sameSite: "none" },
  { path: false },
]) {
  const other = await start({ cookie });
  const { headers, body } = await other.get(P);
  const { sid } = JSON.parse(body.slice(1));
  print(
    cookie,
    headers["set-cookie"]?.map((value) => value.replace(sid, "<sid>")),
  );
  const socket = other.raw();
  const [response] = await event(socket.socket, "upgrade");
  print("websocket:", response.headers["set-cookie"]);
  socket.close();
  const { headers: later } = await other.get(`${P}&sid=${sid}`, { method: "POST", body: "40" });
  print("a later request:", later["set-cookie"]);
  await other.close();
}

print("CORS");
for (const [title, option] of Object.entries({
  none: undefined,
  "an origin": { origin: "http://a.example" },
  any: { origin: "*" },
  "a list, credentials": { origin: ["http://a.example", "http://b.example"], credentials: true },
  "a pattern": {
    origin: /\.example$/,
    methods: ["GET", "POST"],
    allowedHeaders: ["x-a"],
    exposedHeaders: "x-b",
    maxAge: 5,
  },
  "a function": { origin: (origin, done) => done(null, origin === "http://a.example") },
  "a delegate": (req, done) =>
    done(null, { origin: req.headers.origin === "http://a.example" ? "http://a.example" : false }),
  reflected: { origin: true },
})) {
  const other = await start({ cors: option });
  for (const origin of ["http://a.example", "http://evil.test"]) {
    const request = { headers: { origin } };
    const preflight = await other.get(P, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-custom" },
    });
    const answer = await other.get(P, request);
    print(title, origin, preflight.status, cors(preflight.headers), answer.status, cors(answer.headers));
  }
  const bundle = await other.get("/socket.io/socket.io.min.js", { headers: { origin: "http://a.example" } });
  print(title, "bundle", bundle.status, cors(bundle.headers));
  const socket = raw(`ws://127.0.0.1:${other.port}/socket.io/?EIO=4&transport=websocket`, {
    headers: { origin: "http://evil.test" },
  });
  const [response] = await event(socket.socket, "upgrade");
  print(title, "websocket", response.statusCode, cors(response.headers));
  socket.close();
  await other.close();
}
void get;
