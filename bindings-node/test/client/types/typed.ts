/** A program of a client with typed events: it need only compile. Lines that must not are marked. */

/** A program of a client with typed events: it need only compile. Lines that must not are marked. */
import byDefault, {
  connect,
  type DisconnectDescription,
  type ExtendedError,
  io,
  Manager,
  type ManagerOptions,
  type protocol,
  type Socket,
  type SocketOptions,
} from "socket.io-client";

interface ServerToClient {
  plain: (n: number, text: string) => void;
  question: (text: string, answer: (value: number) => void) => void;
  bytes: (bytes: Buffer) => void;
}

interface ClientToServer {
  hello: (name: string) => void;
  ask: (question: string, answer: (text: string, confidence: number) => void) => void;
  asks: (answer: (err: Error, value: boolean) => void) => void;
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

const options: Partial<ManagerOptions & SocketOptions> = {
  transports: ["websocket", "polling"],
  auth: { token: "x" },
  extraHeaders: { a: "b" },
  reconnectionDelayMax: 1000,
  query: { a: 1 },
  retries: 3,
  ackTimeout: 1000,
};
const socket: Socket<ServerToClient, ClientToServer> = io("http://localhost", options);
same<typeof socket.id, string | undefined>(true);
same<typeof protocol, number>(true);
same<ReturnType<typeof io>, Socket>(true);
const others: Socket[] = [
  io(),
  io(options),
  connect("http://localhost"),
  byDefault("http://localhost", { auth: (cb) => cb({}) }),
];

socket.on("connect", () => {});
socket.on("connect_error", (error) => same<typeof error, ExtendedError>(true));
socket.on("disconnect", (reason, details) => {
  same<typeof reason, Socket.DisconnectReason>(true);
  same<typeof details, DisconnectDescription | undefined>(true);
});
socket.on("plain", (n, text) => {
  same<typeof n, number>(true);
  same<typeof text, string>(true);
});
socket.once("question", (text, answer) => {
  same<typeof text, string>(true);
  answer(1);
  // @ts-expect-error the ack is typed
  answer("1");
});
// @ts-expect-error no such event
socket.on("unknown", () => {});
socket.off("plain").off().removeAllListeners();

same<ReturnType<typeof socket.emit>, typeof socket>(true);
socket.emit("hello", "x");
// @ts-expect-error arguments are typed
socket.emit("hello", 1);
// @ts-expect-error no such event
socket.emit("plain", 1, "x");
socket.emit("ask", "?", (text, confidence) => {
  same<typeof text, string>(true);
  same<typeof confidence, number>(true);
});
socket.timeout(1000).emit("ask", "?", (error, text, confidence) => {
  same<typeof error, Error>(true);
  same<typeof text, string>(true);
  same<typeof confidence, number>(true);
});
const answer: Promise<string> = socket.emitWithAck("ask", "?");
const timed = socket.timeout(1000).emitWithAck("ask", "?");
socket.volatile.compress(false).emit("hello", "x");
socket.send("anything", 1);

socket.onAny((name, ...args) => void [name, args]);
socket.offAny().prependAny(() => {});
socket.onAnyOutgoing((name) => void name).offAnyOutgoing();
const listeners: ((...args: any[]) => void)[] = socket.listenersAny();
socket.auth = { token: "y" };
socket.auth = (done) => done({ token: "z" });
const buffered = socket.sendBuffer.map(({ type, data, nsp, id }) => ({ type, data, nsp, id }));
const flags: boolean[] = [socket.connected, socket.disconnected, socket.active, socket.recovered];
socket.connect().open().disconnect().close();

const manager: Manager = new Manager("http://localhost", { autoConnect: false, timeout: 5 });
const typed: Manager<ServerToClient, ClientToServer> = socket.io;
const chat: Socket = manager.socket("/chat", { auth: { a: 1 } });
manager.on("reconnect_attempt", (attempt) => same<typeof attempt, number>(true));
manager.on("reconnect_error", (error) => same<typeof error, Error>(true));
manager.on("close", (reason) => same<typeof reason, string>(true));
manager.on("packet", ({ nsp }) => same<typeof nsp, string>(true));
// @ts-expect-error no such event
manager.on("unknown", () => {});
manager.reconnection(true).reconnectionAttempts(3).timeout(false).reconnectionDelay(1).randomizationFactor(0);
const settings: [boolean, number, number | boolean] = [
  manager.reconnection(),
  manager.reconnectionDelay(),
  manager.timeout(),
];
manager.opts.query = { n: 1 };
manager.opts.transports = ["polling"];
manager.open((error) => void error?.message).connect();
manager.engine.on("upgrade", (transport) => transport.name);
manager.engine.on("packet", ({ type, data }) => void [type, data]);
manager.engine.on("close", (reason) => void reason);
const state: string = manager.engine.transport.name + manager.engine.id + manager.engine.readyState;
const waiting: number = manager.engine.writeBuffer.length;
manager.engine.close();

// Without types, anything goes.
const loose = io("http://localhost");
loose.on("anything", (a, b) => loose.emit("else", a, b));
loose.emit("x", 1, (answered: string) => answered);
loose.emitWithAck("x").then((value) => value.anything);
void [others, answer, timed, listeners, buffered, flags, typed, chat, settings, state, waiting];
