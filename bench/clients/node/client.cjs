// Node clients that are measured: client.cjs URL TRANSPORT CLIENTS WINDOW. What they do stands in ../README.md.
//
// FERRIO_BENCH_MODULE is socket.io-client or ferrio/client.
const { createInterface } = require("node:readline");
const { join } = require("node:path");

const name = process.env.FERRIO_BENCH_MODULE ?? "ferrio/client";
const bindings = join(__dirname, "../../../bindings-node");
const { io } = require(
  name === "ferrio/client" ? join(bindings, "dist/client/index.js") : require.resolve(name, { paths: [bindings] }),
);

const [url, transport, count, window] = process.argv.slice(2);
const TEXT = "x".repeat(32);
/** At once, at most. */
const CONNECTING = 100;
let echoes = 0;

async function main() {
  const clients = [];
  let next = 0;
  const some = async () => {
    while (next++ < Number(count)) clients.push(await connected());
  };
  await Promise.all(Array.from({ length: CONNECTING }, some));
  console.log("ready");
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (line === "go") for (const client of clients) go(client);
    else if (line === "count") console.log(echoes);
    else if (line === "quit") process.exit(0);
    else throw new Error(`no command ${line}`);
  });
}

function connected() {
  const client = io(url, { forceNew: true, transports: [transport] });
  return new Promise((resolve, reject) => {
    client.once("connect", () => resolve(client));
    client.once("connect_error", reject);
  });
}

function go(client) {
  client.on("echo", (text) => {
    echoes++;
    client.emit("echo", text);
  });
  for (let i = 0; i < Number(window); i++) client.emit("echo", TEXT);
}

main();
