// The demo's page in headless Chromium: two people chat through one server, then the server is restarted.
// node tests/browser/run.mjs [--face node|python|rust|original-node|original-python|python-serve|python-hypercorn|python-granian
// |python-gunicorn]; without: the three of ferrio, and Python's `serve`.
import { existsSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Report } from "../harness/report.mjs";
import { startProgram } from "./program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const python = process.env.FERRIO_TEST_PYTHON ?? here("../../.venv/bin/python");
const original = { DEMO_ORIGINAL: "1" };

// One red dot.
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

const PROGRAMS = {
  node: { language: "Node", command: () => [process.execPath, here("../../demo/node/server.mjs")] },
  python: { language: "Python", command: () => [python, here("../../demo/python/server.py")] },
  ...Object.fromEntries(
    ["serve", "hypercorn", "granian", "gunicorn"].map((name) => [
      `python-${name}`,
      { language: "Python", command: () => [python, here("serve.py"), name] },
    ]),
  ),
  rust: { language: "Rust", command: () => [newestRust()] },
  "original-node": { language: "Node", command: () => [process.execPath, here("../../demo/node/server.mjs")], env: original },
  "original-python": { language: "Python", command: () => [python, here("../../demo/python/server.py")], env: original },
};

const { values: options } = parseArgs({
  options: { face: { type: "string", multiple: true, default: ["node", "python", "python-serve", "rust"] }, verbose: { type: "boolean", default: false } },
});

// A browser in a container: no sandbox of its own, and no calls home.
const browser = await chromium.launch({
  executablePath: process.env.FERRIO_TEST_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const report = new Report(options.verbose);
for (const face of options.face) await playAll(face, PROGRAMS[face]);
await browser.close();
process.exit(report.close("browser"));

async function playAll(face, { language, command, env }) {
  let server;
  const chats = [];
  const test = (name, body) => report.test(`browser: ${face}: ${name}`, body);

  await test("the page comes and connects", async () => {
    server = await startProgram(command(), env);
    for (const name of ["Ada", "Grace"]) chats.push(await openChat(server.url, name));
    for (const chat of chats) await chat.shows("#language", language);
  });
  if (chats.length < 2) return server?.stop();
  const [ada, grace] = chats;

  await test("both change from polling to WebSocket", async () => {
    for (const chat of chats) {
      await chat.shows("#transport", "websocket");
      const asked = chat.requests();
      if (!asked.some((url) => url.includes("transport=polling"))) throw new Error("nothing was polled");
    }
  });

  await test("they meet in a room", async () => {
    for (const chat of chats) await chat.join("tea");
    for (const chat of chats) await chat.shows("#users", /Ada[\s\S]*Grace|Grace[\s\S]*Ada/);
  });

  await test("what one says the other reads, in order", async () => {
    await ada.say("Hello €");
    await grace.shows("#messages li >> nth=-1", /Hello €/);
    await grace.say("Grüße 🦀");
    await ada.shows("#messages li >> nth=-1", /Grüße 🦀/);
    for (const n of [1, 2, 3, 4, 5]) await ada.say(`number ${n}`);
    await grace.shows("#messages li >> nth=-1", /number 5/);
    const said = await grace.texts("#messages li .said");
    const numbers = said.filter((text) => text.startsWith("number")).join();
    if (numbers !== "number 1,number 2,number 3,number 4,number 5") throw new Error(`they came as ${numbers}`);
  });

  await test("one sees that the other is typing", async () => {
    await grace.page.locator("#text").pressSequentially("I am");
    await ada.shows("#typing", "Grace is typing");
    await grace.page.locator("#text").fill("");
    await ada.shows("#typing", "");
  });

  await test("an image arrives as it was", async () => {
    await ada.page.locator("#image").setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: PNG });
    await grace.page.waitForFunction(() => document.querySelector("#messages li img")?.naturalWidth === 1);
    const bytes = await grace.page.evaluate(async () => {
      const response = await fetch(document.querySelector("#messages li img").src);
      return [...new Uint8Array(await response.arrayBuffer())];
    });
    if (!Buffer.from(bytes).equals(PNG)) throw new Error(`it came as ${bytes.length} other bytes`);
  });

  await test("they come back after the server was restarted, and talk on", async () => {
    await server.stop();
    for (const chat of chats) await chat.shows("#status", /reconnecting/);
    await server.restart();
    for (const chat of chats) await chat.shows("#status", "connected");
    for (const chat of chats) await chat.shows("#transport", "websocket");
    for (const chat of chats) await chat.shows("#users", /Ada[\s\S]*Grace|Grace[\s\S]*Ada/);
    await grace.say("back again");
    await ada.shows("#messages li >> nth=-1", /back again/);
  });

  await test("no page had an error", () => {
    const errors = chats.flatMap((chat) => chat.errors);
    if (errors.length > 0) throw new Error(errors.join("\n"));
  });

  await Promise.all(chats.map((chat) => chat.page.context().close()));
  await server.stop();
}

/** A page in a browser profile of its own. */
async function openChat(url, name) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  const errors = [];
  const requests = [];
  page.on("pageerror", (error) => errors.push(`${name}: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  const shows = async (selector, expected) => {
    const end = Date.now() + 15_000;
    for (let seen; ; await page.waitForTimeout(25)) {
      seen = await page.locator(selector).textContent();
      if (typeof expected === "string" ? seen.trim() === expected : expected.test(seen)) return;
      if (Date.now() > end) throw new Error(`${name}'s ${selector} shows ${JSON.stringify(seen)}, not ${expected}`);
    }
  };
  await shows("#status", "connected");
  return {
    page,
    errors,
    shows,
    requests: () => requests,
    texts: (selector) => page.locator(selector).allTextContents(),
    async join(room) {
      await page.locator("#name").fill(name);
      await page.locator("#room").fill(room);
      await page.locator("#join").click();
    },
    async say(text) {
      await page.locator("#text").fill(text);
      await page.locator("#send").click();
    },
  };
}

function newestRust() {
  const built = ["debug", "fast", "release"].map((profile) => here(`../../target/${profile}/examples/ferrio-demo`)).filter(existsSync);
  if (built.length === 0) throw new Error("the Rust demo is not built: no target/*/examples/ferrio-demo");
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}
