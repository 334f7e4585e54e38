// Attached to https, and to http2 that speaks HTTP/1.1 as well.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2, createSecureServer } from "node:http2";
import { createServer } from "node:https";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import { answer, event, print, settled, until } from "./support.mjs";

const pem = (name) => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url));
const identity = { key: pem("key"), cert: pem("cert") };
const P = "/socket.io/?EIO=4&transport=polling";

for (const [title, make] of Object.entries({
  https: () => createServer(identity, (_, res) => res.end("page")),
  http2: () => createSecureServer({ ...identity, allowHTTP1: true }, (_, res) => res.end("page")),
})) {
  print(title);
  const server = make();
  const io = new Server(server, { cors: { origin: "https://a" } });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `https://localhost:${server.address().port}`;
  const connected = [];
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    const joined = event(io, "connection");
    const client = connect(url, { transports, forceNew: true, reconnection: false, rejectUnauthorized: false });
    connected.push(client);
    await event(client, "connect");
    const [socket] = await joined;
    if (transports.length > 1) await until(() => socket.conn.upgraded);
    const { secure, xdomain, url: path } = socket.handshake;
    print(transports, "secure:", secure, xdomain, path.startsWith("/socket.io/"), socket.request.httpVersion);
    print(
      socket.conn.transport.name,
      socket.request.socket.encrypted,
      socket.conn.remoteAddress.replace("::ffff:", ""),
    );
    socket.on("echo", (value, done) => done(value));
    const long = "ü".repeat(50_000);
    const bytes = Buffer.alloc(50_000, 7);
    print((await answer((done) => client.emit("echo", long, done)))[0] === long);
    print(Buffer.from((await answer((done) => client.emit("echo", bytes, done)))[0]).equals(bytes));
    await settled(client, socket);
  }
  const heard = connected.map((client) => event(client, "all"));
  io.emit("all", title);
  print(await Promise.all(heard));
  if (title === "http2") await overHttp2(url, io);
  const gone = connected.map((client) => event(client, "disconnect"));
  io.disconnectSockets();
  print((await Promise.all(gone)).flat());
  await until(() => io.engine.clientsCount === 0);
  server.closeAllConnections?.();
  await io.close();
  print("closed", server.listening);
}

/** A polling session by streams of HTTP/2. */
async function overHttp2(url, io) {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  const ask = async (path, { method = "GET", body, ...headers } = {}) => {
    const stream = session.request({ ":path": path, ":method": method, ...headers });
    stream.end(body);
    const [head] = await event(stream, "response");
    let text = "";
    for await (const chunk of stream) text += chunk;
    return { status: head[":status"], type: head["content-type"], allowed: head["access-control-allow-origin"], text };
  };
  const joined = event(io, "connection");
  const { text, ...opened } = await ask(P, { origin: "https://a" });
  print(opened);
  const path = `${P}&sid=${JSON.parse(text.slice(1)).sid}`;
  print(await ask(path, { method: "POST", body: "40" }));
  print((await ask(path)).text.replace(/"[\w-]{20}"/, '"…"'));
  const [socket] = await joined;
  print("HTTP", socket.request.httpVersion, "secure:", socket.handshake.secure, socket.handshake.headers.origin);
  const said = event(socket, "say");
  print((await ask(path, { method: "POST", body: '42["say",1]' })).text, ...(await said));
  socket.emit("hello", "x".repeat(3000));
  print((await ask(path)).text.length);
  print(await ask("/socket.io/?EIO=4&transport=tcp"), await ask(`${P}&sid=nobody`), await ask("/other"));
  const over = event(socket, "disconnect");
  print((await ask(path, { method: "POST", body: "41" })).text, ...(await over));
  await ask(path, { method: "POST", body: "1" });
  session.destroy();
}
