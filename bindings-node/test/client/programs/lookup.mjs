// Which sockets share a Manager, and what becomes of URLs and options.
import { connect as alias, io, Manager } from "socket.io-client";
import { print } from "./support.mjs";

const off = { autoConnect: false };
const url = "http://localhost:3000";
const a = io(url, off);
const b = io(`${url}/admin`, off);
print("two namespaces share", a.io === b.io, a.nsp, b.nsp, Object.keys(a.io.nsps));
print("the same namespace again does not", io(url, off).io === a.io);
print("forceNew", io(`${url}/x`, { ...off, forceNew: true }).io === a.io);
print("force new connection", io(`${url}/x`, { ...off, "force new connection": true }).io === a.io);
print("multiplex false", io(`${url}/x`, { ...off, multiplex: false }).io === a.io);
print("another path of requests", io(`${url}/x`, { ...off, path: "/other" }).io === a.io);
print("another port", io("http://localhost:3001/x", off).io === a.io);
print("usual ports", io("http://h/a", off).io === io("http://h:80/b", off).io);
print("usual ports, secure", io("https://h/a", off).io === io("https://h:443/b", off).io);
print("ws is another scheme", io("ws://h/c", off).io === io("http://h/d", off).io);
print("connect is io", alias === io);

print("the first one's options count");
const first = io("http://first/a", { ...off, query: { n: 1 }, reconnectionDelay: 7, auth: { a: 1 } });
const second = io("http://first/b", { ...off, query: { n: 2 }, reconnectionDelay: 8, auth: { b: 1 }, retries: 2 });
print(first.io === second.io, second.io.opts.query, second.io.reconnectionDelay(), first.auth, second.auth);
print(first.io.socket("/b", { auth: { c: 1 } }) === second, second.auth);

print("URLs");
for (const uri of [
  "http://h",
  "https://h:443/a/b?x=1#f",
  "http://[::1]:3000/six",
  "http://user:pass@h:1/user",
  "wss://h/ws",
  "http://h/empty?",
  "http://h/two?a=1&b=x%20y&c=&d&=e",
  "http://h/a b",
  "http://h/%20x",
  "http://h/ü?ä=ö",
  "http://h//twice",
  "http://h/a/../b/",
  "http://h:80/",
]) {
  const socket = io(uri, { ...off, forceNew: true });
  print(uri, "|", socket.io.uri, "|", socket.nsp, "|", socket.io.opts.query);
}
print(io("http://h/query?a=1", { ...off, forceNew: true, query: { mine: 1 } }).io.opts.query);
try {
  io(`http://h/${"x".repeat(8000)}`, off);
} catch (error) {
  print("too long:", error);
}

print("options first");
const only = io({ ...off, forceNew: true, host: "localhost" });
print(only.nsp, only.io.opts.host);
const none = new Manager({ ...off, host: "localhost", port: 3 });
print(none.uri === undefined, none.opts.path, none.opts.port);
print(new Manager("http://h", off).opts.path, new Manager("http://h", { ...off, path: "/p" }).opts.path);
const mine = { ...off };
print(new Manager("http://h", mine).opts === mine, Object.keys(mine));
