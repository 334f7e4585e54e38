// Koa and events on one http server: the application's callback is an ordinary listener.
import { createServer } from "node:http";
import { Server } from "ferrio";
import Koa from "koa";

const app = new Koa();
app.use((context) => {
  context.body = { online: io.engine.clientsCount };
});

const http = createServer(app.callback());
const io = new Server(http, { cors: { origin: "*" } });

io.of("/news").on("connection", (socket) => {
  socket.join("readers");
  socket.on("news", (text, done) => {
    io.of("/news").to("readers").emit("news", text);
    done();
  });
});

http.listen(process.env.PORT ?? 3000, () => console.log("listening on %d", http.address().port));
