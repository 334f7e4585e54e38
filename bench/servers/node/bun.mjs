// socket.io on Bun's own engine, the JavaScript peer to beat: bun bun.mjs PORT
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);

io.on("connection", (socket) => {
  socket.on("echo", (data) => socket.emit("echo", data));
  socket.on("ack", (data, ack) => ack(data));
  socket.on("join", (...args) => (socket.join(args.length > 1 ? args[0] : "r"), args.at(-1)()));
  socket.on("bcast", (data) => io.to("r").emit("bcast", data));
  socket.on("say", (room, data) => io.to(room).emit("bcast", data));
  socket.on("gc", () => Bun.gc(true)); // before memory is read the second time
});

export default { port: Number(process.argv[2]), hostname: "127.0.0.1", ...engine.handler() };
