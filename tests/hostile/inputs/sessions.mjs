// C. Engine.IO: sessions, upgrades, payloads, heartbeats.
import { randomBytes } from "node:crypto";
import { Peer } from "../../harness/peer.mjs";
import { answered, expect, PATH, pause, POLLING, refused, show, UPGRADE, WEBSOCKET } from "../attack.mjs";

const text = { "content-type": "text/plain;charset=UTF-8" };

export const inputs = [
  {
    id: "H-33",
    what: "a plain GET that says it is a WebSocket",
    async run(attack) {
      refused(await attack.request("GET", WEBSOCKET));
      refused(await attack.request("POST", WEBSOCKET, { body: "40" }));
    },
  },
  {
    id: "H-34",
    what: "upgrades to sessions that are unknown, closed, upgraded, or of another revision",
    async run(attack) {
      const closed = await attack.peer({ transport: "polling" });
      await closed.post("1");
      const upgraded = await attack.peer({ transport: "upgrade" });
      const other = await attack.peer({ transport: "polling" });
      const revisions = new Peer(attack.port, { query: { sid: other.sid }, eio: 3, pings: "manual" });
      if (await revisions.openSocket()) revisions.socket.send("2"); // the session goes on in its own revision
      revisions.drop();
      for (const [what, sid] of [["unknown", "A".repeat(20)], ["closed", closed.sid], ["on a WebSocket", upgraded.sid]]) {
        const peer = new Peer(attack.port, { query: { sid }, pings: "manual" });
        if (!(await peer.openSocket())) continue;
        peer.socket.send("2probe");
        const packet = await peer.next(1000);
        peer.drop();
        expect(packet === null || packet.closed !== undefined, `a session that is ${what} answered a probe with ${show(packet)}`);
      }
      await attack.echoes(upgraded);
      await attack.echoes(other);
    },
  },
  {
    id: "H-35",
    what: "upgrades that race, mislead, or are given up",
    server: "hasty",
    async run(attack) {
      const racing = await attack.peer({ transport: "polling" });
      const first = await racing.probe();
      const second = new Peer(attack.port, { query: { sid: racing.sid }, pings: "manual" });
      if (await second.openSocket()) second.socket.send("2probe");
      second.drop();
      first.drop();
      for (const words of [["2wrong"], ["5"], ["2probe", '42["echo",1]'], ["2probe", "5", "5"], [], ["2probe"]]) {
        const polling = await attack.peer({ transport: "polling" });
        const candidate = new Peer(attack.port, { query: { sid: polling.sid }, pings: "manual" });
        if (!(await candidate.openSocket())) continue;
        for (const word of words) candidate.socket.send(word);
        await pause(20);
        candidate.drop();
      }
      const silent = await attack.peer({ transport: "polling" });
      const candidate = await silent.probe();
      await attack.echoes(silent); // polling goes on while the probe is answered and silent
      candidate.drop();
      await attack.echoes(silent);
      for (let n = 0; n < attack.scale(200, 10_000); n++) {
        const abandoned = await attack.session({ transport: "polling" });
        (await abandoned.probe()).reset();
        await abandoned.post("1");
      }
    },
  },
  {
    id: "H-40",
    what: "two polls of one session at a time",
    async run(attack) {
      const peer = await attack.peer({ transport: "polling" });
      const polls = Array.from({ length: 2 }, () => attack.begin("GET", `${POLLING}&sid=${peer.sid}`).answer);
      const refusal = await Promise.race([...polls, pause(8000)]);
      expect(refusal !== undefined, "neither poll was refused");
    },
  },
  {
    id: "H-41",
    what: "two posts of one session at a time",
    async run(attack) {
      const peer = await attack.peer({ transport: "polling" });
      await attack.hold(1, `POST ${POLLING}&sid=${peer.sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42[`);
      await pause(50);
      answered(await attack.request("POST", `${POLLING}&sid=${peer.sid}`, { headers: text, body: '42["echo",1]' }));
    },
  },
  {
    id: "H-42",
    what: "polls and posts that are given up half way",
    async run(attack) {
      for (let n = 0; n < 20; n++) {
        const peer = await attack.peer({ transport: "polling" });
        const poll = attack.begin("GET", `${POLLING}&sid=${peer.sid}`);
        const [socket] = await attack.hold(1, `POST ${POLLING}&sid=${peer.sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42[`);
        await pause(5);
        poll.abort();
        socket.resetAndDestroy();
      }
    },
  },
  {
    id: "H-43",
    what: "a post of bytes, and of unknown content types",
    async run(attack) {
      for (const type of ["application/octet-stream", "", "x", "text/html", "multipart/form-data", "application/x-www-form-urlencoded; charset=x"]) {
        const peer = await attack.peer({ transport: "polling" });
        answered(await attack.request("POST", `${POLLING}&sid=${peer.sid}`, { headers: { "content-type": type }, body: "4x" }), `a post of ${type || "no type"}`);
      }
    },
  },
  {
    id: "H-44",
    what: "payloads that cannot be, or are very many packets",
    async run(attack) {
      const bodies = ["", "\x1e", "9", "x", "0{}", "6", "3probe", "2", '1\x1e42["echo",1]', "b!!!", "b4AQID", "b", "\ufeff4", "4\x1e".repeat(400_000), "3\x1e".repeat(400_000), Buffer.from([0x34, 0xed, 0xa0, 0x80]), Buffer.from([0xff, 0xfe]), `b${"A".repeat(900_000)}`];
      for (const body of bodies) {
        const peer = await attack.peer({ transport: "polling" });
        answered(await attack.holdsLessThan(48, () => attack.request("POST", `${POLLING}&sid=${peer.sid}`, { headers: text, body })), show(body.toString()));
      }
      await attack.honest();
    },
  },
  {
    id: "H-45",
    what: "payloads of version 3; JSONP",
    server: "eio3-calm",
    async run(attack) {
      if (attack.face.dialect !== "node") return "python-socketio has no version 3";
      const bodies = ["2:4", "99999999:4", "-1:4", "1e3:4", ":4", "5:4¼", `${"9".repeat(400_000)}:4`, "2:4¼".repeat(180_000), "2:422:42".repeat(100_000)];
      for (const body of bodies) {
        const peer = await attack.session({ transport: "polling", eio: 3 });
        answered(await attack.request("POST", `${PATH}?EIO=3&transport=polling&b64=1&sid=${peer.sid}`, { headers: text, body }), body.slice(0, 20));
      }
      for (const hex of ["00", `00${"09".repeat(400)}ff`, "01ff", "02", "0001ff", "0009ff3432", "000aff34"]) {
        const peer = await attack.session({ transport: "polling", eio: 3 });
        answered(await attack.request("POST", `${PATH}?EIO=3&transport=polling&sid=${peer.sid}`, { headers: { "content-type": "application/octet-stream" }, body: Buffer.from(hex, "hex") }), hex.slice(0, 20));
      }
      const { body } = await attack.request("GET", `${PATH}?EIO=3&transport=polling&j=0);alert(1`);
      expect(!body.includes("alert("), "JSONP runs the client's program");
    },
  },
  {
    id: "H-46",
    what: "pings that are not answered, twice, with a payload; a server that is pinged",
    server: "beating",
    async run(attack) {
      const mute = await attack.peer({ pings: "manual" });
      await attack.closed(mute, null, 20_000);
      const twice = await attack.peer({ pings: "manual" });
      for (let n = 0; n < 3; ) {
        if ((await attack.next(twice)) !== "2") continue;
        for (const pong of ["3", "3", "3payload"]) twice.socket.send(pong);
        n++;
      }
      const pinging = await attack.peer();
      pinging.socket.send("2");
      pinging.socket.send("2probe");
    },
  },
  {
    id: "H-47",
    what: "sessions that never CONNECT and never poll",
    server: "beating",
    async run(attack) {
      const count = attack.scale(500, 50_000);
      // 4 KiB for each.
      await attack.holdsLessThan(attack.scale(64, 200), async () => {
        for (let n = 0; n < count / 2; n++) await attack.request("GET", POLLING);
        const silent = await attack.hold(count / 2, `GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
        // They answer no ping either. A close frame is enough: some servers wait for the answer to it.
        const stays = (socket) => !socket.closed && !socket.readableEnded && socket.said?.[0] !== 0x88;
        for (const end = Date.now() + 20_000; silent.some(stays); await pause(20)) expect(Date.now() < end, "a session that never joined a namespace stays");
      });
    },
  },
  {
    id: "H-48",
    what: "session ids that are guessed",
    async run(attack) {
      const [socket] = await attack.hold(1, "");
      let refusals = 0;
      socket.on("data", (data) => (refusals += data.toString("latin1").split("HTTP/1.1 400").length - 1));
      const count = attack.scale(1000, 100_000);
      await attack.holdsLessThan(24, async () => {
        for (let n = 1; n <= count; n++) {
          socket.write(`GET ${POLLING}&sid=${randomBytes(15).toString("base64url")} HTTP/1.1\r\nHost: x\r\n\r\n`);
          for (const end = Date.now() + 8000; refusals < n - 50 && Date.now() < end; ) await new Promise(setImmediate);
        }
        for (const end = Date.now() + 8000; refusals < count && Date.now() < end; ) await pause(5);
      });
      expect(refusals === count, `${count - refusals} of ${count} guesses were not refused`);
    },
  },
  {
    id: "H-49",
    what: "a connection that ends while a thousand packets wait for it",
    async run(attack) {
      for (const transport of ["websocket", "polling"]) {
        const peer = await attack.peer({ transport });
        peer.socket?.pause();
        await peer.send(['42["burst",1000]', '42["server-disconnect",true]']);
        peer.drop();
      }
      const upgrading = await attack.peer({ transport: "polling" });
      const candidate = await upgrading.probe();
      await upgrading.send(['42["burst",1000]', '42["server-disconnect",true]']);
      candidate.send("5");
      await pause(20);
      candidate.drop();
    },
  },
  {
    id: "H-50",
    what: "WebTransport, which is not offered",
    async run(attack) {
      refused(await attack.request("GET", `${PATH}?EIO=4&transport=webtransport`));
      refused(await attack.tcp(`CONNECT ${PATH} HTTP/1.1\r\nHost: x\r\n:protocol: webtransport\r\n\r\n`, { deadlineMs: 1000 }));
    },
  },
];
