// A. What comes before Engine.IO: bytes that are to be HTTP.
import { gzipSync } from "node:zlib";
import { answered, expect, megabytes, PATH, pause, POLLING, refused, SOON, together, UPGRADE, WEBSOCKET } from "../attack.mjs";

const HOST = "Host: x\r\n";
const post = (sid, headers) => `POST ${POLLING}&sid=${sid} HTTP/1.1\r\n${HOST}${headers}\r\n`;

export const inputs = [
  {
    id: "H-01",
    what: "headers that come a byte at a time, on many connections",
    async run(attack) {
      const sockets = await attack.hold(attack.scale(300, 5000), `GET ${POLLING} HTTP/1.1\r\n${HOST}X-Slow: `);
      await attack.holdsLessThan(64, async () => {
        for (let n = 0; n < attack.scale(3, 6); n++) {
          for (const socket of sockets) socket.write("a");
          await pause(attack.scale(50, 5000));
          await attack.honest();
        }
      });
    },
  },
  {
    id: "H-02",
    what: "bodies that come a byte at a time",
    async run(attack) {
      const { sid } = await attack.session({ transport: "polling" });
      const sockets = await attack.hold(attack.scale(200, 2000), post(sid, "Content-Length: 1000000\r\n"));
      await attack.holdsLessThan(64, async () => {
        for (let n = 0; n < 5; n++) {
          for (const socket of sockets) socket.write("4");
          await pause(attack.scale(20, 1000));
        }
        await attack.honest();
      });
    },
  },
  {
    id: "H-03",
    what: "too many headers, too long ones, none at all",
    async run(attack) {
      if (!attack.underUvicorn) {
        refused(await attack.tcp(`GET ${POLLING} HTTP/1.1\r\n${HOST}X: ${"x".repeat(1e6)}\r\n\r\n`), "a header of a megabyte");
        refused(await attack.tcp(`GET ${POLLING} HTTP/1.1\r\n${HOST}${"a: b\r\n".repeat(10_000)}\r\n`), "10,000 headers");
        answered(await attack.tcp(`GET ${WEBSOCKET} HTTP/1.1\r\n${HOST}${"a:b\r\n".repeat(2000)}${UPGRADE}\r\n`), "an Upgrade behind 2,000 headers");
      }
      answered(await attack.tcp(`GET ${POLLING} HTTP/1.1\r\n\r\n`), "no header");
    },
  },
  {
    id: "H-04",
    what: "a body over the limit, announced",
    async run(attack) {
      const { sid } = await attack.session({ transport: "polling" });
      const [socket] = await attack.hold(1, post(sid, "Content-Length: 100000000\r\n"));
      await attack.holdsLessThan(24, () => Promise.race([attack.flood(socket, megabytes(1), 95), pause(2000)]));
      const other = await attack.session({ transport: "polling" });
      refused(await attack.request("POST", `${POLLING}&sid=${other.sid}`, { body: "x".repeat(1_000_001) }), "a byte too many");
    },
  },
  {
    id: "H-05",
    what: "a body over the limit, in chunks of unknown length",
    async run(attack) {
      const { sid } = await attack.session({ transport: "polling" });
      const [socket] = await attack.hold(1, post(sid, "Transfer-Encoding: chunked\r\n"));
      const chunk = Buffer.concat([Buffer.from("100000\r\n"), megabytes(1), Buffer.from("\r\n")]);
      await attack.holdsLessThan(24, () => Promise.race([attack.flood(socket, chunk, 100), pause(2000)]));
    },
  },
  {
    id: "H-06",
    what: "more bytes than Content-Length says",
    async run(attack) {
      const { sid } = await attack.session({ transport: "polling" });
      const { statuses, closed } = await attack.tcp(`${post(sid, "Content-Length: 1\r\n")}3GARBAGE garbage\r\n\r\n`);
      expect(statuses[1] === 400 || (closed && statuses.length === 1), `the rest was answered with ${statuses[1] ?? "silence"}`);
    },
  },
  {
    id: "H-07",
    what: "Content-Length that is no length, or two",
    async run(attack) {
      for (const lines of ["Content-Length: -1", "Content-Length: +5", "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 0x5", "Content-Length: 99999999999999999999", "Content-Length: 5, 6"]) {
        const { sid } = await attack.session({ transport: "polling" });
        refused(await attack.tcp(`${post(sid, `${lines}\r\n`)}43333`, { quietMs: 200 }), JSON.stringify(lines));
      }
      const { sid } = await attack.session({ transport: "polling" });
      const { statuses } = await attack.tcp(`${post(sid, "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n")}1\r\n3\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(statuses[0] >= 400 || statuses.length < 3, "Content-Length beside Transfer-Encoding made three requests of two");
    },
  },
  {
    id: "H-08",
    what: "chunks whose sizes are none",
    async run(attack) {
      for (const size of ["FFFFFFFFFFFFFFFFF1", "0x5", "-1", "5 5", "g", "FFFFFFFFFFFFFFFF"]) {
        const { sid } = await attack.session({ transport: "polling" });
        const { outcome } = await attack.tcp(`${post(sid, "Transfer-Encoding: chunked\r\n")}${size}\r\n43333\r\n0\r\n\r\n`, { deadlineMs: 1000 });
        // The last is a number after all, and the chunk may still be coming.
        if (outcome !== "silence" || size.length !== 16) refused({ outcome }, `a chunk of ${size}`);
      }
      const { sid } = await attack.session({ transport: "polling" });
      const [socket] = await attack.hold(1, `${post(sid, "Transfer-Encoding: chunked\r\n")}1;ext=`);
      await attack.holdsLessThan(24, () => Promise.race([attack.flood(socket, megabytes(1), 64), pause(1500)]));
    },
  },
  {
    id: "H-09",
    what: "a Host that is missing, twice there, or garbage",
    async run(attack) {
      const hosts = ["", "Host: a\r\nHost: b\r\n", "Host: \r\n", "Host: [::1\r\n", "Host: a b\r\n", "Host: %%%\r\n", `Host: ${"h".repeat(5000)}\r\n`, "Host: \xff\xfe\r\n"];
      await together(hosts, async (lines) => {
        answered(await attack.tcp(`GET ${POLLING} HTTP/1.1\r\n${lines}\r\n`, SOON), JSON.stringify(lines).slice(0, 40));
        answered(await attack.tcp(`GET ${WEBSOCKET} HTTP/1.1\r\n${lines}${UPGRADE}\r\n`, SOON), `${JSON.stringify(lines).slice(0, 40)} on a WebSocket`);
      });
    },
  },
  {
    id: "H-10",
    what: "targets that are no paths",
    async run(attack) {
      const query = "?EIO=4&transport=polling";
      const targets = ["//", `//${query}`, `/socket.io${query}`, `/socket.io//${query}`, `http://x/socket.io/${query}`, "*", `${PATH}%zz${query}`, `${PATH}?%`, `${PATH}${query}&sid=%ff%zz%`, `/socket.io/\0${query}`, "\\", "?", `/socket.io/#${query}`, "http://[::1/socket.io/"];
      await together(targets, async (target) => answered(await attack.tcp(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`, SOON), JSON.stringify(target)));
    },
  },
  {
    id: "H-11",
    what: "methods that nobody asked for",
    async run(attack) {
      const { sid } = await attack.session({ transport: "polling" });
      await together(["PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "BREW", "post"], async (method) => {
        for (const target of [POLLING, `${POLLING}&sid=${sid}`]) {
          const { outcome } = await attack.tcp(`${method} ${target} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, { ...SOON, deadlineMs: 2000 });
          // engine.io says 500 to a method of no use for a session, and means it.
          if (outcome !== 500) answered({ outcome }, method);
        }
      });
    },
  },
  {
    id: "H-12",
    what: "queries that lie",
    async run(attack) {
      const other = await attack.session();
      const ids = ["", "__proto__", "constructor", "toString", "x".repeat(5000), "%00", "%ff", "..%2f", "null"];
      const wrong = [
        "EIO=4&transport=constructor", "EIO=4&transport=__proto__", "EIO=4&transport=webtransport", "EIO=4&transport=%ff",
        "EIO=3&transport=polling", ...ids.slice(1).map((sid) => `EIO=4&transport=polling&sid=${sid}`), `EIO=4&transport=polling&sid=${other.sid}`,
      ];
      for (const query of wrong) refused(await attack.request("GET", `${PATH}?${query}`), query.slice(0, 60));
      for (const query of ["EIO=4", "EIO=4&transport=", "EIO=4&transport=polling&transport=constructor", "transport=polling", "EIO=0&transport=polling", "EIO=2&transport=polling", "EIO=5&transport=polling", "EIO=4x&transport=polling", "EIO=3&EIO=4&transport=polling", "EIO=4&transport=polling&sid=", "EIO=4&transport=polling&j=x", "EIO=4&transport=polling&b64=true", "EIO=4&transport=polling&x[__proto__][y]=1"]) {
        answered(await attack.request("GET", `${PATH}?${query}`), query);
      }
      if (!attack.underUvicorn) refused(await attack.tcp(`GET ${POLLING}&sid=${"x".repeat(1e6)} HTTP/1.1\r\n${HOST}\r\n`), "a sid of a megabyte");
      await attack.echoes(await attack.peer());
    },
  },
  {
    id: "H-13",
    what: "origins that are none, or foreign",
    async run(attack) {
      const origins = ["null", "http://evil.example", "x".repeat(attack.underUvicorn ? 4000 : 12_000), "\x01\x02", "http://a\tb", "\xff", "http://[", "javascript:alert(1)"];
      await together(origins, async (origin) => {
        for (const head of [`GET ${POLLING} HTTP/1.1\r\n${HOST}`, `GET ${WEBSOCKET} HTTP/1.1\r\n${HOST}${UPGRADE}`]) {
          answered(await attack.tcp(`${head}Origin: ${origin}\r\nCookie: io=x\r\n\r\n`, SOON), `Origin ${JSON.stringify(origin).slice(0, 30)}`);
        }
      });
      if (!attack.underUvicorn) refused(await attack.tcp(`GET ${POLLING} HTTP/1.1\r\n${HOST}Origin: ${"x".repeat(64_000)}\r\n\r\n`), "an Origin of 64 KB");
    },
  },
  {
    id: "H-14",
    what: "X-Forwarded-* from somebody who is no proxy",
    elsewhere: "no face trusts a proxy; the rules of the origin check behind one are played in core/ferrio/src/net/cors.rs and bindings-python/tests/test_options.py",
  },
  {
    id: "H-15",
    what: "CR and LF on their way into answers; text that is a page",
    async run(attack) {
      for (const query of ["EIO=4&transport=%0d%0aX-Injected:1", "EIO=4&transport=polling&sid=%0d%0aX-Injected:%201%0d%0a%0d%0a", "EIO=%0d%0aX-Injected:1&transport=polling", "EIO=4&transport=polling&j=%0d%0aX-Injected:1", "EIO=4&transport=<script>alert(1)</script>", "EIO=4&transport=polling&sid=<script>alert(1)</script>"]) {
        const { reply } = await attack.tcp(`GET ${PATH}?${query} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
        const [head, body] = reply.split("\r\n\r\n");
        expect(!/^x-injected/im.test(head), `${query} wrote a header`);
        expect(!(/text\/html/i.test(head) && /<script/i.test(body ?? "")), `${query} wrote a page`);
      }
    },
  },
  {
    id: "H-16",
    what: "paths that climb out of the client's files",
    async run(attack) {
      const paths = ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "..%5c..%5cetc%5cpasswd", "socket.io.js.map/../../../package.json", "socket.io.js%00", "socket.io.js/", "%2fetc%2fpasswd", "socket.io.js%2f..%2f..%2fpackage.json"];
      await together(paths, async (path) => {
        const { outcome, reply } = await attack.tcp(`GET ${PATH}${path} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
        refused({ outcome }, path);
        expect(!/root:|"version"/.test(reply), `${path} brought a file`);
      });
      for (const headers of [{ range: "bytes=0-99999999999" }, { range: "bytes=-1,-2,-3,-4" }, { "if-none-match": '"x", W/"y", *' }, { "accept-encoding": `${"gzip;q=0.1,".repeat(500)}br` }]) {
        answered(await attack.request("GET", `${PATH}socket.io.js`, { headers }), JSON.stringify(headers).slice(0, 40));
        answered(await attack.request("HEAD", `${PATH}socket.io.js`, { headers }), `HEAD ${JSON.stringify(headers).slice(0, 40)}`);
      }
    },
  },
  {
    id: "H-17",
    what: "idle connections that are kept alive",
    async run(attack) {
      // Up to 24 KiB for each, all of which goes with it: hyper's two buffers of 8 KiB, and 8 of state.
      await attack.holdsLessThan(attack.scale(64, 240), async () => {
        await attack.hold(attack.scale(300, 10_000), `GET ${PATH}?EIO=4&transport=none HTTP/1.1\r\n${HOST}\r\n`);
        await attack.honest();
      });
    },
  },
  {
    id: "H-18",
    what: "TLS where none is spoken, and garbage",
    async run(attack) {
      const hello = Buffer.from("16030100fa010000f60303".padEnd(510, "00"), "hex");
      for (const bytes of [hello, Buffer.from("8080010301", "hex"), Buffer.alloc(2000, 0xff), Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("\r\n".repeat(1000)), Buffer.alloc(100_000)]) {
        const { outcome } = await attack.tcp([bytes], { deadlineMs: 500 });
        expect(outcome === "closed" || outcome === "silence" || (outcome >= 400 && outcome !== 500), `garbage was answered with ${outcome}`);
      }
    },
  },
  {
    id: "H-19",
    what: "compressed bodies are not unpacked",
    async run(attack) {
      const bomb = gzipSync(megabytes(200, "4"));
      for (const encoding of ["gzip", "deflate", "br", "gzip, gzip"]) {
        const peer = await attack.session({ transport: "polling" });
        await attack.holdsLessThan(24, () => attack.request("POST", `${POLLING}&sid=${peer.sid}`, { headers: { "content-encoding": encoding }, body: bomb }).then((answer) => answered(answer, encoding)));
      }
    },
  },
];
