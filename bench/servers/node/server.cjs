// The Node server, one text for both: node server.cjs PORT (socket.io | ferrio [native])
const http = require("node:http");
const { Server } = require(process.argv[3] === "ferrio" ? "../../../bindings-node" : "socket.io");

const port = Number(process.argv[2]);
const server = http.createServer();
const io =
  process.argv[4] === "native" ? new Server(port, { nativeListener: { host: "127.0.0.1" } }) : new Server(server);

io.on("connection", (socket) => {
  socket.on("echo", (data) => socket.emit("echo", data));
  socket.on("ack", (data, ack) => ack(data));
  socket.on("join", (...args) => (socket.join(args.length > 1 ? args[0] : "r"), args.at(-1)()));
  socket.on("bcast", (data) => io.to("r").emit("bcast", data));
  socket.on("say", (room, data) => io.to(room).emit("bcast", data));
  socket.on("gc", () => (globalThis.gc?.(), globalThis.gc?.())); // before memory is read the second time
});

if (process.argv[4] !== "native") server.listen(port, "127.0.0.1", 4096);
