// The programs of servers, on socket.io and on ferrio.
import { fileURLToPath } from "node:url";
import { compare } from "./compare.mjs";
import { DIFFERENCES } from "./programs/differences.mjs";
import { isOriginal } from "./support.mjs";

compare("programs", {
  source: fileURLToPath(new URL("programs", import.meta.url)),
  name: "socket.io",
  replacement: () => fileURLToPath(new URL("..", import.meta.url)),
  differences: DIFFERENCES,
  skip: isOriginal && "they are compared with it anyway",
});
