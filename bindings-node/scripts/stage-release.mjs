// Lays out what is published: a package for each addon found, and the main package, which names them as optional
// dependencies and holds no addon itself. npm installs the one that fits the machine; nobody needs a compiler.
//
//     node scripts/stage-release.mjs FOLDER [FOLDER-WITH-ADDONS]
//
// Each folder below FOLDER is ready for `npm publish` (the platforms' before `ferrio`). `--all` insists on every platform.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PLATFORMS } from "./platforms.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({ options: { all: { type: "boolean" } }, allowPositionals: true });
const [target, addons = root] = positionals;
if (!target) throw new Error("usage: stage-release.mjs FOLDER [FOLDER-WITH-ADDONS] [--all]");
const { devDependencies, scripts, napi, files, ...main } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

rmSync(resolve(target), { recursive: true, force: true });
const found = Object.keys(PLATFORMS).filter((name) => existsSync(join(addons, addon(name))));
if (found.length === 0) throw new Error(`no addon in ${addons}: ${readdirSync(addons).join(" ")}`);
const missing = Object.keys(PLATFORMS).filter((name) => !found.includes(name));
if (values.all && missing.length > 0) throw new Error(`no addon for ${missing.join(", ")}`);

for (const name of found) {
  const { os, cpu, libc } = PLATFORMS[name];
  const folder = begin(`ferrio-${name}`);
  copyFileSync(join(addons, addon(name)), join(folder, addon(name)));
  writeFileSync(join(folder, "README.md"), `The addon of ferrio for ${name}.\n`);
  manifest(folder, {
    name: `ferrio-${name}`,
    version: main.version,
    description: `The addon of ferrio for ${name}`,
    license: main.license,
    main: addon(name),
    files: [addon(name), "LICENSE-*"],
    engines: main.engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
  });
}

const folder = begin("ferrio");
const faces = readdirSync(root).filter((name) => /^(wrapper|client[^/]*)\.(mjs|cjs|d\.mts)$/.test(name));
for (const name of ["dist", ...faces, "README.md", "DIFFERENCES.md"])
  cpSync(join(root, name), join(folder, name), { recursive: true });
manifest(folder, {
  ...main,
  files: [...files.filter((name) => !name.endsWith(".node")), "DIFFERENCES.md", "LICENSE-*"],
  optionalDependencies: Object.fromEntries(found.map((name) => [`ferrio-${name}`, main.version])),
});
console.log(`${target}: ferrio ${main.version} for ${found.join(", ")}`);

function addon(name) {
  return `ferrio.${name}.node`;
}

/** An empty folder for a package, with the licences. */
function begin(name) {
  const folder = join(target, name);
  mkdirSync(folder, { recursive: true });
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"])
    copyFileSync(join(root, "..", licence), join(folder, licence));
  return folder;
}

function manifest(folder, contents) {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(contents, null, 2)}\n`);
}
