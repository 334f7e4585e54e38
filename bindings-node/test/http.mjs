// Bare HTTP for tests: requests with full control, and the raw bytes of an upgrade.
import { request } from "node:http";
import { connect } from "node:net";
import { event } from "./support.mjs";

export const POLL = "/socket.io/?EIO=4&transport=polling";
export const WEBSOCKET = "/socket.io/?EIO=4&transport=websocket";

/** A request with full control over it. */
export function ask(server, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = request({ port: server.port, host: "127.0.0.1", path, method, headers }, (res) => {
      const chunks = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const { statusCode: status, headers, rawHeaders } = res;
        resolve({ status, headers, rawHeaders, text: bytes.toString(), bytes });
      });
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** A polling session that is open: its id, and its path. */
export async function openPoll(server, query = "") {
  const { text } = await ask(server, POLL + query);
  const { sid } = JSON.parse(text.slice(text.indexOf("{")));
  return { sid, path: `${POLL}&sid=${sid}` };
}

/** What a bare connection gets back before it is closed. */
export async function raw(server, text) {
  const socket = connect(server.port, "127.0.0.1");
  let got = "";
  socket.on("data", (chunk) => (got += chunk));
  socket.on("error", () => {});
  socket.write(text);
  await event(socket, "close");
  return got;
}

/** The bytes of an upgrade request. */
export const upgradeRequest = (path, more = "") =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}` +
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
