/** Typed programs of other shapes: subclasses, helpers that are generic themselves, emitters, what the options take. */

import { EventEmitter, on } from "node:events";
import { createSecureServer } from "node:http2";
import { createServer as createSecure } from "node:https";
import {
  type BroadcastOperator,
  type DefaultEventsMap,
  type DisconnectReason,
  Namespace,
  type RemoteSocket,
  Server,
  type ServerOptions,
  Socket,
} from "socket.io";

interface Incoming {
  add: (a: number, b: number, answer: (sum: number) => void) => void;
  note: (text: string) => void;
}
interface Outgoing {
  noted: (text: string, at: Date) => void;
  confirm: (question: string, answer: (yes: boolean, why?: string) => void) => void;
  both: (value: string, answer: (error: Error, value: number) => void) => void;
}
interface Between {
  hello: (name: string, answer: (from: string) => void) => void;
  bye: () => void;
}
interface Data {
  user?: { id: number };
}
type App = Server<Incoming, Outgoing, Between, Data>;
type AppSocket = Socket<Incoming, Outgoing, Between, Data>;

class Chat extends Server<Incoming, Outgoing, Between, Data> {
  rooms = new Map<string, Set<AppSocket>>();
  say(text: string): boolean {
    return this.emit("noted", text, new Date());
  }
}
const chat: App = new Chat(createSecure(), { path: "/x", transports: ["polling"] });
const emitter: EventEmitter = chat.sockets;
void [emitter, new Server(createSecureServer()), new Server(0), new Server({ path: "/" }), new Server(undefined, {})];

function reply<S extends AppSocket>(socket: S, text: string): S {
  socket.emit("noted", text, new Date());
  return socket;
}

chat.on("connection", async (socket) => {
  reply(socket, "hi").join(["a", "b"]);
  socket.data.user = { id: 1 };
  // @ts-expect-error not a number
  socket.data.user = 1;
  socket.on("add", (a, b, answer) => answer(a + b));
  // @ts-expect-error the answer is a number
  socket.on("add", (_a, _b, answer) => answer("text"));
  socket.once("note", (text) => text.length);
  socket.on("disconnect", (reason, description) => {
    const why: DisconnectReason = reason;
    // @ts-expect-error no such reason
    const other: DisconnectReason = "tired";
    void [why, other, description];
  });
  socket.on("disconnecting", (reason) => reason.length);
  socket.on("error", (error) => error.message);
  socket.use(([name, ...args], next) => next(name === "note" ? undefined : new Error(String(args))));
  const yes: boolean = await socket.emitWithAck("confirm", "?");
  const timed: boolean = await socket.timeout(10).emitWithAck("confirm", "?");
  // @ts-expect-error it asks for no answer
  await socket.emitWithAck("noted", "x", new Date());
  // @ts-expect-error an argument is missing
  await socket.emitWithAck("confirm");
  socket.timeout(10).emit("confirm", "?", (error, yes, why) => {
    const e: Error = error;
    const y: boolean = yes;
    void [e, y, why?.length];
  });
  const all: boolean[] = await chat.timeout(10).emitWithAck("confirm", "?");
  const some: boolean[] = await chat.to("a").timeout(10).emitWithAck("confirm", "?");
  chat.to("a").emit("noted", "x", new Date());
  // @ts-expect-error a date, no text
  chat.in("a").except("b").emit("noted", "x", "today");
  // @ts-expect-error the whole server: an answer needs a timeout
  chat.emit("confirm", "?", () => {});
  void [yes, timed, all, some];
  const handshake = socket.handshake;
  const auth: { [key: string]: any } = handshake.auth;
  const address: string = handshake.address;
  const issued: number = handshake.issued;
  void [
    auth,
    address,
    issued,
    handshake.headers["x-any"],
    socket.request.url,
    socket.conn.transport.name,
    socket.client.conn.readyState,
  ];
  for (const room of socket.rooms) room.length;
  const inNamespace: Namespace<Incoming, Outgoing, Between, Data> = socket.nsp;
  void inNamespace;
});

chat.of("/typed").use((socket, next) => {
  socket.data.user = { id: 2 };
  next();
});
const other: Namespace<DefaultEventsMap, DefaultEventsMap, DefaultEventsMap, any> = new Server().of("/other");
other.on("connection", (socket) => socket.emit("anything", 1));

chat.on("hello", (name, answer) => answer(name));
chat.serverSideEmit("bye");
// @ts-expect-error an argument too many
chat.serverSideEmit("bye", 1);
// @ts-expect-error no such event
chat.serverSideEmit("add");

async function everybody(): Promise<RemoteSocket<Outgoing, Data>[]> {
  const sockets = await chat.fetchSockets();
  for (const socket of sockets) {
    socket.emit("noted", "x", new Date());
    socket.leave("a");
    const { user } = socket.data;
    void [user?.id, socket.handshake.query, socket.rooms.has("a")];
  }
  return sockets;
}
function target(operator: BroadcastOperator<Outgoing, Data>): void {
  operator.volatile.compress(true).local.emit("noted", "x", new Date());
  operator.socketsJoin(["a"]);
  operator.disconnectSockets(true);
}
target(chat.to("a"));

const options: Partial<ServerOptions> = {
  path: "/p",
  serveClient: false,
  connectTimeout: 1,
  pingInterval: 1,
  pingTimeout: 1,
  upgradeTimeout: 1,
  maxHttpBufferSize: 1,
  allowUpgrades: false,
  allowEIO3: true,
  perMessageDeflate: false,
  httpCompression: { threshold: 1 },
  cookie: { name: "io", httpOnly: true, sameSite: "strict", maxAge: 1 },
  cors: { origin: ["a"], credentials: true },
  allowRequest: (req, done) => done(null, req.headers.origin === undefined),
  cleanupEmptyChildNamespaces: true,
  connectionStateRecovery: { maxDisconnectionDuration: 1, skipMiddlewares: true },
  transports: ["polling", "websocket"],
  destroyUpgrade: false,
  destroyUpgradeTimeout: 1,
  addTrailingSlash: false,
};
// @ts-expect-error not text
const wrong: Partial<ServerOptions> = { pingInterval: "1" };

async function stream(socket: AppSocket): Promise<void> {
  for await (const [text] of on(socket, "note")) void text;
  void (socket instanceof Socket && socket instanceof EventEmitter);
}
const closed: Promise<void> = chat.close((error?: Error) => error?.message);
chat.engine.on("connection", (raw: { id: string }) => raw.id);
chat.engine.use((_req: unknown, _res: unknown, next: () => void) => next());
void [everybody, options, wrong, stream, closed, chat instanceof Namespace, chat.engine.clientsCount];
