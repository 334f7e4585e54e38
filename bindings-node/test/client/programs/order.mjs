// The order of answers, events and listeners.
import { answer, event, journal, print, settled, start } from "./support.mjs";

for (const transports of [["websocket"], ["polling"]]) {
  const server = await start();
  const { client, socket } = await server.pair("/", { transports });
  const log = journal(`client, ${transports}`);
  client.onAny((name) => name.endsWith("?") || log("any", name));
  client.on("a", (n) => log("a", n));
  client.on("b", () => log("b"));
  socket.on("ask", (done) => {
    socket.emit("a", "before the answer");
    done("answer");
    socket.emit("b");
  });
  await answer((done) => client.emit("ask", (value) => done(log(value))));
  await settled(client, socket);
  log("--");
  client.emit("ask", (value) => log(value, "callback"));
  client.emit("ask", (value) => log(value, "second callback"));
  await settled(client, socket);
  log("--");
  client.on("c", () => {
    socket.emit("d");
    client.emit("back", 1);
    log("c");
  });
  client.on("d", () => log("d"));
  const back = journal(`server, ${transports}`);
  socket.on("back", (n) => back(n));
  socket.emit("c");
  await event(client, "d");
  await settled(client, socket);
  const outgoing = journal(`outgoing, ${transports}`);
  client.onAnyOutgoing((name) => outgoing(name));
  client.emit("one");
  client.emit("two", () => {});
  client.send("three");
  await settled(client, socket);
  client.disconnect();
  print(transports, client.sendBuffer.length);
  await server.close();
}
