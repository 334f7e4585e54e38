// Handlers that never come to an end, and handlers that end what they stand on.
import { answer, event, journal, pause, print, settled, start, turn, until } from "./support.mjs";

print("a middleware that never calls next");
{
  const server = await start({ connectTimeout: 150 });
  const { io } = server;
  const log = journal("never calls next");
  let asked = 0;
  io.of("/never").use(() => asked++);
  io.of("/never").on("connection", () => log("connection: this must not happen"));
  io.engine.on("connection", (conn) => conn.on("close", (reason) => log("close", reason)));
  const patient = server.client("/never");
  patient.on("connect", () => log("client: this must not happen"));
  const [reason] = await Promise.race([event(patient.io, "close"), event(patient, "disconnect")]);
  print("who waits is sent away:", reason, asked);
  const hasty = server.client("/never");
  await until(() => asked === 2);
  hasty.disconnect();
  await until(() => io.engine.clientsCount === 0);
  print("who leaves has left:", io.of("/never").sockets.size);
  await server.close();
}

print("an async listener that never settles");
{
  const server = await start();
  const { client, socket } = await server.pair();
  const bystander = await server.pair();
  let waiting = 0;
  socket.on("wait", async () => {
    waiting++;
    await new Promise(() => {});
  });
  for (let n = 0; n < 3; n++) client.emit("wait");
  await settled(client, socket);
  await settled(bystander.client, bystander.socket);
  print(waiting, socket.connected);
  await server.io.close();
  await until(() => client.disconnected && bystander.client.disconnected);
  await server.close();
}

print("a middleware of a socket that never calls next");
{
  const server = await start();
  const { client, socket } = await server.pair();
  const log = journal("swallowed");
  socket.use((event, next) => event[0] !== "swallowed" && next());
  socket.on("swallowed", () => log("this must not happen"));
  client.emit("swallowed");
  await settled(client, socket);
  print(socket.connected, server.io.engine.clientsCount);
  await server.close();
}

print("the server is closed from inside");
const INSIDE = {
  "a connection listener": ({ io }, end) => io.of("/fatal").on("connection", end),
  "an event": ({ io }, end) => io.of("/fatal").on("connection", (socket) => socket.on("end", end)),
  "a middleware": ({ io }, end) => io.of("/fatal").use(end),
  "an ack": ({ io }, end) => io.of("/fatal").on("connection", (socket) => socket.emit("ask", end)),
  "a disconnect listener": ({ io }, end) =>
    io.of("/fatal").on("connection", (socket) => {
      socket.on("disconnect", end);
      socket.on("leave", () => socket.disconnect());
    }),
};
for (const [where, arrange] of Object.entries(INSIDE)) {
  for (const transports of [["websocket"], ["polling"]]) {
    const server = await start();
    const { io } = server;
    const bystander = await server.pair("/", { transports });
    const reasons = [];
    bystander.socket.on("disconnect", (reason) => reasons.push(reason));
    let ends = 0;
    const closed = answer((done) => arrange(server, () => ++ends === 1 && void io.close(done)));
    const client = server.client("/fatal", { transports });
    client.on("ask", (done) => done());
    client.on("connect", () => client.emit("end"));
    client.on("connect", () => client.emit("leave"));
    await closed;
    await until(() => bystander.client.disconnected && io.engine.clientsCount === 0);
    print(where, transports[0], "ends:", ends, "bystander:", reasons, io.engine.clientsCount);
    await server.close();
  }
}

print("a socket that ends itself, again and again");
{
  const server = await start();
  const { client, socket } = await server.pair();
  const log = journal("ends itself");
  socket.on("disconnect", (reason) => {
    log("disconnect", reason);
    socket.disconnect(true);
    socket.disconnect();
  });
  socket.on("end", (done) => {
    socket.disconnect(true);
    socket.disconnect(true);
    done("too late");
    socket.emit("too late");
  });
  client.onAny((name) => log("client hears", name));
  client.emit("end", (word) => log("client is answered", word));
  await until(() => client.disconnected);
  await turn();
  await pause(20);
  print(server.io.engine.clientsCount, server.io.sockets.sockets.size);
  await server.close();
}

print("an ack that is answered twice, and by two");
{
  const server = await start();
  const { client, socket } = await server.pair();
  const answers = [];
  client.on("ask", (done) => [1, 2].map((n) => done(n)));
  client.on("ask", (done) => done(3));
  socket.emit("ask", (...args) => answers.push(args));
  await settled(client, socket);
  socket.on("ask", (done) => [1, 2].map((n) => done(n)));
  socket.on("ask", (done) => done(3));
  client.emit("ask", (...args) => answers.push(args));
  await settled(client, socket);
  print(answers);
  await server.close();
}
