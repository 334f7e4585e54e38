// Beside the frameworks it is used with: each of them twice, here and with socket.io.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import Module, { createRequire } from "node:module";
import { test } from "node:test";
import express from "express";
import session from "express-session";
import Fastify from "fastify";
import helmet from "helmet";
import Koa from "koa";
import passport from "passport";
import { io as connect } from "socket.io-client";
import { ask, POLL } from "./http.mjs";
import { event, Server, settled, sio } from "./support.mjs";

const require = createRequire(import.meta.url);

/** A connected client of `io`, over `transport`, and its socket. */
async function join(t, io, port, transport, options = {}) {
  const accepted = event(io, "connection");
  const client = connect(`http://localhost:${port}`, {
    transports: [transport],
    forceNew: true,
    reconnection: false,
    ...options,
  });
  t.after(() => client.disconnect());
  await event(client, "connect");
  const [socket] = await accepted;
  await settled(client, socket);
  return { client, socket };
}

const TRANSPORTS = ["polling", "websocket"];

/** Socket.IO works on `http`, and `own` is still the program's. */
async function sharesServer(t, io, http, own, transports = TRANSPORTS) {
  const { port } = http.address();
  for (const transport of transports) await join(t, io, port, transport);
  assert.equal((await ask({ port }, "/own")).text, own);
  assert.match((await ask({ port }, "/socket.io/socket.io.js")).text, /Socket\.IO/);
}

test("Express: routes beside it, io in a route", async (t) => {
  const app = express();
  const http = createServer(app);
  const io = new Server(http);
  app.set("io", io);
  app.get("/own", (req, res) => {
    req.app.get("io").emit("visited");
    res.send("express");
  });
  await once(http.listen(0), "listening");
  t.after(() => io.close());
  const { client } = await join(t, io, http.address().port, "websocket");
  const visited = event(client, "visited");
  await sharesServer(t, io, http, "express");
  await visited;
});

test("Koa", async (t) => {
  const app = new Koa();
  app.use((context) => {
    context.body = "koa";
  });
  const http = createServer(app.callback());
  const io = new Server(http);
  await once(http.listen(0), "listening");
  t.after(() => io.close());
  await sharesServer(t, io, http, "koa");
});

test("Fastify: as a plugin, closed with the application", async (t) => {
  const app = Fastify();
  app.decorate("io", new Server(app.server));
  app.addHook("preClose", (done) => {
    app.io.local.disconnectSockets(true);
    done();
  });
  app.addHook("onClose", (_, done) => {
    app.io.close();
    done();
  });
  app.get("/own", () => "fastify");
  await app.listen({ port: 0, host: "localhost" });
  const { client, socket } = await join(t, app.io, app.server.address().port, "websocket");
  await sharesServer(t, app.io, app.server, "fastify", ["websocket"]);
  const gone = Promise.all([event(client, "disconnect"), event(socket, "disconnect")]);
  await app.close();
  assert.deepEqual(
    (await gone).map(([reason]) => reason),
    ["io server disconnect", "server namespace disconnect"],
  );
});

