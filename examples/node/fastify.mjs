// Fastify: io hangs on the application and is closed with it.
import Fastify from "fastify";
import { Server } from "ferrio";

const app = Fastify();
app.decorate("io", new Server(app.server));
app.addHook("preClose", (done) => {
  app.io.local.disconnectSockets(true); // else open WebSockets would keep the http server from closing
  done();
});
app.addHook("onClose", (_, done) => app.io.close(() => done()));

app.get("/", (request) => ({ online: request.server.io.engine.clientsCount }));

app.io.on("connection", (socket) => {
  socket.on("news", (text, done) => {
    app.io.emit("news", text);
    done();
  });
});

await app.listen({ port: Number(process.env.PORT ?? 3000), host: "0.0.0.0" });
console.log("listening on %d", app.server.address().port);
process.once("SIGTERM", () => app.close());
