// The package as a stranger gets it: packed, or installed from this folder.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isOriginal } from "./support.mjs";

const folder = fileURLToPath(new URL("..", import.meta.url));

const PROGRAM = `
  const ferrio = require("ferrio");
  const { Server } = ferrio;
  const io = new Server(0);
  io.httpServer.once("listening", async () => {
    const response = await fetch("http://127.0.0.1:" + io.httpServer.address().port + "/socket.io/?EIO=4&transport=polling");
    console.log(response.status, Object.keys(ferrio).join());
    console.log(Object.keys(await import("ferrio")).join());
    await io.close();
  });
`;

for (const kind of ["tarball", "folder"]) {
  test(`npm install of the ${kind} in an empty project`, { skip: isOriginal && "ferrio's own" }, (t) => {
    const project = mkdtempSync(join(tmpdir(), "ferrio-package-"));
    t.after(() => rmSync(project, { recursive: true }));
    const npm = (...args) =>
      execFileSync("npm", args, { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true }');
    writeFileSync(join(project, "program.cjs"), PROGRAM);
    let what = folder;
    if (kind === "tarball") {
      npm("pack", folder, "--pack-destination", project);
      what = join(
        project,
        readdirSync(project).find((name) => name.endsWith(".tgz")),
      );
    }
    npm("install", what, "--no-audit", "--no-fund", "--prefer-offline");
    const output = execFileSync(process.execPath, ["program.cjs"], { cwd: project, encoding: "utf8" });
    assert.equal(output, "200 Server,Namespace,Socket\nNamespace,Server,Socket\n");
    // Deep imports are blocked, as in the original.
    const deep = 'try { require("ferrio/dist/socket") } catch ({ code }) { console.log(code) }';
    assert.equal(
      execFileSync(process.execPath, ["-e", deep], { cwd: project, encoding: "utf8" }),
      "ERR_PACKAGE_PATH_NOT_EXPORTED\n",
    );
  });
}
