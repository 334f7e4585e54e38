// What the server sees as auth.
import { event, journal, print, start } from "./support.mjs";

const server = await start();
const log = journal("server");
server.io.on("connection", (socket) => log(socket.handshake.auth));
async function run(title, auth) {
  const client = server.client("/", { auth, transports: ["websocket"] });
  const accepted = event(server.io, "connection");
  await event(client, "connect");
  await accepted;
  print(title, typeof client.auth);
  client.disconnect();
}
await run("none", undefined);
await run("an object", { a: 1, b: "ü", c: [null, { d: true }], e: undefined });
await run("empty", {});
await run("a function", (done) => done({ token: 1 }));
await run("a function that takes its time", (done) => setTimeout(done, 5, { token: 2 }));
await run("an async one", async (done) => done({ token: await Promise.resolve(3) }));
await run("nothing from a function", (done) => done());
await run("something else", (done) => done(null));
await run("toJSON", { toJSON: () => ({ made: true }) });

print("changed later");
const client = server.client("/", { auth: { n: 1 }, reconnection: true, reconnectionDelay: 5 });
await event(client, "connect");
client.auth.n = 2;
client.io.engine.close();
await event(client, "connect");
client.auth = (done) => done({ n: 3 });
client.disconnect().connect();
await event(client, "connect");

print("a function that is asked while the connection ends");
let answer;
client.auth = (done) => {
  answer = done;
};
client.disconnect().connect();
await event(client.io, "open");
client.disconnect();
answer({ n: 4 });
print(client.connected, client.active);
client.auth = {};
client.connect();
await event(client, "connect");
client.disconnect();
await server.close();
