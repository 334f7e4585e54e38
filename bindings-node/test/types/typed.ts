/** A program with typed events: it need only compile. Lines that must not are marked. */

import { once } from "node:events";
import { createServer } from "node:http";
import {
  type BroadcastOperator,
  type DefaultEventsMap,
  type DisconnectReason,
  type Event,
  type ExtendedError,
  type Namespace,
  type RemoteSocket,
  Server,
  type ServerOptions,
  type Socket,
} from "socket.io";

interface ClientToServer {
  hello: (name: string) => void;
  ask: (question: string, answer: (text: string, confidence: number) => void) => void;
}

interface ServerToClient {
  plain: (n: number, text: string) => void;
  question: (text: string, answer: (value: number) => void) => void;
  bytes: (bytes: Buffer) => void;
}

interface BetweenServers {
  ping: (from: string) => void;
}

interface Data {
  name: string;
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

const options: Partial<ServerOptions> = { pingInterval: 1000, cors: { origin: "*" }, transports: ["websocket"] };
const io = new Server<ClientToServer, ServerToClient, BetweenServers, Data>(createServer(), options);

io.on("connection", (socket) => {
  same<typeof socket, Socket<ClientToServer, ServerToClient, BetweenServers, Data>>(true);
  socket.data.name = "x";
  // @ts-expect-error data is typed
  socket.data.other = 1;

  socket.on("hello", (name) => same<typeof name, string>(true));
  socket.on("ask", (question, answer) => {
    answer(question, 1);
    // @ts-expect-error the ack is typed
    answer(1);
  });
  // @ts-expect-error no such event
  socket.on("unknown", () => {});
  socket.on("disconnect", (reason) => same<typeof reason, DisconnectReason>(true));

  socket.emit("plain", 1, "a");
  // @ts-expect-error arguments are typed
  socket.emit("plain", "a");
  // @ts-expect-error no such event
  socket.emit("hello", "x");
  socket.emit("question", "?", (value) => same<typeof value, number>(true));
  socket.timeout(1000).emit("question", "?", (error, value) => {
    same<typeof error, Error>(true);
    same<typeof value, number>(true);
  });
  const answer: Promise<number> = socket.emitWithAck("question", "?");
  const timed: Promise<number> = socket.timeout(1000).emitWithAck("question", "?");
  void [answer, timed];

  socket.to("room").emit("plain", 1, "a");
  socket.broadcast.timeout(1000).emit("question", "?", (error, values) => {
    same<typeof error, Error>(true);
    same<typeof values, number[]>(true);
  });
  const operator: BroadcastOperator<ServerToClient, Data> = socket.to(["a", "b"]).except("c").volatile;
  void operator;

  socket.use((event, next) => {
    same<typeof event, Event>(true);
    next(new Error(event[0]));
  });
  socket.onAny((event, ...args) => void [event, args]);
  socket.volatile.compress(false).emit("bytes", Buffer.alloc(1));
  void once(socket, "disconnect");
});

io.use((socket, next) => {
  same<typeof socket.data, Data>(true);
  const error: ExtendedError = new Error("no");
  error.data = { code: 1 };
  next(error);
});

io.emit("plain", 1, "a");
// @ts-expect-error answers to a broadcast need a timeout
io.emit("question", "?", () => {});
io.timeout(1000).emit("question", "?", (_error, values) => same<typeof values, number[]>(true));
const all: Promise<number[]> = io.timeout(1000).emitWithAck("question", "?");
io.on("ping", (from) => same<typeof from, string>(true));
io.serverSideEmit("ping", "me");
// @ts-expect-error no such event between servers
io.serverSideEmit("pong");
io.on("new_namespace", (namespace) => same<typeof namespace.name, string>(true));

const chat: Namespace<ClientToServer, ServerToClient, BetweenServers, Data> = io.of("/chat");
chat.to("room").emit("plain", 1, "a");
io.of(/^\/dyn/).on("connection", (socket) => socket.emit("plain", 1, "a"));
io.of((_name, _auth, next) => next(null, true));

async function remote(): Promise<void> {
  const [one]: RemoteSocket<ServerToClient, Data>[] = await io.in("room").fetchSockets();
  same<typeof one.data, Data>(true);
  one.emit("plain", 1, "a");
  one.join("x");
  one.disconnect(true);
}

// Without types, anything goes.
const loose = new Server(3000);
loose.on("connection", (socket) => {
  same<typeof socket, Socket<DefaultEventsMap, DefaultEventsMap, DefaultEventsMap, any>>(true);
  socket.on("anything", (a, b) => socket.emit("else", a, b));
  socket.emit("x", 1, (answer: string) => answer);
  socket.data.any = 1;
});
loose.emit("x", { a: 1 });
loose.timeout(1).emit("x", (_error: Error, answers: string[]) => answers);
void [all, remote, loose.emit("x", () => {}), loose.send("x"), loose.to("a").emit("b")];
