// cleanupEmptyChildNamespaces: what was made for a client goes with the last one.
import { event, print, start, until } from "./support.mjs";

for (const cleanupEmptyChildNamespaces of [true, false, "yes", undefined]) {
  const server = await start({ cleanupEmptyChildNamespaces });
  const { io } = server;
  print("option:", String(cleanupEmptyChildNamespaces), "->", io._opts.cleanupEmptyChildNamespaces);
  io.of("/fixed");
  io.of(/^\/dyn/).use((socket, next) => next(socket.handshake.auth.no ? new Error("no") : undefined));
  const names = () => [...io._nsps.keys()];
  const a = await server.pair("/dyn");
  const b = await server.pair("/dyn");
  const namespace = a.socket.nsp;
  print(names());
  a.client.disconnect();
  await event(a.socket, "disconnect");
  print("one left:", names());
  b.client.disconnect();
  await event(b.socket, "disconnect");
  print("both left:", names(), io._nsps.has("/dyn") && io.of("/dyn") === namespace);
  await event(server.client("/dyn-refused", { auth: { no: true } }), "connect_error");
  await until(() => true);
  print("refused:", names());
  const again = await server.pair("/dyn");
  print("again:", names(), again.socket.nsp === namespace);
  const fixed = await server.pair("/fixed");
  fixed.client.disconnect();
  await event(fixed.socket, "disconnect");
  print("made by the program:", names().includes("/fixed"));
  await server.close();
}
