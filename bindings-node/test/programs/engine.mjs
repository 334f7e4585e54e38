// `io.engine`: middlewares before everything, ids of the program's own, headers of the answers, and its tables.
import { event, journal, print, settled, start, until } from "./support.mjs";

const P = "/socket.io/?EIO=4&transport=polling";
const server = await start({ cookie: { name: "c", path: "/p", sameSite: "lax" } });
const { io } = server;
const { engine } = io;
const log = journal("middlewares");
let round = "";
engine.use((req, res, next) => {
  log(round, "first", req.method, req._query === undefined, res.headersSent);
  res.setHeader("X-Every", "1");
  setImmediate(next);
});
engine.use((req, res, next) => {
  log(round, "second", req.method);
  req.passed = true;
  if (req.headers["x-answer"]) {
    res.writeHead(418, { "X-Own": "1" });
    return void res.end("a teapot");
  }
  next(req.headers["x-fail"] ? new Error("failed") : undefined);
});
const errors = journal("connection_error");
engine.on("connection_error", ({ req, code, message, context }) => errors(req.passed, code, message, context));

const show = ({ status, headers, body }) => [
  status,
  body.replace(/"sid":"[\w-]+"/, '"sid":"…"'),
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => /^(x-|set-cookie|content-type)/.test(name))
      .map(([name, value]) => [name, String(value).replace(/c=[\w-]{20}/, "c=…")])
      .sort(),
  ),
];
for (const [title, headers, path = P] of [
  ["handshake", {}],
  ["answered by a middleware", { "x-answer": "1" }],
  ["a middleware that fails", { "x-fail": "1" }],
  ["refused after them", {}, "/socket.io/?EIO=4&transport=tcp"],
  ["not ours", {}, "/other"],
]) {
  round = title;
  print(title, ...show(await server.get(path, { headers })));
}
round = "websocket";
for (const headers of [{}, { "x-fail": "1" }]) {
  const raw = server.raw("EIO=4&transport=websocket", { headers });
  print(
    "websocket",
    await Promise.race([
      event(raw.socket, "upgrade").then(([res]) => res.headers["x-every"]),
      event(raw.socket, "error").then(([error]) => error.message),
    ]),
  );
  raw.close();
}
round = "client";
const { client, socket } = await server.pair();
print("the request:", socket.request.passed, socket.conn.request === socket.request);
await settled(client, socket);
await server.close();

print("headers");
const second = await start();
const names = journal("names of headers, polling");
const of = (headers) =>
  Object.keys(headers)
    .map((name) => name.toLowerCase())
    .sort();
second.io.engine.on("initial_headers", (headers, req) => {
  if (req._query.transport === "polling") names("initial", req.method, of(headers));
  headers["X-First"] = req._query.transport;
  headers["Set-Cookie"] = ["one=1", "two=2"];
});
second.io.engine.on("headers", (headers, req) => {
  if (req._query.transport === "polling") names("every", req.method, of(headers));
  headers["X-Some"] = req.method;
});
const opened = await second.get(P);
print("handshake:", ...show(opened), opened.headers["set-cookie"]);
const { sid } = JSON.parse(opened.body.slice(1));
print("post:", ...show(await second.get(`${P}&sid=${sid}`, { method: "POST", body: "40" })));
const polled = await second.get(`${P}&sid=${sid}`);
print("poll:", polled.status, polled.headers["x-first"], polled.headers["x-some"]);
print("refused:", ...show(await second.get(`${P}&sid=nobody`)));
const raw = second.raw();
const [{ headers }] = await event(raw.socket, "upgrade");
print("websocket:", headers["x-first"], headers["x-some"], headers["set-cookie"]);
raw.close();
await until(() => second.io.engine.clientsCount === 1);
await second.close();

print("ids");
const third = await start();
const failures = journal("ids that fail");
third.io.engine.on("connection_error", ({ code, message, context }) =>
  failures(code, message, context.name, context.error?.message),
);
print("by itself:", /^[\w-]{20}$/.test(await third.io.engine.generateId({})));
let number = 0;
third.io.engine.generateId = (req) => {
  const wish = req.headers["x-id"];
  if (wish === "throw") throw new Error("none left");
  if (wish === "reject") return Promise.reject(new Error("none left"));
  return wish === "later" ? new Promise((resolve) => setImmediate(resolve, `later-${number++}`)) : `own-${number++}`;
};
for (const wish of ["", "later", "throw", "reject"]) {
  const { status, body } = await third.get(P, { headers: { "x-id": wish } });
  const { sid, code, message } = JSON.parse(body.replace(/^0/, ""));
  print(wish, status, sid, code, message, sid in third.io.engine.clients);
}
const own = await third.pair();
print("websocket:", own.client.io.engine.id, own.socket.conn.id, own.socket.id.length);
await settled(own.client, own.socket);
await third.close();
