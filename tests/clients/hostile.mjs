// Servers that are none, break rules, fall silent or flap: node tests/clients/hostile.mjs --client rust [--filter words] [--verbose]
//
// Whatever they do: the client says that something is wrong, costs nobody anything, and is there again when they are honest.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Report } from "../harness/report.mjs";
import { answer, Enemy, frame, open } from "./enemy.mjs";
import { findProgram, Program } from "./programs.mjs";

const { values: options } = parseArgs({
  options: {
    client: { type: "string", default: "rust" },
    filter: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});

const MEGABYTE = 1 << 20;
const POLLING = ["polling"];
const WEBSOCKET = ["websocket"];
const QUICKLY = { delay: [5, 20] };

/** Each is played with a program of its own at hand, and `begin`, which makes a client for an enemy. */
const CASES = {
  async "servers that are none"({ begin }) {
    const answers = {
      "a page": answer("<html></html>", { headers: ["content-type: text/html"] }),
      "a status": answer("gone", { status: "404 Not Found" }),
      "an error": answer("<h1>oops</h1>", { status: "502 Bad Gateway" }),
      "a redirection": answer("", { status: "302 Found", headers: ["location: http://127.0.0.1:1/"] }),
      "what is compressed": answer("x", { headers: ["content-encoding: gzip"] }),
      "101 to everybody": "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
      "another protocol": "SSH-2.0-OpenSSH_9.6\r\n",
      nothing: "",
      "a broken body": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "two lengths": "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
      "a head of bytes": Buffer.from([0, 1, 2, 255, 13, 10, 13, 10]),
    };
    for (const [what, bytes] of Object.entries(answers)) {
      for (const transports of [POLLING, WEBSOCKET]) {
        await isNoServer(begin, transports, async (connection) => {
          await connection.head();
          connection.finish(bytes);
        }, `${what} by ${transports}`);
      }
    }
  },

  async "handshakes that are none"({ begin }) {
    const handshake = (fields) => `0${JSON.stringify({ sid: "a", upgrades: [], pingInterval: 25e3, pingTimeout: 20e3, ...fields })}`;
    const bodies = ["", "0", "0{}", "0[]", "4hello", "6", "x", "\x1e", "0{", handshake({ pingInterval: "25000" }), handshake({ sid: "" })];
    for (const body of bodies) {
      await isNoServer(begin, POLLING, async (connection) => {
        await connection.head();
        connection.send(answer(body));
      }, `${JSON.stringify(body)} by polling`);
      await isNoServer(begin, WEBSOCKET, async (connection) => {
        connection.accept(await connection.head());
        connection.text(body);
      }, `${JSON.stringify(body)} by WebSocket`);
    }
  },

  async "a server that accepts and says nothing"({ begin }) {
    for (const transports of [POLLING, WEBSOCKET]) {
      await isNoServer(begin, transports, (connection) => connection.gone(), `${transports}`, { timeout: 50 });
    }
    // Or stops in the middle: of a head, of a body, of a WebSocket's first frame.
    for (const start of ["HTTP/1.1 200 O", `HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n${open().slice(0, 20)}`]) {
      await isNoServer(begin, POLLING, async (connection) => {
        await connection.head();
        connection.send(start);
      }, JSON.stringify(start), { timeout: 50 });
    }
    await isNoServer(begin, WEBSOCKET, async (connection) => {
      connection.accept(await connection.head());
      connection.send(frame(0x81, open().slice(0, 20), 100));
    }, "half a frame", { timeout: 50 });
  },

  async "answers without end"({ begin, memory }) {
    const before = await memory();
    const chunk = Buffer.alloc(64 << 10, "x");
    await isNoServer(begin, POLLING, async (connection) => {
      await connection.head();
      connection.send("HTTP/1.1 200 OK\r\n");
      await connection.endlessly(Buffer.from(`${"x".repeat(1000)}: ${"y".repeat(7000)}\r\n`));
    }, "a head");
    await isNoServer(begin, WEBSOCKET, async (connection) => {
      await connection.head();
      await connection.endlessly(chunk);
    }, "no head at all");
    const grown = (await memory()) - before;
    assert.ok(grown < 64 * MEGABYTE, `it has grown by ${grown} bytes`);
  },

  async "frames that are none"({ begin }) {
    const frames = {
      "a text that is none": frame(0x81, Buffer.from([0xff])),
      "a reserved type": frame(0x83),
      "a compressed one": frame(0xc1, "x"),
      "the end of what was not begun": frame(0x80, "x"),
      "half a close code": frame(0x88, Buffer.from([3])),
      "a long ping": frame(0x89, Buffer.alloc(126)),
      "a ping in parts": frame(0x09, "x"),
      "a masked one": Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x36]),
      "2^63 bytes": Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
      "more than anybody takes": frame(0x82, "x", 2 ** 40),
    };
    for (const [what, bytes] of Object.entries(frames)) {
      await breaksOff(begin, (connection) => connection.send(bytes), what, /^(transport error|transport close|parse error)$/);
    }
  },

  async "packets that are none"({ begin }) {
    const texts = ["4", "49", "42", "42{}", '42["x"', "42[]", "42[1,", '4511-["x"]', '45x-["x"]', '451-["x",{"_placeholder":true,"num":7}]', "43[]", "43x[]", "7", "44", "40["];
    for (const text of texts) {
      await breaksOff(begin, (connection) => {
        connection.text(text);
        // Of some of them an attachment is still to come; what comes instead is none.
        connection.text('42["x"]');
      }, JSON.stringify(text), /./);
    }
    await breaksOff(begin, (connection) => connection.send(frame(0x82, "x")), "bytes that were not announced", /./);
  },

  async "packets that are nobody's"({ begin }) {
    const enemy = await Enemy.listen(async (connection) => {
      await connection.welcome();
      for (const text of ["4399[1]", '42/other,["x"]', '44/other,{"message":"no"}', "41/other,", '40/other,{"sid":"y"}', "43/other,1[]", "6"]) {
        connection.text(text);
      }
      for (let n = 0; n < 1000; n++) connection.text('44{"message":"no"}');
      connection.text('42["still here"]');
      await connection.serve();
    });
    const client = begin(enemy, WEBSOCKET);
    await client.next("connect");
    assert.deepEqual(await client.message("still here"), []);
    assert.deepEqual(await client.ask("are you there"), []);
    assert.equal(client.seen("disconnect").length + client.seen("message").length, 0);
    client.disconnect();
    await enemy.close();
  },

  async "a message that is announced and does not come"({ begin, memory }) {
    const enemy = await Enemy.listen(async (connection) => {
      await connection.welcome();
      connection.send(frame(0x82, "x", 90 * MEGABYTE));
      await connection.gone();
    });
    const before = await memory();
    const clients = Array.from({ length: 20 }, () => begin(enemy, WEBSOCKET));
    for (const client of clients) await client.next("connect");
    const grown = (await memory()) - before;
    for (const client of clients) client.disconnect();
    await enemy.close();
    assert.ok(grown < 64 * MEGABYTE, `20 announcements cost ${grown} bytes`);
  },

  async "polls of rubbish"({ begin }) {
    for (const body of ["x", "\x1e\x1e", "42[", "b!", "9".repeat(100_000), Buffer.from([0xff, 0xfe])]) {
      // Of each session by itself: a poll may be on its way when its session ends.
      const polls = [];
      const enemy = await Enemy.listen(async (connection) => {
        for (;;) {
          const head = await connection.head();
          const session = /sid=(\d+)/.exec(head)?.[1];
          if (session === undefined) connection.send(answer(open(60_000, `${polls.push(0) - 1}`)));
          // A POST's body is of no interest: the next head is looked for behind it.
          else if (head.startsWith("POST")) connection.send(answer("ok"));
          else connection.send(answer(polls[session]++ === 0 ? '40{"sid":"x"}' : body));
        }
      });
      const client = begin(enemy, POLLING);
      await client.next("connect");
      await client.next("disconnect");
      await client.next("connect");
      client.disconnect();
      await enemy.close();
    }
  },

  async "a server that falls silent"({ begin }) {
    const enemy = await Enemy.listen(async (connection) => {
      await connection.welcome(25);
      await connection.gone();
    });
    const client = begin(enemy, WEBSOCKET);
    for (let n = 0; n < 3; n++) {
      await client.next("connect");
      const { reason } = await client.next("disconnect");
      // python-socketio's clients have no word of their own for it.
      assert.ok(reason === "ping timeout" || (options.client.startsWith("python") && reason === "transport error"), reason);
    }
    client.disconnect();
    await enemy.close();
  },

  async "two hundred times back, one connection at a time, and memory stays flat"({ begin, memory }) {
    const enemy = await Enemy.listen(async (connection, number) => {
      await connection.welcome();
      // Now in the middle of a frame, now between two, now as soon as the client is in.
      if (number % 3 === 1) connection.send(frame(0x81, "4", 100));
      if (number % 3 === 2) connection.text('42["hello",1]');
      connection.end();
    });
    const client = begin(enemy, WEBSOCKET, { delay: [1, 2] });
    const back = async (times) => {
      for (let n = 0; n < times; n++) {
        await client.next("connect");
        await client.next("disconnect");
        client.emit("waits", n);
      }
    };
    await back(50);
    const before = await memory();
    await back(200);
    const grown = (await memory()) - before;
    assert.ok(grown < 8 * MEGABYTE, `200 reconnections cost ${grown} bytes`);
    client.disconnect();
    assert.equal(enemy.most, 1, "there was a second connection");
    await enemy.close();
  },

  async "it shows its credentials anew at each return"({ begin }) {
    const shown = [];
    const enemy = await Enemy.listen(async (connection) => {
      shown.push(JSON.parse(await connection.welcome()).token);
      // Until it is asked to go.
      await connection.message();
      connection.end();
    });
    const client = begin(enemy, WEBSOCKET, { auth: { token: 0 } });
    for (let n = 1; n <= 3; n++) {
      await client.next("connect");
      client.auth({ token: n });
      client.emit("go");
      await client.next("disconnect");
    }
    await client.next("connect");
    assert.deepEqual(shown, [0, 1, 2, 3]);
    client.disconnect();
    await enemy.close();
  },

  async "what waits keeps its order while the server flaps"({ begin }) {
    const heard = [];
    const enemy = await Enemy.listen(async (connection, number) => {
      await connection.welcome();
      let left = number < 30 ? 1 + (number % 4) : Number.POSITIVE_INFINITY;
      await connection.serve(([name, n]) => {
        if (name === "seq") heard.push(n);
        if (--left <= 0) connection.end();
      });
    });
    const client = begin(enemy, WEBSOCKET, { delay: [1, 5] });
    for (let n = 0; n < 300; n++) client.emit("seq", n);
    // What is on the way when the connection breaks is lost; answered once, the client is through with the rest.
    while (!(await client.askWithin(1000, "done").then(() => true, () => false)));
    const sorted = [...new Set(heard)].sort((a, b) => a - b);
    assert.deepEqual(heard, sorted, "something came twice, or too early");
    client.disconnect();
    await enemy.close();
  },

  async "with retries all arrives, in order, while the server flaps"({ begin }) {
    const heard = [];
    const enemy = await Enemy.listen(async (connection, number) => {
      await connection.welcome();
      let left = number < 30 ? 1 + (number % 3) : Number.POSITIVE_INFINITY;
      await connection.serve(([, n]) => {
        heard.push(n);
        if (--left <= 0) connection.end();
      });
    });
    const client = begin(enemy, WEBSOCKET, { delay: [1, 5], retries: 1000, ackTimeout: 15_000 });
    const answers = Array.from({ length: 60 }, (_, n) => client.ask("seq", n));
    await Promise.all(answers);
    const once = heard.filter((n, at) => n !== heard[at - 1]);
    assert.deepEqual(once, Array.from({ length: 60 }, (_, n) => n));
    client.disconnect();
    await enemy.close();
  },

  async "what waits goes out before the goodbye, which is a payload of its own"({ begin }) {
    const posts = [];
    const words = [open()];
    let poll;
    const say = (word) => (poll ? poll.end(word) : words.push(word), (poll = undefined));
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const server = createServer(async (request, response) => {
      if (request.method === "GET") return words.length > 0 ? response.end(words.shift()) : (poll = response);
      const post = (await request.toArray()).join("");
      posts.push(post);
      if (post === '42["first"]') await released;
      response.end("ok");
      if (post.startsWith("40")) say('40{"sid":"s"}');
      if (post === "1") say("6");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = begin({ url: `http://127.0.0.1:${server.address().port}` }, POLLING);
    await client.next("connect");
    client.emit("first");
    while (posts.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    client.emit("second");
    client.disconnect();
    setTimeout(release, 100);
    while (posts.at(-1) !== "1") await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(posts.slice(1), ['42["first"]', '42["second"]\x1e41', "1"]);
    server.closeAllConnections();
    server.close();
  },

  async "a client that gives up on a server leaves nothing open"({ begin }) {
    const enemy = await Enemy.listen((connection) => connection.gone());
    const clients = [POLLING, WEBSOCKET].map((transports) => begin(enemy, transports, { timeout: 50 }));
    for (const client of clients) {
      await client.next("connect_error");
      client.disconnect();
    }
    // Whoever is gone has closed: a connection that stays would keep us here.
    while (enemy.open > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await enemy.close();
  },
};

const NEEDS = {
  "it shows its credentials anew at each return": ["auth"],
  "what waits keeps its order while the server flaps": ["buffer"],
  "with retries all arrives, in order, while the server flaps": ["retries", "questions in order"],
  "two hundred times back, one connection at a time, and memory stays flat": ["buffer"],
};

/** The client says that there is no server, tries again, and is not there for it when there is one. */
async function isNoServer(begin, transports, behave, what, more) {
  const enemy = await Enemy.listen(behave);
  const client = begin(enemy, transports, more);
  try {
    for (let n = 0; n < 2; n++) {
      const error = await client.next("connect_error");
      assert.ok(!error.refused && error.message, `${what}: ${JSON.stringify(error)}`);
    }
    assert.equal(client.seen("connect").length, 0, what);
  } catch (error) {
    throw new Error(`${what}: ${error.message}`, { cause: error });
  } finally {
    client.disconnect();
    await enemy.close();
  }
}

/** The client, once in, breaks off for what the server does then, and comes back to it when it is honest. */
async function breaksOff(begin, behave, what, reasons) {
  let good = 0;
  const enemy = await Enemy.listen(async (connection, number) => {
    await connection.welcome();
    if (number === 0) return behave(connection);
    good++;
    await connection.serve();
  });
  const client = begin(enemy, WEBSOCKET);
  try {
    await client.next("connect");
    const { reason } = await client.next("disconnect");
    assert.match(reason, reasons);
    await client.next("connect");
    await client.ask("are you there");
    assert.equal(good, 1);
  } catch (error) {
    throw new Error(`${what}: ${error.message}`, { cause: error });
  } finally {
    client.disconnect();
    await enemy.close();
  }
}

const found = findProgram(options.client);
const report = new Report(options.verbose);
for (const [name, play] of Object.entries(CASES)) {
  const title = `hostile servers: ${options.client}: ${name}`;
  if (!title.includes(options.filter)) continue;
  const program = await new Program(found).ready();
  const missing = (NEEDS[name] ?? []).find((word) => program.cannot.includes(word));
  if (missing) {
    report.skip(title, `this client has no ${missing}`);
    await program.kill();
    continue;
  }
  const begin = (enemy, transports, more = {}) => program.client({ url: enemy.url, transports, ...QUICKLY, ...more });
  // Of a client that never gets anywhere, to be asked for the program's memory.
  let witness;
  const memory = async () => {
    witness ??= program.client({ url: "http://127.0.0.1:1", reconnection: false });
    return (await witness.state()).memory;
  };
  await report.test(title, async () => {
    await play({ begin, memory });
    assert.equal(await program.end(), 0, "how the program ends");
  });
  await program.kill();
}
process.exit(report.close(options.client));
