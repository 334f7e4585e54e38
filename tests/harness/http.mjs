// HTTP requests as the scenarios write them, and bare TCP for those no HTTP client would send.
import { request } from "node:http";
import { connect } from "node:net";

/** Where a server is: a port of this machine, or `{host, port}`, with the `localAddress` one comes from. */
export function place(at) {
  return typeof at === "number" ? { host: "127.0.0.1", port: at } : at;
}

/** Sends a request on a connection of its own. Gives `{answer, abort}`; the answer is `{status, headers, body}`. */
export function send(at, method, path, { headers = {}, body } = {}) {
  let running;
  const answer = new Promise((resolve) => {
    // Content-Length is what a browser sends; without it node would answer with chunks, which Python's original ignores.
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    running = request({ ...place(at), method, path, agent: false, headers: { connection: "close", ...length, ...headers } });
    running.on("response", (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
      response.on("error", (error) => resolve({ status: 0, headers: {}, body: Buffer.alloc(0), error: error.code }));
    });
    running.on("error", (error) => resolve({ status: 0, headers: {}, body: Buffer.alloc(0), error: error.code }));
    running.end(body);
  });
  return { answer, abort: () => running.destroy() };
}

/** Writes `chunks` to a TCP connection and gives what came back until the server closed or was quiet for a while. */
export function exchange(at, chunks, { quietMs = 300, deadlineMs = 8000, reset = false } = {}) {
  return new Promise((resolve) => {
    const tcp = connect({ ...place(at), noDelay: true });
    let reply = Buffer.alloc(0);
    let timer = setTimeout(() => finish(false), deadlineMs);
    const finish = (closed) => {
      clearTimeout(timer);
      tcp.destroy();
      resolve({ reply: reply.toString("latin1"), closed });
    };
    tcp.on("data", (data) => {
      reply = Buffer.concat([reply, data]);
      clearTimeout(timer);
      timer = setTimeout(() => finish(false), quietMs);
    });
    tcp.on("end", () => finish(true)).on("close", () => finish(true)).on("error", () => finish(true));
    for (const chunk of chunks) tcp.write(chunk);
    if (reset) tcp.write("", () => tcp.resetAndDestroy());
  });
}
