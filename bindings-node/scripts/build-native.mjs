// Builds the addon and puts it into the package: ferrio.<platform>.node. (After the TypeScript: it knows the platform.)
//
// FERRIO_PROFILE names the cargo profile (release if not given; `fast` skips the long link).
import { spawnSync } from "node:child_process";
import { copyFileSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const profile = process.env.FERRIO_PROFILE ?? "release";

const cargo = spawnSync(
  "cargo",
  ["build", "-p", "ferrio-node", "--profile", profile, "--message-format", "json-render-diagnostics"],
  { cwd: root, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", maxBuffer: 1 << 28 },
);
if (cargo.error) throw cargo.error;
if (cargo.status !== 0) process.exit(cargo.status ?? 1);

const built = cargo.stdout
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line))
  .find(({ reason, target }) => reason === "compiler-artifact" && target.name === "ferrio_node")?.filenames[0];
if (!built) throw new Error("cargo named no library");

// A process that has the addon loaded dies if its file is written to: the new one takes its place instead.
const { addonName } = createRequire(import.meta.url)("../dist/platform.js");
const place = `${root}${addonName()}`;
copyFileSync(built, `${place}.tmp`);
renameSync(`${place}.tmp`, place);
console.log(`${built} -> ${place}`);
