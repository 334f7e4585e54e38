// E. Clients that keep all rules and take more than their share, and programs that do not end well.
import { startFace } from "../../harness/face.mjs";
import { openWebSocket } from "../../harness/websocket.mjs";
import { expect, pause, POLLING, WEBSOCKET } from "../attack.mjs";

const hundredKilobytes = "x".repeat(100_000);

export const inputs = [
  {
    id: "H-63",
    what: "a member of a room who reads nothing while the room is busy",
    async run(attack) {
      const slow = await attack.peer();
      const speaker = await attack.peer();
      await attack.ask(slow, "join", "busy");
      slow.socket.pause();
      await attack.holdsLessThan(40, async () => {
        for (let n = 0; n < attack.scale(700, 5000); n++) {
          speaker.socket.send(`42["bcast","busy","${hundredKilobytes}"]`);
          if (n % 20 === 0) await attack.ask(speaker, "ack", n);
        }
        await attack.ask(speaker, "ack", "done");
      });
      await attack.echoes(speaker);
    },
  },
  {
    id: "H-64",
    what: "a polling client that never polls again",
    async run(attack) {
      const peer = await attack.peer({ transport: "polling" });
      await attack.holdsLessThan(40, async () => {
        for (let n = 0; n < 70; n++) {
          const { status } = await peer.post(`42["echo","${"x".repeat(900_000)}"]`);
          if (status !== 200) break;
        }
      });
    },
  },
  {
    id: "H-65",
    what: "rooms without end",
    async run(attack) {
      const peer = await attack.peer();
      for (let n = 0; n < attack.scale(50, 1000); n++) await attack.ask(peer, "join", Array.from({ length: 1000 }, (_, room) => `${n}-${room}`));
      const other = await attack.peer();
      peer.drop();
      // Those who come and go beside it are not made to wait for all of its rooms.
      for (let n = 0; n < 20; n++) await attack.honest();
      await attack.echoes(other);
    },
  },
  {
    id: "H-66",
    what: "clients that come and go",
    async run(attack) {
      await attack.holdsLessThan(24, async () => {
        for (let n = 0; n < attack.scale(150, 100_000); n++) await attack.honest({ transport: n % 2 ? "websocket" : "polling" });
      });
    },
  },
  {
    id: "H-67",
    what: "questions to clients that never answer, or leave",
    async run(attack) {
      const peers = await Promise.all(Array.from({ length: 10 }, () => attack.peer()));
      await Promise.all(peers.map((peer) => attack.ask(peer, "join", "asked")));
      await attack.holdsLessThan(32, async () => {
        for (let n = 0; n < attack.scale(2000, 100_000); n++) {
          peers[0].socket.send(`42["emit-ack",600000,"${"x".repeat(5000)}"]`);
          if (n % 100 === 0) await attack.ask(peers[1], "ack", n);
        }
        await peers[1].send(['42["bcast-ack","asked",300,1]']);
        for (const peer of peers.filter((_, n) => n !== 1)) peer.drop();
        for (let packet; !(packet = await attack.next(peers[1])).startsWith?.('42["answers","timeout"'); ) expect(packet.closed === undefined, "it was closed");
      });
    },
  },
  {
    id: "H-68",
    what: "volatile events, with bytes, to somebody who reads nothing",
    async run(attack) {
      const peer = await attack.peer();
      peer.socket.pause();
      await attack.holdsLessThan(40, async () => {
        for (let n = 0; n < attack.scale(80, 500); n++) {
          peer.socket.send('451-["volatile",{"_placeholder":true,"num":0}]');
          peer.socket.send(Buffer.alloc(900_000));
          if (!(await peer.socket.drained(1000))) break;
        }
      });
    },
  },
  {
    id: "H-69",
    what: "events kept for those who may come back",
    server: "recovery",
    async run(attack) {
      const speaker = await attack.session();
      const { pid } = await attack.join(speaker);
      if (pid === undefined) return "it has no connection state recovery";
      const gone = await Promise.all(Array.from({ length: 20 }, () => attack.session()));
      for (const peer of gone) {
        await attack.join(peer);
        await peer.send(['429["join","away"]']);
        for (let packet; !(packet = await attack.next(peer)).startsWith?.("439["); ) expect(packet.closed === undefined, "it was closed");
        peer.socket.reset();
      }
      await attack.holdsLessThan(110, async () => {
        for (let n = 0; n < attack.scale(260, 1000); n++) {
          speaker.socket.send(`42["bcast","away","${"x".repeat(950_000)}"]`);
          await speaker.socket.drained();
        }
        await speaker.send(['429["ack",1]']);
        for (let packet; !(packet = await attack.next(speaker)).startsWith?.("439["); ) expect(packet.closed === undefined, "it was closed");
      });
    },
  },
  {
    id: "H-70",
    what: "a server that is told to end in the middle of everything",
    async run(attack) {
      const server = await startFace(attack.face, "calm");
      const other = attack.at(server);
      await Promise.all([
        other.peer(), other.peer({ transport: "upgrade" }), other.session(), other.session({ transport: "polling" }),
        other.peer({ transport: "polling" }).then((peer) => peer.probe()),
        // Who waits for a handler that never comes to an end is given some seconds.
        other.session().then((peer) => peer.send(attack.scale(["40/slow,"], ["40/slow,", "40/silent,"]))),
        other.peer({ transport: "polling" }).then((peer) => void other.begin("GET", `${POLLING}&sid=${peer.sid}`)),
        other.peer().then((peer) => peer.send(['42["emit-ack",60000,1]', '42["burst",2000]'])),
      ]);
      process.kill(server.pid, "SIGTERM");
      const status = await Promise.race([server.exited, pause(15_000).then(() => "nothing")]);
      await server.stop();
      other.end();
      // uvicorn has done what the signal asks for and then raises it again.
      expect(status === 0 || (status === "SIGTERM" && attack.underUvicorn), `told to end, it did with ${status}`);
    },
  },
  {
    id: "H-71",
    what: "handlers that throw, answer twice, answer too late",
    elsewhere: "the program's own mistakes: played in each package, against the original (bindings-node/test/programs, bindings-python/tests/test_handlers.py, core/ferrio/tests/face)",
  },
  {
    id: "H-72",
    what: "a program that stands still: heartbeats go on",
    server: "beating",
    async run(attack) {
      const pings = [];
      let socket;
      const onItem = ({ text, closed }) => {
        if (closed !== undefined) pings.push("closed");
        if (text?.[0] === "0") socket.send("40");
        if (text !== "2") return;
        pings.push("ping");
        socket.send("3");
      };
      ({ socket } = await openWebSocket(attack.port, WEBSOCKET, { onItem: (item) => setImmediate(onItem, item) }));
      const blocker = await attack.peer();
      await pause(300);
      const since = pings.length;
      await blocker.send(['42["block",2000]']);
      await pause(1900);
      const during = pings.length - since;
      await attack.echoes(blocker);
      socket.drop();
      expect(!pings.includes("closed"), "a client that kept all rules was dropped");
      expect(during >= 3, `${during} heartbeats in two seconds, where six are due`);
    },
  },
  {
    id: "H-73",
    what: "the admin namespace",
    elsewhere: "ferrio has none; npm's @socket.io/admin-ui runs on it unchanged (bindings-node/test/ecosystem.test.mjs) and checks its users itself",
  },
  {
    id: "H-74",
    what: "garbage from the message queue",
    elsewhere: "Node's adapters are npm's own; Python's managers read JSON and never pickles, and drop what they cannot read (bindings-python/tests/test_own_json.py)",
  },
  {
    id: "H-75",
    what: "a client that makes the server write a log without end",
    async run(attack) {
      const before = attack.logged();
      for (let n = 0; n < attack.scale(60, 1000); n++) {
        const peer = await attack.session();
        await peer.send(["40", '42["x"', "4xyz", '451-["a"]', "secret-of-a-client"]);
        await peer.socket.drained();
        peer.drop();
        await attack.request("GET", "/socket.io/?EIO=4&transport=secret-of-a-client");
      }
      await pause(100);
      const grown = attack.logged() - before;
      expect(grown < 20_000, `${Math.round(grown / 1000)} kB of log for ${attack.scale(60, 1000)} clients`);
      expect(!attack.log().includes("secret-of-a-client"), "what a client sent stands in the log");
    },
  },
  {
    id: "H-76",
    what: "the session cookie",
    elsewhere: "an option, off in the faces: attributes, escaping and the first answer only are played against the originals (bindings-node/test/http.test.mjs, bindings-python/tests/compared/programs/cookies.py, core/embed/src/options.rs)",
  },
  {
    id: "H-77",
    what: "a client that is not allowed, over each transport",
    elsewhere: "an option, off in the faces: played for polling, WebSocket and upgrade (bindings-node/test/http.test.mjs, bindings-node/test/native-listener.test.mjs, core/ferrio/tests/face/connect.rs)",
  },
];
