// A client that comes back by itself, and loses nothing that it was asked to send: node client.mjs [URL]
import { io } from "ferrio/client";

const socket = io(process.argv[2] ?? "http://localhost:3000", {
  auth: { name: "example" },
  // Each event is sent again until the server has acknowledged it, one after the other.
  retries: 10,
  ackTimeout: 2000,
});

socket.on("connect", () => console.log("connected as %s", socket.id));
socket.on("disconnect", (reason) => console.log("%s: %s", reason, socket.active ? "will be back" : "for good"));
socket.on("connect_error", (error) => console.log("%s: %s", error.message, socket.active ? "once more" : "given up"));
socket.io.on("reconnect_attempt", (attempt) => console.log("attempt %d", attempt));
socket.onAny((event, ...args) => console.log(event, ...args));

for (const word of ["one", "two", "three"]) console.log(await socket.emitWithAck("echo", word));
socket.disconnect();
