/**
 * The addon's wrapper: commands out, events in, both in batches, and the ticks in which user code sees them.
 *
 * Out: whatever is asked for within a tick crosses together at its end (or after 64 KiB).
 *
 * In: one *round* takes one batch from the engine and walks it in the ticks of the original: what belongs to the connection
 * at once, then in a tick of its own everything that arrived (catch-all listeners, middlewares, acks), then in another tick
 * the listeners. Endings and new sockets wait until the messages before them were delivered. Promise jobs run between two
 * rounds, so the rounds of one wake-up look to user code like packets that came one read after another.
 */
import type { PendingAck } from "./acks";
import type { Conn } from "./conn";
import type { Exchange, Link } from "./exchange";
import { loadAddon, type NativeEngine } from "./native";
import type { Payload } from "./parser";
import { restore } from "./parser";
import { type AckEndKind, CommandKind, Commands, EventKind, FlagBits, REASONS } from "./records";
import type { Socket } from "./socket";

/** Crosses before the end of the tick: longer joined strings cost more than they save. */
const FLUSH_AT = 64 * 1024;
/** Attachments up to this are copied at the emit, larger ones cross at once: either way the caller may reuse its buffer. */
const COPY_UP_TO = 16 * 1024;
/** A drain moves at most 256 events (`convert.rs`), none of which takes more than 30 cells. */
const EVENT_CELLS = 8 * 1024;
/** Rounds, and milliseconds, after which other work of the process gets its turn. */
const MAX_ROUNDS = 64;
const MAX_MS = 2;

/** What the engine tells the server that owns it. */
export interface EngineOwner {
  /** A connection opened. */
  opened(conn: number, sid: string, exchange: Exchange | Link | undefined, protocol: 3 | 4, transport: string): Conn;
  /** A client asks to join a namespace. */
  connecting(conn: Conn, socket: number, nsp: string, sid: string, auth: object): void;
}

/** Things by the number the engine gave them: the slot is in the low 32 bits, a generation above. */
class Table<T extends { readonly _key: number }> {
  private readonly slots: (T | undefined)[] = [];

  get(key: number): T | undefined {
    const thing = this.slots[key >>> 0];
    return thing !== undefined && thing._key === key ? thing : undefined;
  }

  add(thing: T): void {
    this.slots[thing._key >>> 0] = thing;
  }

  delete(key: number): void {
    if (this.get(key) !== undefined) this.slots[key >>> 0] = undefined;
  }
}

/** What waits for the tick of arrivals; `id` tells what it is: an event's ack id or one of these. */
const NO_ID = -1;
const ANSWER = -2;
const NO_ANSWER = -3;

/** How an emit travels. */
export interface EmitOptions {
  volatile: boolean;
  compress: boolean;
  /** The number of the ack, or -1. */
  ack: number;
  /** Time for the ack in ms, or -1. */
  timeout: number;
}

/** One engine of a `Server`. @internal */
export class Engine {
  readonly conns = new Table<Conn>();
  readonly sockets = new Table<Socket>();
  readonly acks = new Map<number, PendingAck>();
  readonly exchanges = new Map<number, Exchange>();
  readonly links = new Map<number, Link>();

  private native: NativeEngine | undefined;
  private readonly commands = new Commands();
  /** A flush has been asked for: in this tick, or when this turn of the loop has read everything. */
  private dirty = false;
  private soon = false;
  private lastNumber = 0;

  // The batch of the present round.
  private readonly cells = new Float64Array(EVENT_CELLS);
  private text = "";
  private strings: string[] | undefined;
  private buffer: ArrayBuffer | undefined;
  private at = 0;
  private end = 0;
  private more = false;
  /** Triples: the socket or pending ack, what arrived, the id. */
  private arrivals: any[] = [];
  private arrived = 0;
  /** Pairs: a socket and the event it is to see. */
  private deliveries: any[] = [];
  private delivered = 0;
  /** Calls that wait for the deliveries. */
  private late: (() => void)[] = [];
  private lateDone = 0;

  /** A round is under way or will come: the engine need not wake us. */
  private scheduled = false;
  /** A round is under way: it flushes at its end. */
  private running = false;
  private rounds = 0;
  private roundsUntil = 0;

  constructor(
    options: string,
    private readonly owner: EngineOwner,
  ) {
    const { Engine: Native } = loadAddon();
    this.native = new Native(options, () => this.wake());
  }

  // ---- out ----

  /** A number that nothing else has: for requests, links and acks. */
  number(): number {
    return ++this.lastNumber;
  }

  accept(socket: number): void {
    this.command(CommandKind.Accept, socket);
  }

  reject(socket: number, json: string): void {
    this.command(CommandKind.Reject, socket, json);
  }

