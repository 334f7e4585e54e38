// The ESM face of ferrio/client: the names of socket.io-client.
import io from "./dist/client/index.js";

export const { Manager, Socket } = io;
export const protocol = 5;
export { Fetch, NodeWebSocket, NodeXHR, WebSocket, WebTransport, XHR } from "engine.io-client";
export { io, io as connect, io as default };
