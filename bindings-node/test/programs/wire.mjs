// What a WebSocket client gets for every packet, the sound and the broken ones.
import { event, journal, print, start, until } from "./support.mjs";

const server = await start({ pingInterval: 20_000 });
const { io } = server;
const mask = (frame) => String(frame).replace(/"sid":"[\w-]{20}"/g, '"sid":"…"');

const first = server.raw();
await first.opened;
print(mask(await first.frame()));
first.send("40");
print(mask(await first.frame()));
first.send('42["unheard"]');
first.send('420["unheard with ack"]');
first.close();

/** Connects, sends a packet, and tells what came of it. */
async function send(title, ...packets) {
  const log = journal(title);
  const accepted = event(io, "connection");
  const raw = server.raw();
  await raw.opened;
  raw.send("40");
  const [socket] = await accepted;
  for (let n = 0; n < 2; n++) await raw.frame(); // the handshake, and the answer to CONNECT
  socket.on("error", (error) => log("error:", error.message));
  socket.on("disconnect", (reason, description) => log("disconnect:", reason, String(description)));
  socket.onAny(
    (...args) =>
      args[0] !== "end" &&
      log(
        "event:",
        args.map((arg) => (typeof arg === "function" ? "ack" : arg)),
      ),
  );
  const ended = Promise.race([raw.closed, event(socket, "end").then(() => "open")]);
  for (const packet of packets) raw.send(packet);
  raw.send('42["end"]');
  const outcome = await ended;
  if (outcome !== "open") await until(() => socket.disconnected);
  log(outcome === "open" ? "open" : `closed: ${outcome}`);
  const frames = raw.frames.map(mask);
  if (frames.length > 0) log("frames:", frames);
  raw.close();
}
for (const packet of [
  '42["a"]',
  '42["a",1,null,{"b":[]}]',
  '421["a"]',
  '42/,["a"]',
  '42["a","\\u2028☕"]',
  "42[5]",
  '42["a"] ',
  ' 42["a"]',
  '450-["a"]',
  '45-["a"]',
  '4511-["a"]',
  '451-["a",{"_placeholder":true,"num":1}]',
  "42[]",
  "42{}",
  '42["a"',
  '421e3["a"]',
  '44{"message":"x"}',
  '40"str"',
  '41["x"]',
  "43[]",
  '439["x"]',
  "43",
  '42["disconnect"]',
  '42["connect"]',
  '42["connect_error"]',
  '42["disconnecting"]',
  '42["newListener"]',
  "42",
  "4",
  "47",
  "4x",
  "40",
  "40{}",
  '42/other,["a"]',
  "41/other,",
  "1",
  "2",
  "3",
  "5",
  "6",
  "7",
  "x",
  "bAA==",
  "0",
  '42["a",{"_placeholder":true,"num":0}]',
  "42[null]",
  "42[{}]",
  "42[true]",
  '46["x"]',
]) {
  await send(packet, packet);
}
await send("binary event", '451-["a",{"_placeholder":true,"num":0}]', Buffer.from([1, 2]));
await send(
  "binary event, two",
  '452-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]',
  Buffer.from([1]),
  Buffer.from([2]),
);
await send("text in place of an attachment", '451-["a",{"_placeholder":true,"num":0}]', '42["b"]');
await send("an attachment nobody announced", Buffer.from([1]));
await send("a placeholder out of range", '451-["a",{"_placeholder":true,"num":7}]', Buffer.from([1]));

print("before CONNECT");
for (const packet of ['42["x"]', "41", '430["x"]', "40/unknown,", '40/unknown,{"a":1}', "4", "1"]) {
  const raw = server.raw();
  await raw.opened;
  await raw.frame();
  raw.send(packet);
  raw.send("40/probe,");
  const outcome = await Promise.race([raw.closed.then((code) => `closed: ${code}`), raw.frame()]);
  print(packet, outcome);
  raw.close();
}
await server.close();
