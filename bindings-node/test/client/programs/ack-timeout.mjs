// The option ackTimeout: every ack gets an error first.
import { answer, event, journal, print, settle, start } from "./support.mjs";

const server = await start();
const { client, socket } = await server.pair("/", { ackTimeout: 400 });
socket.on("echo", (...args) => args.pop()(...args));
socket.on("never", () => {});
print(await answer((done) => client.emit("echo", 1, 2, done)));
print(await answer((done) => client.emit("never", (error) => done(error.message))));
print(await client.emitWithAck("echo", 1));
print(await settle(client.emitWithAck("never")));
print("timeout() goes before it", await answer((done) => client.timeout(1).emit("never", (e) => done(e.message))));
print(await answer((done) => client.timeout(20_000).emit("echo", "x", done)));

print("offline");
client.disconnect();
const log = journal("offline");
const waiting = answer((done) => client.emit("echo", 1, done));
const promise = settle(client.emitWithAck("echo", 2));
print(client.sendBuffer.length);
print((await waiting)[0].message, await promise, client.sendBuffer.length);
client.on("disconnect", (reason) => log(reason));
client.connect();
await event(client, "connect");
print(await client.emitWithAck("late?").catch((error) => error.message));
await server.close();
