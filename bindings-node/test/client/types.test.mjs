// The programs in types/ compile, with the same errors expected, against the declarations of socket.io-client and of ferrio/client.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isOriginal } from "./support.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

for (const name of isOriginal ? ["socketio"] : ["socketio", "ferrio"]) {
  test(`typed programs of clients compile against ${name}`, () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      ["node_modules/typescript/bin/tsc", "-p", `test/client/types/tsconfig.${name}.json`],
      { cwd: root, encoding: "utf8" },
    );
    assert.equal(stdout, "");
    assert.equal(status, 0);
  });
}
