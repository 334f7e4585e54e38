// `io.engine`: middlewares, refusals and headers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ask, openPoll, POLL, raw, upgradeRequest, WEBSOCKET } from "./http.mjs";
import { event, start } from "./support.mjs";

/** A WebSocket of the server: its 101, or how it was refused. */
async function upgrade(t, server, path = WEBSOCKET, headers = {}) {
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers });
  t.after(() => ws.terminate());
  ws.on("error", () => {});
  const refused = event(ws, "error").then(([error]) => ({ error: error.message }));
  return Promise.race([event(ws, "upgrade").then(([res]) => ({ ws, headers: res.headers })), refused]);
}

/** Collects `connection_error`s. */
function errors(server) {
  const all = [];
  server.io.engine.on("connection_error", ({ req, code, message, context, ...more }) => {
    assert.deepEqual(more, {});
    assert.equal(typeof req.url, "string");
    all.push({ code, message, context });
  });
  return all;
}

test("every refusal of a request says why", async (t) => {
  const server = await start(t);
  const all = errors(server);
  const { path } = await openPoll(server);
  for (const [target, options, code, message, context] of [
    ["/socket.io/?EIO=4", {}, 0, "Transport unknown", { transport: undefined }],
    ["/socket.io/?EIO=4&transport=tcp", {}, 0, "Transport unknown", { transport: "tcp" }],
    [`${POLL}&sid=nobody`, {}, 1, "Session ID unknown", { sid: "nobody" }],
    [POLL, { method: "PUT" }, 2, "Bad handshake method", { method: "PUT" }],
    [WEBSOCKET, {}, 3, "Bad request", { name: "TRANSPORT_HANDSHAKE_ERROR" }],
    [
      path.replace("polling", "websocket"),
      {},
      3,
      "Bad request",
      { name: "TRANSPORT_MISMATCH", transport: "websocket", previousTransport: "polling" },
    ],
    [
      path.replace("EIO=4", "EIO=3"),
      {},
      3,
      "Bad request",
      { name: "PROTOCOL_MISMATCH", protocol: 3, previousProtocol: 4 },
    ],
    ["/socket.io/?EIO=3&transport=polling", {}, 5, "Unsupported protocol version", { protocol: 3 }],
    ["/socket.io/?transport=polling", {}, 5, "Unsupported protocol version", { protocol: 3 }],
  ]) {
    const { status, headers, text } = await ask(server, target, options);
    assert.deepEqual([status, JSON.parse(text)], [400, { code, message }], target);
    assert.equal(headers["content-type"], "application/json");
    assert.deepEqual(all.splice(0), [{ code, message, context }]);
  }
});

test("every refusal of an upgrade says why", async (t) => {
  const server = await start(t, {
    allowRequest: (req, done) => done(req.headers["x-no"] === "why" ? "because" : null, !req.headers["x-no"]),
  });
  const all = errors(server);
  const { path } = await openPoll(server);
  for (const [target, more, code, message, context, body = message] of [
    ["/socket.io/?EIO=4&transport=tcp", "", 0, "Transport unknown", { transport: "tcp" }],
    [`${WEBSOCKET}&sid=nobody`, "", 1, "Session ID unknown", { sid: "nobody" }],
    [
      path.replace("EIO=4", "EIO=3").replace("polling", "websocket"),
      "",
      3,
      "Bad request",
      { name: "PROTOCOL_MISMATCH", protocol: 3, previousProtocol: 4 },
    ],
    [WEBSOCKET, "X-No: why\r\n", 4, "Forbidden", { message: "because" }, "because"],
    [WEBSOCKET, "X-No: 1\r\n", 4, "Forbidden", { message: null }],
  ]) {
    const answer = await raw(server, upgradeRequest(target, more));
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.equal(answer.slice(answer.indexOf("\r\n\r\n") + 4), body);
    assert.deepEqual(all.splice(0), [{ code, message, context }]);
  }
});

test("an Origin that no header may hold is refused, and not shown to anybody else", async (t) => {
  const server = await start(t);
  const refused = event(server.io.engine, "connection_error");
  const answer = await raw(server, `GET ${POLL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: a\x7fb\r\n\r\n`);
  // Node's own parser may be the first to refuse it.
  if (answer.includes("Bad request")) {
    const [{ code, context, req }] = await refused;
    assert.deepEqual([code, context, req.headers.origin], [3, { name: "INVALID_ORIGIN", origin: "a\x7fb" }, null]);
  } else {
    assert.match(answer, /^HTTP\/1\.1 400/);
  }
});