  emit(socket: number, payload: Payload, options: EmitOptions): void {
    const { commands } = this;
    commands.reserve(7);
    commands.number(CommandKind.Emit);
    this.emitHead(payload, options);
    commands.number(socket);
    this.emitted(payload);
  }

  broadcast(nsp: string, rooms: string[], except: string[], payload: Payload, options: EmitOptions): void {
    const { commands } = this;
    commands.reserve(7);
    commands.number(CommandKind.Broadcast);
    this.emitHead(payload, options);
    commands.string(nsp);
    commands.strings(rooms);
    commands.strings(except);
    this.emitted(payload);
  }

  ack(socket: number, id: number, payload: Payload): void {
    const { commands } = this;
    commands.reserve(5);
    commands.number(CommandKind.Ack);
    commands.number(socket);
    commands.number(id);
    commands.string(payload.text);
    commands.number(payload.attachments === undefined ? 0 : payload.attachments.length);
    this.emitted(payload);
  }

  join(socket: number, rooms: string[]): void {
    const { commands } = this;
    commands.reserve(2);
    commands.number(CommandKind.Join);
    commands.number(socket);
    commands.strings(rooms);
    this.touch();
  }

  leave(socket: number, room: string): void {
    this.command(CommandKind.Leave, socket, room);
  }

  disconnect(socket: number, close: boolean): void {
    this.command(CommandKind.Disconnect, socket, close ? 1 : 0);
  }

  /** The socket is no more: its number may mean another one from now on. */
  release(socket: number): void {
    this.sockets.delete(socket);
    this.command(CommandKind.Release, socket);
  }

  closeConn(conn: number, discard: boolean): void {
    this.command(CommandKind.Close, conn, discard ? 1 : 0);
  }

  body(request: number, chunk: Uint8Array, end: boolean): void {
    this.commands.bytes(chunk);
    this.append(CommandKind.Body, request, end ? 1 : 0);
    this.touchArrival();
  }

  abort(request: number): void {
    this.append(CommandKind.Abort, request);
    this.touchArrival();
  }

  feed(link: number, chunk: Uint8Array): void {
    this.commands.bytes(chunk);
    this.append(CommandKind.Feed, link);
    this.touchArrival();
  }

  linkClosed(link: number, error: boolean): void {
    this.command(CommandKind.LinkClosed, link, error ? 1 : 0);
  }

  linkSent(link: number, bytes: number): void {
    this.command(CommandKind.LinkSent, link, bytes);
  }

  /** Lets `write` append a command that something on the network is the cause of. */
  compose(write: (commands: Commands) => void): void {
    write(this.commands);
    this.touchArrival();
  }

  /** Everything asked for so far crosses now. */
  flush(): void {
    this.dirty = false;
    const { commands } = this;
    if (commands.used === 0) return;
    const { text, cells, used, attachments } = commands;
    commands.clear();
    this.native?.submit(text, cells, used, attachments);
  }

  private command(kind: CommandKind, key: number, extra?: number | string): void {
    this.append(kind, key, extra);
    this.touch();
  }

  private append(kind: CommandKind, key: number, extra?: number | string): void {
    const { commands } = this;
    commands.reserve(3);
    commands.number(kind);
    commands.number(key);
    if (typeof extra === "number") commands.number(extra);
    else if (extra !== undefined) commands.string(extra);
  }

  private emitHead(payload: Payload, options: EmitOptions): void {
    const { commands } = this;
    commands.number((options.volatile ? FlagBits.Volatile : 0) | (options.compress ? FlagBits.Compress : 0));
    commands.number(options.ack);
    commands.number(options.timeout);
    commands.string(payload.text);
    commands.number(payload.attachments === undefined ? 0 : payload.attachments.length);
  }

  private emitted({ attachments }: Payload): void {
    if (attachments === undefined) return this.touch();
    let size = 0;
    for (const { byteLength } of attachments) size += byteLength;
    const large = size > COPY_UP_TO;
    for (const bytes of attachments) this.commands.bytes(large ? bytes : Buffer.from(bytes));
    this.touch();
    if (large) this.flush();
  }

  /** Commands are waiting: they cross at the end of the tick, or of the round that is under way. */
  private touch(): void {
    if (!this.dirty) {
      this.dirty = true;
      if (!this.running) process.nextTick(this.flushTick);
    }
    this.flushIfLong();
  }

  /**
   * Commands are waiting that the network brought: they cross when everything that came with them has been read. (Each
   * crossing wakes a thread; sockets that are ready together are read one tick each.)
   */
  private touchArrival(): void {
    if (!this.dirty && !this.soon) {
      this.soon = true;
      setImmediate(this.flushSoon);
    }
    this.flushIfLong();
  }

