// A message that is larger than the server takes.
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ maxHttpBufferSize: 1000 });
const client = server.client("/", { transports: ["websocket"], reconnection: true, reconnectionDelay: 5 });
const log = journal("client");
client.on("connect", () => log("connect"));
client.on("disconnect", (reason) => log("disconnect", reason, client.active));
await event(client, "connect");
const gone = event(client, "disconnect");
client.emit("large", "x".repeat(2000));
print((await gone)[0]);
await event(client, "connect");
server.io.on("connection", () => {});
const [[, socket]] = server.io.sockets.sockets;
const heard = event(socket, "small");
client.emit("small", "x".repeat(500));
print((await heard)[0].length);
client.disconnect();
await until(() => server.io.sockets.sockets.size === 0);
await server.close();