test("allowRequest: asked after the checks of a handshake and before the revision", async (t) => {
  const asked = [];
  const server = await start(t, {
    allowRequest(req, done) {
      asked.push(req.method);
      const ok = !req.headers["x-no"];
      done(ok ? undefined : "no", ok);
    },
  });
  const all = errors(server);
  await ask(server, POLL, { method: "POST", body: "x" });
  await ask(server, WEBSOCKET);
  assert.deepEqual(asked, []);
  const both = await ask(server, "/socket.io/?EIO=3&transport=polling", { headers: { "x-no": "1" } });
  assert.deepEqual([both.status, JSON.parse(both.text)], [403, { code: 4, message: "no" }]);
  assert.deepEqual(
    all.map(({ code }) => code),
    [2, 3, 4],
  );
});

test("middlewares run in order, may be async, and what comes after them waits", async (t) => {
  const server = await start(t);
  const seen = [];
  server.io.engine.use((_req, _res, next) => {
    seen.push(1);
    setImmediate(next);
  });
  server.io.engine.use(async (_req, _res, next) => {
    await null;
    seen.push(2);
    next();
    next(new Error("too late"));
    throw new Error("too late");
  });
  server.io.engine.use((req, _res, next) => {
    seen.push(3);
    req.note = "noted";
    next();
  });
  const opened = event(server.io.engine, "connection");
  assert.equal((await ask(server, POLL)).status, 200);
  assert.equal((await opened)[0].request.note, "noted");
  assert.ok((await upgrade(t, server)).ws);
  assert.deepEqual(seen, [1, 2, 3, 1, 2, 3]);
});

test("a middleware that fails is a bad request, however it fails", async (t) => {
  const server = await start(t);
  const all = errors(server);
  server.io.engine.use((req, res, next) => {
    switch (req.headers["x-fail"]) {
      case "next":
        return next(new Error("no"));
      case "throw":
        throw new Error("no");
      case "reject":
        return Promise.reject(new Error("no"));
      case "late":
        res.writeHead(418);
        return next(new Error("no"));
    }
    return next();
  });
  const failure = { code: 3, message: "Bad request", context: { name: "MIDDLEWARE_FAILURE" } };
  for (const how of ["next", "throw", "reject"]) {
    const { status, text } = await ask(server, "/socket.io/?transport=tcp", { headers: { "x-fail": how } });
    assert.deepEqual([status, JSON.parse(text)], [400, { code: 3, message: "Bad request" }]);
    assert.match(await raw(server, upgradeRequest(WEBSOCKET, `X-Fail: ${how}\r\n`)), /^HTTP\/1.1 400 .*Bad request$/s);
    assert.deepEqual(all.splice(0), [failure, failure]);
  }
  const { status, text } = await ask(server, POLL, { headers: { "x-fail": "late" } });
  assert.deepEqual([status, text], [418, ""]);
  assert.deepEqual(all, [failure]);
});

test("a WebSocket handshake that is none is refused, and no 101 is told of", async (t) => {
  const server = await start(t);
  for (const name of ["initial_headers", "headers", "connection_error"]) {
    server.io.engine.on(name, () => assert.fail(name));
  }
  const good = upgradeRequest(WEBSOCKET);
  for (const [bad, answer] of [
    [good.replace(/Sec-WebSocket-Key: .*\r\n/, ""), "Missing or invalid Sec-WebSocket-Key header"],
    [good.replace("Version: 13", "Version: 5"), "Missing or invalid Sec-WebSocket-Version header"],
    [good.replace("Upgrade: websocket", "Upgrade: h2c"), "Invalid Upgrade header"],
  ]) {
    const text = await raw(server, bad);
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.ok(text.endsWith(answer), text);
  }
});

test("a middleware may answer itself", async (t) => {
  const server = await start(t);
  const events = [];
  server.io.engine.use((req, res, next) => {
    if (req.headers["x-mine"] === undefined) return next();
    for (const name of ["finish", "close"]) res.on(name, () => events.push(name));
    res.end("mine");
  });
  const { status, text } = await ask(server, POLL, { headers: { "x-mine": "1" } });
  assert.deepEqual([status, text], [200, "mine"]);
  events.length = 0;
  const closed = new Promise((resolve) => server.http.once("connection", (socket) => socket.on("close", resolve)));
  assert.equal(await raw(server, upgradeRequest(WEBSOCKET, "X-Mine: 1\r\n")), "");
  await closed;
  assert.deepEqual(events, ["finish", "close"]);
});

