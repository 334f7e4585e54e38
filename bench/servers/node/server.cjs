// The Node server, one text for both: node server.cjs PORT (socket.io | ferrio)
const http = require("node:http");
const { Server } = require(process.argv[3] === "ferrio" ? "../../../bindings-node" : "socket.io");

const server = http.createServer();
const io = new Server(server);

io.on("connection", (socket) => {
  socket.on("echo", (data) => socket.emit("echo", data));
  socket.on("ack", (data, ack) => ack(data));
  socket.on("join", (ack) => (socket.join("r"), ack()));
  socket.on("bcast", (data) => io.to("r").emit("bcast", data));
  socket.on("gc", () => (globalThis.gc?.(), globalThis.gc?.())); // before memory is read the second time
});

server.listen(Number(process.argv[2]), "127.0.0.1", 4096);
