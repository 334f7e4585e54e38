// The package as a stranger gets it: from this folder, packed, or as it is released: a main package and one per platform.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isOriginal } from "./support.mjs";

const folder = fileURLToPath(new URL("..", import.meta.url));

/** A program for the package that `name` stands for; it says hello to itself. */
const program = (name) => `
  const sio = require("${name}");
  const { io: connect } = require("socket.io-client");
  const io = new sio.Server(0);
  io.on("connection", (socket) => socket.on("hello", (done) => done("hello from " + socket.nsp.name)));
  io.httpServer.once("listening", async () => {
    const client = connect("http://127.0.0.1:" + io.httpServer.address().port);
    console.log(await client.emitWithAck("hello"), Object.keys(sio).join());
    console.log(Object.keys(await import("${name}")).join());
    client.disconnect();
    await io.close();
  });
`;
const GREETING = "hello from / Server,Namespace,Socket\nNamespace,Server,Socket\n";

describe("package", { skip: isOriginal && "ferrio's own" }, () => {
  const place = mkdtempSync(join(tmpdir(), "ferrio-package-"));
  const tarballs = {};
  after(() => rmSync(place, { recursive: true }));

  before(() => {
    execFileSync(process.execPath, [join(folder, "scripts/stage-release.mjs"), join(place, "release")]);
    for (const name of readdirSync(join(place, "release"))) {
      const [{ filename, files }] = JSON.parse(
        execFileSync("npm", ["pack", join(place, "release", name), "--json", "--pack-destination", place], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        }),
      );
      tarballs[name] = { file: join(place, filename), files: files.map(({ path }) => path) };
    }
  });

  /** A project with these dependencies, installed. */
  function project(name, dependencies) {
    const at = join(place, name);
    mkdirSync(at);
    writeFileSync(join(at, "package.json"), JSON.stringify({ name, private: true, dependencies }));
    npm(at, "install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error");
    return at;
  }

  function npm(cwd, ...args) {
    execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  }

  function run(cwd, name, source, ...args) {
    writeFileSync(join(cwd, name), source);
    const { status, stdout, stderr } = spawnSync(process.execPath, [...args, name], {
      cwd,
      encoding: "utf8",
      timeout: 60_000,
    });
    return { status, stdout, stderr };
  }

  /** The main package and the one of this platform. */
  function released(as = "ferrio") {
    const { ferrio, ...platforms } = tarballs;
    const [[name, { file }]] = Object.entries(platforms);
    return { [as]: `file:${ferrio.file}`, [name]: `file:${file}`, "socket.io-client": "4.8.4" };
  }

  test("the main package holds no addon, the platform's nothing else", () => {
    const { ferrio, ...platforms } = tarballs;
    assert.ok(ferrio.files.includes("dist/index.js") && ferrio.files.includes("dist/index.d.ts"));
    assert.deepEqual(
      ferrio.files.filter((file) => file.endsWith(".node") || file.startsWith("lib")),
      [],
    );
    for (const { files } of Object.values(platforms)) {
      assert.equal(files.filter((file) => file.endsWith(".node")).length, 1);
      assert.equal(files.length, 5);
    }
  });

  test("released: CommonJS, ESM and TypeScript", () => {
    const at = project("released", released());
    assert.deepEqual(run(at, "program.cjs", program("ferrio")), { status: 0, stdout: GREETING, stderr: "" });
    const esm = `
      import { Server } from "ferrio";
      import { createServer } from "node:http";
      const io = new Server(createServer());
      console.log(io.sockets.name);
    `;
    assert.deepEqual(run(at, "program.mjs", esm), { status: 0, stdout: "/\n", stderr: "" });
    const client = `
      import { Server } from "ferrio";
      import connect, { io, WebSocket } from "ferrio/client";
      import { createRequire } from "node:module";
      console.log(io === connect, createRequire(import.meta.url)("ferrio/client") === io, typeof WebSocket);
      const server = new Server(0);
      server.on("connection", (socket) => socket.emit("hello", "from ferrio"));
      server.httpServer.on("listening", () => {
        const socket = io("http://127.0.0.1:" + server.httpServer.address().port);
        socket.on("hello", (text) => {
          console.log(text);
          socket.disconnect();
          server.close();
        });
      });
    `;
    const greeting = { status: 0, stdout: "true true function\nfrom ferrio\n", stderr: "" };
    assert.deepEqual(run(at, "client.mjs", client), greeting);
    for (const path of ["client", "client/debug"]) {
      const original = `socket.io-${path}`;
      const same = `import("ferrio/${path}").then((ours) => import("${original}").then(({ io }) => console.log(ours.io === io)))`;
      const browser = spawnSync(process.execPath, ["--conditions=browser", "-e", same], { cwd: at, encoding: "utf8" });
      assert.equal(browser.stdout, "true\n");
    }
    const debug = `
      import { io } from "ferrio/client";
      import * as debug from "ferrio/client/debug";
      import { createRequire } from "node:module";
      console.log(debug.io === io, debug.default === io, createRequire(import.meta.url)("ferrio/client/debug") === io);
    `;
    assert.deepEqual(run(at, "debug.mjs", debug), { status: 0, stdout: "true true true\n", stderr: "" });
    // Deep imports are blocked, as in the original.
    const deep = 'try { require("ferrio/dist/socket") } catch ({ code }) { console.log(code) }';
    assert.equal(run(at, "deep.cjs", deep).stdout, "ERR_PACKAGE_PATH_NOT_EXPORTED\n");

    for (const [extension, module] of [
      ["mts", "nodenext"],
      ["cts", "nodenext"],
      ["ts", "commonjs"],
    ]) {
      writeFileSync(
        join(at, `typed.${extension}`),
        `import { Server, type Socket } from "ferrio";
         import { io as connect, Manager, type Socket as Client } from "ferrio/client";
         const client: Client<{ hi: (n: number) => void }, { ask: (done: (text: string) => void) => void }> =
           connect("http://localhost", { autoConnect: false });
         client.on("hi", (n) => n.toFixed());
         client.emitWithAck("ask").then((text) => text.trim());
         new Manager("http://localhost", { autoConnect: false }).socket("/x").io.engine?.transport.name;
         const io: Server<{ hi: (n: number) => void }> = new Server();
         io.on("connection", (socket: Socket<{ hi: (n: number) => void }>) => { socket.on("hi", (n) => n.toFixed()); });
         // @ts-expect-error no such event
         io.emit("unknown");`,
      );
      const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022", "--module", module];
      const resolution = module === "commonjs" ? ["--moduleResolution", "bundler"] : [];
      const { status, stdout } = spawnSync(
        process.execPath,
        [
          join(folder, "node_modules/typescript/bin/tsc"),
          ...options,
          ...resolution,
          "--types",
          "node",
          `typed.${extension}`,
        ],
        { cwd: at, encoding: "utf8" },
      );
      assert.deepEqual({ extension, status, stdout }, { extension, status: 0, stdout: "" });
    }
  });

  test("released, under the name socket.io: the program and a third-party module are unchanged", () => {
    const third = join(place, "third-party");
    mkdirSync(third);
    writeFileSync(
      join(third, "package.json"),
      JSON.stringify({ name: "third-party", version: "1.0.0", peerDependencies: { "socket.io": "*" } }),
    );
    writeFileSync(
      join(third, "index.js"),
      `const { Server } = require("socket.io");
       exports.serve = () => { const io = new Server(); return io instanceof Server && typeof io.of("/x").on; };`,
    );
    const packed = execFileSync("npm", ["pack", third, "--pack-destination", place], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const at = project("alias", { ...released("socket.io"), "third-party": `file:${join(place, packed.trim())}` });
    assert.deepEqual(run(at, "program.cjs", program("socket.io")), { status: 0, stdout: GREETING, stderr: "" });
    assert.equal(run(at, "third.cjs", 'console.log(require("third-party").serve())').stdout, "function\n");
  });

  test("from the folder, as a developer of ferrio would", () => {
    const at = project("folder", { ferrio: `file:${folder}`, "socket.io-client": "4.8.4" });
    assert.deepEqual(run(at, "program.cjs", program("ferrio")), { status: 0, stdout: GREETING, stderr: "" });
  });

  test("without the platform's package, the error says which one is missing and what to do", () => {
    const at = join(place, "bare");
    const modules = join(at, "node_modules");
    mkdirSync(modules, { recursive: true });
    cpSync(join(place, "release", "ferrio"), join(modules, "ferrio"), { recursive: true });
    const [name] = Object.keys(tarballs).filter((name) => name !== "ferrio");
    for (const dependency of ["accepts", "cookie", "cors", "debug", "socket.io-client"]) {
      cpSync(join(folder, "node_modules", dependency), join(modules, dependency), { recursive: true });
    }
    for (const dependency of readdirSync(join(folder, "node_modules"))) {
      if (/^(vary|object-assign|ms|mime-|negotiator|content-type)/.test(dependency)) {
        cpSync(join(folder, "node_modules", dependency), join(modules, dependency), { recursive: true });
      }
    }
    const { stdout } = run(
      at,
      "program.cjs",
      'try { new (require("ferrio").Server)(0) } catch (error) { console.log(error.message) }',
    );
    assert.match(
      stdout,
      new RegExp(`^ferrio has no addon for ${name.slice("ferrio-".length)} here: the package ${name} is not installed`),
    );
    assert.match(stdout, /omit=optional/);
  });
});