  private flushIfLong(): void {
    if (this.commands.text.length >= FLUSH_AT || this.commands.used >= FLUSH_AT) this.flush();
  }

  private readonly flushSoon = (): void => {
    this.soon = false;
    this.flush();
  };

  private readonly flushTick = (): void => this.flush();

  // ---- questions that are answered at once ----

  rooms(socket: number): string[] {
    this.flush();
    return this.native?.rooms(socket) ?? [];
  }

  members(nsp: string, rooms: string[], except: string[]): number[] {
    this.flush();
    return this.native?.members(nsp, rooms, except) ?? [];
  }

  buffered(socket: number): number {
    this.flush();
    return this.native?.buffered(socket) ?? 0;
  }

  /** Nothing is answered any more. */
  get closed(): boolean {
    return this.native === undefined;
  }

  /** Begins to close: every connection ends, every request is answered. */
  close(): void {
    this.flush();
    this.native?.close();
  }

  // ---- in ----

  private wake(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.roundsUntil = performance.now() + MAX_MS;
    process.nextTick(this.round);
  }

  private readonly round = (): void => {
    if (this.native === undefined) return;
    this.running = true;
    const drained = this.native.drain(this.cells);
    if (typeof drained === "string") this.text = drained;
    else [this.text, this.strings, this.buffer] = drained;
    this.at = 2;
    this.end = this.cells[0];
    this.more = this.cells[1] !== 0;
    this.step();
  };

  // The four stages of a round. In each, user code may throw: that is an uncaughtException like any other, and what is
  // left of the stage is done in the next tick.

