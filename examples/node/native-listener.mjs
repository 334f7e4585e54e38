// The engine's own port: no http server of Node's, no routes; and a download that waits for slow clients.
import { Server } from "ferrio";

const io = new Server(Number(process.env.PORT ?? 3000), { nativeListener: true, cors: { origin: "*" } });

const PART = Buffer.alloc(64 * 1024);
const WINDOW = 1024 * 1024;

io.on("connection", (socket) => {
  socket.on("download", async (parts, done) => {
    for (let n = 0; n < parts && socket.connected; n++) {
      socket.emit("part", n, PART);
      // Without this the engine would hold all of it, and at its limit give the client up.
      if (socket.bufferedAmount > WINDOW) await socket.drain();
    }
    done(parts);
  });
});

console.log("listening on %d", io.engine.address().port);
