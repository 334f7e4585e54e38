// The programs of clients, on socket.io-client and on ferrio/client. Their servers are npm's socket.io.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare } from "../compare.mjs";
import { DIFFERENCES } from "./programs/differences.mjs";
import { isOriginal } from "./support.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

compare("programs of clients", {
  source: fileURLToPath(new URL("programs", import.meta.url)),
  name: "socket.io-client",
  /** A package of that name whose module is ours. */
  replacement(folder) {
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const { import: esm, require: cjs } = exports["./client"];
    const manifest = { name: "socket.io-client", exports: { import: "./index.mjs", require: "./index.cjs" } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    const target = JSON.stringify(join(root, esm.default));
    writeFileSync(join(folder, "index.mjs"), `export * from ${target}; export { default } from ${target};`);
    writeFileSync(join(folder, "index.cjs"), `module.exports = require(${JSON.stringify(join(root, cjs.default))});`);
    return folder;
  },
  differences: DIFFERENCES,
  skip: isOriginal && "they are compared with it anyway",
});
