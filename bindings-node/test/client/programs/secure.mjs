// TLS: authorities, refusal, the client's own certificate.
import { readFileSync } from "node:fs";
import { Agent, createServer } from "node:https";
import { fileURLToPath } from "node:url";
import { io as connect } from "socket.io-client";
import { event, print, start, until } from "./support.mjs";

const file = (name) => readFileSync(fileURLToPath(new URL(`tls/${name}`, import.meta.url)));
const [key, cert] = [file("key.pem"), file("cert.pem")];
const http = createServer({ key, cert, requestCert: true, rejectUnauthorized: false });
const server = await start({}, { http });
const url = `https://localhost:${server.port}`;
const seen = [];
let shown = false;
server.io.on("connection", ({ handshake: { secure, headers } }) => seen.push(secure, headers.host.split(":")[0]));
http.on("secureConnection", (socket) => {
  shown ||= Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
});

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  for (const [title, options] of [
    ["not trusted", {}],
    ["anybody is trusted", { rejectUnauthorized: false }],
    ["trusted", { ca: cert }],
    ["trusted, as text", { ca: cert.toString() }],
    ["trusted, in a list", { ca: [cert] }],
    ["with a certificate", { ca: cert, key, cert }],
    ["with a certificate, as text", { ca: cert, key: key.toString(), cert: cert.toString() }],
    ["an agent", { agent: new Agent({ ca: cert }) }],
  ]) {
    seen.length = 0;
    shown = false;
    const client = connect(url, { forceNew: true, reconnection: false, transports, ...options });
    const outcome = await Promise.race([
      event(client, "connect").then(() => "connected"),
      event(client, "connect_error").then(([error]) => `${error.message}, ${error.type}`),
    ]);
    print(transports.join("+"), title, "|", outcome, seen, shown);
    client.disconnect();
    await until(() => server.io.engine.clientsCount === 0);
  }
}
http.closeAllConnections?.();
await server.close();