test("the response of an upgrade: headers for the 101, and a close at the end", async (t) => {
  const server = await start(t);
  let closed;
  server.io.engine.use((_req, res, next) => {
    res.setHeader("X-One", "1");
    res.setHeader("X-List", ["a", "b"]);
    res.setHeader("X-Gone", "1");
    assert.equal(res.getHeader("X-One"), "1");
    res.removeHeader("X-Gone");
    res.write("nothing");
    res.writeHead(200);
    closed = event(res, "close");
    next();
  });
  const { ws, headers } = await upgrade(t, server);
  assert.deepEqual([headers["x-one"], headers["x-list"], headers["x-gone"]], ["1", "a,b", undefined]);
  ws.terminate();
  await closed;
});

test("the headers of an answer, by the names and in the form the original gives them", async (t) => {
  const server = await start(t, { cookie: true });
  const all = [];
  server.io.engine.on("initial_headers", (headers, req) => {
    all.push(["initial", req.method, Object.keys(headers).sort()]);
    headers["X-Set"] = ["1", "2"];
  });
  server.io.engine.on("headers", (headers, req) => all.push(["every", req.method, { ...headers }]));
  const { rawHeaders } = await ask(server, POLL);
  assert.deepEqual(
    rawHeaders.filter((name) => name === "X-Set"),
    ["X-Set", "X-Set"],
  );
  const [initial, first] = all.splice(0);
  assert.deepEqual(initial, ["initial", "GET", ["Content-Length", "Content-Type", "Set-Cookie", "cache-control"]]);
  assert.equal(first[2]["Content-Type"], "text/plain; charset=UTF-8");
  const sid = server.io.engine.clientsCount === 1 && Object.keys(server.io.engine.clients)[0];
  await ask(server, `${POLL}&sid=${sid}`, { method: "POST", body: "40" });
  assert.deepEqual(
    all.map(([kind, method, headers]) => [kind, method, Object.keys(headers).sort(), headers["Content-Type"]]),
    [["every", "POST", ["Content-Length", "Content-Type", "cache-control"], "text/html"]],
  );
  all.length = 0;
  await ask(server, `${POLL}&sid=nobody`);
  assert.deepEqual(all, []); // none for a refusal
});

test("the original's tables", async (t) => {
  const { io } = await start(t, { maxHttpBufferSize: 5 });
  assert.deepEqual(io.engine.constructor.errors, {
    UNKNOWN_TRANSPORT: 0,
    UNKNOWN_SID: 1,
    BAD_HANDSHAKE_METHOD: 2,
    BAD_REQUEST: 3,
    FORBIDDEN: 4,
    UNSUPPORTED_PROTOCOL_VERSION: 5,
  });
  assert.equal(io.engine.constructor.errorMessages[5], "Unsupported protocol version");
  const { pingInterval, pingTimeout, upgradeTimeout, maxHttpBufferSize, transports, allowUpgrades, httpCompression } =
    io.engine.opts;
  assert.deepEqual(
    { pingInterval, pingTimeout, upgradeTimeout, maxHttpBufferSize, transports, allowUpgrades, httpCompression },
    {
      pingInterval: 25000,
      pingTimeout: 20000,
      upgradeTimeout: 10000,
      maxHttpBufferSize: 5,
      transports: ["polling", "websocket"],
      allowUpgrades: true,
      httpCompression: { threshold: 1024 },
    },
  );
  assert.ok(io.engine.upgrades("polling").includes("websocket"));
  assert.deepEqual(io.engine.upgrades("websocket"), []);
});

test("ids of the program's own: at once, later, or not at all", async (t) => {
  const server = await start(t);
  const { engine } = server.io;
  const all = errors(server);
  assert.match(await engine.generateId({}), /^[\w-]{20}$/);
  let next = 0;
  engine.generateId = (req) => {
    switch (req.headers["x-id"]) {
      case "later":
        return Promise.resolve(`later-${next++}`);
      case "none":
        return Promise.reject(new Error("no more"));
      case "throw":
        throw new Error("no more");
    }
    return `own-${next++}`;
  };
  assert.equal((await openPoll(server)).sid, "own-0");
  assert.ok(engine.clients["own-0"]);
  const later = await ask(server, POLL, { headers: { "x-id": "later" } });
  assert.equal(JSON.parse(later.text.slice(1)).sid, "later-1");
  const { path } = { path: `${POLL}&sid=later-1` };
  assert.equal((await ask(server, path, { method: "POST", body: "40" })).text, "ok");
  const opened = event(engine, "connection");
  assert.ok((await upgrade(t, server)).ws);
  assert.equal((await opened)[0].id, "own-2");
  for (const how of ["none", "throw"]) {
    const { status, text } = await ask(server, POLL, { headers: { "x-id": how } });
    assert.deepEqual([status, JSON.parse(text)], [400, { code: 3, message: "Bad request" }]);
    const [{ code, context }] = all.splice(0);
    assert.deepEqual([code, context.name, context.error.message], [3, "ID_GENERATION_ERROR", "no more"]);
  }
});