test("NestJS: gateways through IoAdapter, with the package under another name", async (t) => {
  // What an alias in package.json ("socket.io": "npm:ferrio") does.
  const load = Module._load;
  Module._load = function (name, ...rest) {
    return name === "socket.io" ? sio : load.call(this, name, ...rest);
  };
  t.after(() => {
    Module._load = load;
  });
  require("reflect-metadata");
  const { Module: NestModule } = require("@nestjs/common");
  const { NestFactory } = require("@nestjs/core");
  const { IoAdapter } = require("@nestjs/platform-socket.io");
  const websockets = require("@nestjs/websockets");
  const { map, of } = require("rxjs");

  const log = [];
  const left = new EventEmitter();
  class Gateway {
    afterInit(server) {
      log.push(["init", server instanceof sio.Namespace || server instanceof sio.Server]);
    }
    handleConnection(socket) {
      log.push(["connected", socket.nsp.name]);
    }
    handleDisconnect(socket) {
      log.push(["disconnected", socket.nsp.name]);
      left.emit("one");
    }
    sum(numbers) {
      return numbers.reduce((sum, number) => sum + number, 0);
    }
    count(to, socket) {
      log.push(["count", socket.connected]);
      return of(...Array.from({ length: to }, (_, n) => n)).pipe(map((data) => ({ event: "counted", data })));
    }
    wrong() {
      throw new websockets.WsException("wrong");
    }
  }
  const method = (name, message, ...parameters) => {
    const { prototype } = Gateway;
    websockets.SubscribeMessage(message)(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
    for (const [index, decorate] of parameters.entries()) decorate()(prototype, name, index);
  };
  method("sum", "sum", websockets.MessageBody);
  method("count", "count", websockets.MessageBody, websockets.ConnectedSocket);
  method("wrong", "wrong");
  websockets.WebSocketServer()(Gateway.prototype, "server");
  websockets.WebSocketGateway({ namespace: "sums", cors: { origin: "*" } })(Gateway);
  class App {}
  NestModule({ providers: [Gateway] })(App);

  const app = await NestFactory.create(App, { logger: false });
  app.useWebSocketAdapter(new IoAdapter(app));
  await app.listen(0);
  t.after(() => app.close());
  const { port } = app.getHttpServer().address();
  assert.ok(app.get(Gateway).server instanceof sio.Namespace);
  for (const transport of TRANSPORTS) {
    const client = connect(`http://localhost:${port}/sums`, { transports: [transport], forceNew: true });
    t.after(() => client.disconnect());
    await event(client, "connect");
    assert.equal(await client.emitWithAck("sum", [1, 2, 3]), 6);
    const counted = [];
    const three = new Promise((resolve) => client.on("counted", (n) => counted.push(n) === 3 && resolve()));
    client.emit("count", 3);
    await three;
    assert.deepEqual(counted, [0, 1, 2]);
    const failed = event(client, "exception");
    client.emit("wrong");
    assert.equal((await failed)[0].message, "wrong");
    const gone = event(left, "one");
    client.disconnect();
    await gone;
  }
  const each = [
    ["connected", "/sums"],
    ["count", true],
    ["disconnected", "/sums"],
  ];
  assert.deepEqual(log, [["init", true], ...each, ...each]);
});

test("a service in the manner of Feathers: methods as events, results as acks, news to channels", async (t) => {
  const http = createServer();
  const io = new Server(http);
  const messages = [];
  const service = {
    create: async (data, { user }) => messages.push({ ...data, user }) && messages.at(-1),
    find: async () => messages,
  };
  io.use((socket, next) => {
    socket.feathers = { user: socket.handshake.auth.user, provider: "socketio", headers: socket.handshake.headers };
    next();
  });
  io.on("connection", (socket) => {
    socket.join("authenticated");
    for (const name of Object.keys(service)) {
      socket.on(name, (path, ...args) => {
        const done = args.pop();
        service[name](...args, socket.feathers).then(
          (result) => {
            done(null, result);
            if (name === "create") io.to("authenticated").emit(`${path} created`, result);
          },
          (error) => done({ message: error.message }),
        );
      });
    }
    socket.prependListener("find", () => socket.emit("log", "find"));
  });
  await once(http.listen(0), "listening");
  t.after(() => io.close());
  const { port } = http.address();
  const ada = (await join(t, io, port, "websocket", { auth: { user: "ada" } })).client;
  const bob = (await join(t, io, port, "polling", { auth: { user: "bob" } })).client;
  const news = Promise.all([event(ada, "messages created"), event(bob, "messages created")]);
  const answer = await new Promise((resolve) =>
    ada.emit("create", "messages", { text: "hi" }, (...all) => resolve(all)),
  );
  assert.deepEqual(answer, [null, { text: "hi", user: "ada" }]);
  assert.deepEqual(await news, [[answer[1]], [answer[1]]]);
  const logged = event(bob, "log");
  assert.deepEqual(await new Promise((resolve) => bob.emit("find", "messages", (_, all) => resolve(all))), [answer[1]]);
  await logged;
});

/** An Express application with sessions and a login, and the same middlewares at the engine. */
async function withSessions(t) {
  const app = express();
  const http = createServer(app);
  const io = new Server(http);
  const sessions = session({ secret: "secret", resave: false, saveUninitialized: true });
  const users = new passport.Passport();
  users.serializeUser((user, done) => done(null, user.name));
  users.deserializeUser((name, done) => done(null, { name }));
  app.use(sessions);
  app.use(users.session());
  app.post("/login", (req, res, next) => req.login({ name: "ada" }, (error) => (error ? next(error) : res.send("in"))));
  app.get("/count", (req, res) => res.json(req.session.count ?? 0));
  await once(http.listen(0), "listening");
  t.after(() => {
    http.closeAllConnections();
    return io.close();
  });
  return { http, io, sessions, users, port: http.address().port };
}

const cookie = ({ headers }) => headers["set-cookie"][0].split(";")[0];

test("express-session at the engine: the cookie of a new session, on a poll and on a 101", async (t) => {
  const { io, sessions, port } = await withSessions(t);
  io.engine.use(sessions);
  const polled = await ask({ port }, POLL);
  assert.match(cookie(polled), /^connect\.sid=/);
  const { WebSocket } = await import("ws");
  const ws = new WebSocket(`ws://localhost:${port}/socket.io/?EIO=4&transport=websocket`);
  t.after(() => ws.terminate());
  const [answer] = await event(ws, "upgrade");
  assert.match(cookie(answer), /^connect\.sid=/);
  assert.notEqual(cookie(answer), cookie(polled));
});

for (const transport of TRANSPORTS) {
  test(`express-session, passport and helmet at the engine, over ${transport}`, async (t) => {
    const { io, sessions, users, port } = await withSessions(t);
    const onlyForHandshake = (middleware) => (req, res, next) => {
      if (req._query.sid === undefined) middleware(req, res, next);
      else next();
    };
    io.engine.use(helmet());
    io.engine.use(onlyForHandshake(sessions));
    io.engine.use(onlyForHandshake(users.session()));
    io.engine.use(
      onlyForHandshake((req, res, next) => {
        if (req.user) return next();
        res.writeHead(401);
        res.end();
      }),
    );
    const refused = await ask({ port }, POLL);
    assert.equal(refused.status, 401);
    assert.equal(refused.headers["x-content-type-options"], "nosniff");

    const stranger = connect(`http://localhost:${port}`, {
      transports: [transport],
      reconnection: false,
      forceNew: true,
    });
    t.after(() => stranger.disconnect());
    await event(stranger, "connect_error");

    const login = await ask({ port }, "/login", { method: "POST" });
    assert.equal(login.text, "in");
    const extraHeaders = { cookie: cookie(login) };
    const { client, socket } = await join(t, io, port, transport, { extraHeaders });
    assert.deepEqual(socket.request.user, { name: "ada" });
    assert.equal(typeof socket.request.session.id, "string");
    socket.on("count", (done) => {
      const { session } = socket.request;
      session.count = (session.count ?? 0) + 1;
      session.save(done);
    });
    await client.emitWithAck("count");
    await client.emitWithAck("count");
    assert.equal((await ask({ port }, "/count", { headers: extraHeaders })).text, "2");
  });
}
