// A server that others take over from: SIGTERM lets nobody in any more, waits for answers under way, and sends its clients to
// the other servers over half a minute. `/ready` is for whoever balances the load.
import { createServer } from "node:http";
import { Server } from "ferrio";

const http = createServer((req, res) => {
  if (req.url === "/ready") res.writeHead(io.ready ? 200 : 503).end();
  else res.writeHead(404).end();
});
const io = new Server(http);

io.on("connection", (socket) => {
  socket.on("say", (text, answer) => {
    socket.broadcast.emit("said", text);
    answer?.();
  });
});

process.once("SIGTERM", () => {
  process.once("SIGTERM", () => process.exit(1)); // somebody has no patience
  io.drain({ spread: 30_000, reason: "update" }).then(() => process.exit(0));
});

http.listen(process.env.PORT ?? 3000, () => console.log(`listening on ${http.address().port}`));
