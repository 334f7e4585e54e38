// Express and events on one http server. Try: curl -X POST localhost:3000/news -d hello
import { createServer } from "node:http";
import express from "express";
import { Server } from "ferrio";

const app = express();
const http = createServer(app);
const io = new Server(http);

app.get("/", (_, res) => {
  // The browser's bundle comes from the server, as with socket.io.
  res.send('<ul id="news"></ul><script src="/socket.io/socket.io.js"></script><script>' +
    'io().on("news", (text) => news.append(Object.assign(document.createElement("li"), { textContent: text })))</script>');
});

app.post("/news", express.text({ type: () => true }), (req, res) => {
  io.emit("news", req.body);
  res.json({ told: io.sockets.sockets.size });
});

io.on("connection", (socket) => {
  socket.on("news", (text) => socket.broadcast.emit("news", text));
});

http.listen(process.env.PORT ?? 3000, () => console.log("listening on %d", http.address().port));
