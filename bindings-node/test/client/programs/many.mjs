// Many messages, and large ones, in both directions: all of them, in their order, also across the upgrade.
import { answer, event, print, start, until } from "./support.mjs";

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  const server = await start({ maxHttpBufferSize: 1e7 });
  const accepted = event(server.io, "connection");
  const client = server.client("/", { transports });
  const [socket] = await accepted;
  const up = [];
  const down = [];
  socket.on("up", (n, bytes) => up.push(bytes === undefined ? n : [n, bytes.length]));
  client.on("down", (n, bytes) => down.push(bytes === undefined ? n : [n, bytes.length]));
  for (let n = 0; n < 2000; n++) {
    if (n % 100 === 0) {
      client.emit("up", n, Buffer.alloc(n * 20));
      socket.emit("down", n, Buffer.alloc(n * 20));
    } else {
      client.emit("up", n);
      socket.emit("down", n);
    }
  }
  await until(() => up.length === 2000 && down.length === 2000);
  const ordered = (list) =>
    list.every((each, n) => (Array.isArray(each) ? each[0] === n && each[1] === n * 20 : each === n));
  print(transports.join("+"), ordered(up), ordered(down));
  socket.on("echo", (...args) => args.pop()(...args));
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const [text, bytes] = await answer((done) =>
      client.emit("echo", "ü".repeat(size / 2), Buffer.alloc(size, 3), done),
    );
    print(
      size,
      text.length,
      bytes.length,
      bytes.every((byte) => byte === 3),
    );
  }
  const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => client.emitWithAck("echo", n)));
  print(answers.every((value, n) => value === n));
  client.disconnect();
  await server.close();
}