  private readonly step = (): void => {
    let whole = false;
    try {
      while (this.at < this.end) this.read();
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.step);
    }
    if (this.arrivals.length > 0) process.nextTick(this.arrive);
    else this.settle();
  };

  private readonly arrive = (): void => {
    const { arrivals } = this;
    let whole = false;
    try {
      while (this.arrived < arrivals.length) {
        const at = this.arrived;
        this.arrived += 3;
        this.arrival(arrivals[at], arrivals[at + 1], arrivals[at + 2]);
      }
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.arrive);
    }
    this.arrivals = [];
    this.arrived = 0;
    process.nextTick(this.deliver);
  };

  private readonly deliver = (): void => {
    const { deliveries } = this;
    let whole = false;
    try {
      while (this.delivered < deliveries.length) {
        const at = this.delivered;
        this.delivered += 2;
        (deliveries[at] as Socket)._deliver(deliveries[at + 1]);
      }
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.deliver);
    }
    this.deliveries = [];
    this.delivered = 0;
    this.finish();
  };

  private readonly finish = (): void => {
    let whole = false;
    try {
      while (this.lateDone < this.late.length) this.late[this.lateDone++]();
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.finish);
    }
    this.late = [];
    this.lateDone = 0;
    this.settle();
  };

  /** The end of a round: what it made crosses, and another one follows while there is more. */
  private settle(): void {
    this.running = false;
    this.text = "";
    this.strings = undefined;
    this.buffer = undefined;
    this.flush();
    if (!this.more) {
      this.scheduled = false;
      this.rounds = 0;
    } else if (++this.rounds < MAX_ROUNDS && performance.now() < this.roundsUntil) {
      // A promise job, then a tick: all promise jobs of this round run before the next.
      queueMicrotask(this.roundTick);
    } else {
      this.rounds = 0;
      setImmediate(this.freshRound);
    }
  }

  private readonly roundTick = (): void => process.nextTick(this.round);

  private readonly freshRound = (): void => {
    this.roundsUntil = performance.now() + MAX_MS;
    process.nextTick(this.round);
  };

  /** Takes one event from the batch. `at` moves on before any user code runs. */
  private read(): void {
    const { cells, at } = this;
    const key = cells[at + 1];
    switch (cells[at] as EventKind) {
      case EventKind.Open: {
        this.at = at + 7;
        const [sid] = JSON.parse(this.string(at + 5));
        const number = cells[at + 2];
        const cause = this.exchanges.get(number) ?? this.links.get(number);
        const transport = cells[at + 4] === 0 ? "polling" : "websocket";
        this.conns.add(this.owner.opened(key, sid, cause, cells[at + 3] === 3 ? 3 : 4, transport));
        return;
      }
      case EventKind.Upgrade:
        this.at = at + 2;
        this.conns.get(key)?._upgraded();
        return;
      case EventKind.Connect: {
        this.at = at + 5;
        const [nsp, sid, auth] = JSON.parse(this.string(at + 3));
        const conn = this.conns.get(cells[at + 2]);
        if (conn !== undefined) this.after(() => this.owner.connecting(conn, key, nsp, sid, auth ?? {}));
        return;
      }
      case EventKind.Message: {
        const text = this.string(at + 3);
        const args = this.values(text, at + 5);
        const socket = this.sockets.get(key);
        if (socket === undefined) return;
        if (args !== undefined) this.arrivals.push(socket, args, cells[at + 2]);
        else this.closeConn(socket.conn._key, true);
        return;
      }
      case EventKind.Ack: {
        const text = this.string(at + 3);
        const args = this.values(text, at + 5);
        const pending = this.acks.get(key);
        if (pending === undefined || args === undefined) return;
        if (!pending.many) this.acks.delete(key);
        this.arrivals.push(pending, args, ANSWER);
        return;
      }
      case EventKind.AckEnd: {
        this.at = at + 5;
        const pending = this.acks.get(key);
        this.acks.delete(key);
        if (pending !== undefined) this.arrivals.push(pending, cells[at + 2], NO_ANSWER);
        return;
      }
      case EventKind.Disconnect: {
        this.at = at + 5;
        const reason = REASONS[cells[at + 2]];
        const detail = this.string(at + 3);
        this.after(() => this.sockets.get(key)?._ended(reason, detail));
        return;
      }
      case EventKind.Close: {
        this.at = at + 5;
        const reason = REASONS[cells[at + 2]];
        const detail = this.string(at + 3);
        this.after(() => {
          const conn = this.conns.get(key);
          this.conns.delete(key);
          conn?._closed(reason, detail);
        });
        return;
      }
      case EventKind.Drain:
        this.at = at + 2;
        this.conns.get(key)?._drained();
        return;
      case EventKind.Response: {
        this.at = at + 8;
        const [opened, ...headers] = JSON.parse(this.string(at + 3));
        const body = cells[at + 5] === 0 ? this.string(at + 6) : this.bytes(at + 6);
        const exchange = this.exchanges.get(key);
        this.exchanges.delete(key);
        exchange?.respond(cells[at + 2], headers, body, opened);
        return;
      }
      case EventKind.LinkWrite: {
        this.at = at + 4;
        this.links.get(key)?.write(this.bytes(at + 2));
        return;
      }
      case EventKind.LinkClose: {
        this.at = at + 2;
        const link = this.links.get(key);
        this.links.delete(key);
        link?.close();
        return;
      }
      case EventKind.Closed:
        this.at = at + 1;
        this.more = false;
        this.over();
        return;
      default:
        throw new Error(`ferrio: the addon is not of this version (event ${cells[at]})`);
    }
  }

  /** Nothing answers any more: what crossed with the closing is answered here. */
  private over(): void {
    this.native?.dispose();
    this.native = undefined;
    for (const exchange of this.exchanges.values()) exchange.fail();
    for (const link of this.links.values()) link.close();
    this.exchanges.clear();
    this.links.clear();
  }

  /** Now, or when the messages before it have been delivered. */
  private after(call: () => void): void {
    if (this.arrivals.length === 0) call();
    else this.late.push(call);
  }

  private arrival(target: Socket | PendingAck, what: any, id: number): void {
    if (id >= NO_ID) {
      const socket = target as Socket;
      if (socket._arrived(what, id)) this.deliveries.push(socket, what);
    } else if (id === ANSWER) {
      (target as PendingAck).answer(what);
    } else {
      (target as PendingAck).end(what as AckEndKind);
    }
  }

  private string(at: number): string {
    const offset = this.cells[at];
    const length = this.cells[at + 1];
    return length < 0 ? this.strings![offset] : this.text.slice(offset, offset + length);
  }

  /** JSON text and the attachments whose count is at `at`. Undefined if V8 reads JSON otherwise than the engine does. */
  private values(text: string, at: number): any[] | undefined {
    let attachments: Buffer[] | undefined;
    if (this.cells[at] === 0) this.at = at + 1;
    else attachments = this.chunks(at);
    try {
      const values = JSON.parse(text);
      return attachments === undefined ? values : restore(values, attachments);
    } catch {
      return undefined;
    }
  }

  private chunks(at: number): Buffer[] {
    const chunks: Buffer[] = new Array(this.cells[at++]);
    for (let i = 0; i < chunks.length; i++, at += 2) chunks[i] = this.bytes(at);
    this.at = at;
    return chunks;
  }

  private bytes(at: number): Buffer {
    if (this.cells[at + 1] === 0) return Buffer.alloc(0);
    const view = Buffer.from(this.buffer!, this.cells[at], this.cells[at + 1]);
    // A small piece that a handler keeps must not keep a large batch.
    return view.length * 4 < this.buffer!.byteLength && view.length < 4096 ? Buffer.from(view) : view;
  }
}
