/**
 * The addon's wrapper. Commands go out in batches: whatever is asked for within a tick crosses together at its end (or after
 * 64 KiB). Events come in in {@link Rounds}.
 */
import type { PendingAck } from "./acks";
import type { Conn } from "./conn";
import { Crossing, startEngine } from "./crossing";
import type { Carrier, Exchange } from "./exchange";
import type { DrainOptions } from "./limits";
import type { NativeEngine } from "./native";
import { NativeWire } from "./native-wire";
import type { Payload } from "./parser";
import { CommandKind, type Commands, FlagBits } from "./records";
import { type EngineOwner, Rounds } from "./rounds";
import type { Socket } from "./socket";
import { readStats, type Stats } from "./stats";
import { Table } from "./table";

/** How packets travel. */
export interface SendOptions {
  volatile: boolean;
  compress: boolean;
  /** The last argument is an offset that `stamp` gave. */
  stamped?: boolean;
}

/** A raw write that may get more receivers yet. */
interface SharedWrite {
  readonly conns: number[];
  readonly data: readonly (string | Uint8Array)[];
  readonly options: object;
  readonly flags: FlagBits;
  /** The data with its bytes copied: the caller may reuse its own. */
  readonly copy: (string | Uint8Array)[];
}

/** One engine of a `Server`. @internal */
export class Engine extends Crossing {
  readonly conns = new Table<Conn>();
  readonly sockets = new Table<Socket>();
  readonly acks = new Map<number, PendingAck>();
  readonly exchanges = new Map<number, Exchange>();
  readonly links = new Map<number, Carrier>();
  /** Whom to call when a write is done. */
  readonly receipts = new Map<number, () => void>();
  /** Who wants to be told of the packets of every new connection. */
  private readonly watchers = new Set<object>();
  private readonly mourners: (() => void)[] = [];

  /** What carries the packets of its sockets. */
  readonly wire = new NativeWire(this);

  protected native: NativeEngine | undefined;
  /** Requests that were refused in JavaScript, by code. */
  private readonly declined = [0, 0, 0, 0, 0, 0];
  private readonly rounds: Rounds;
  /** A flush has been asked for when this turn of the loop has read everything. */
  private soon = false;
  private lastNumber = 0;
  private lastReceipt = 0;
  private shared: SharedWrite | undefined;

  constructor(options: string, owner: EngineOwner) {
    super();
    this.native = startEngine(options, () => this.rounds.wake());
    this.rounds = new Rounds(this, this.native, owner);
  }

  // ---- out ----

  protected get running(): boolean {
    return this.rounds.running;
  }

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

  /** Sends an event to a socket. `ack` is the number of its ack, `timeout` its time in ms: each -1 if there is none. */
  emit(socket: number, payload: Payload, options: SendOptions, ack: number, timeout: number): void {
    if (this.shared !== undefined) this.writeShared();
    const { commands } = this;
    commands.reserve(7);
    commands.number(CommandKind.Emit);
    this.emitHead(payload, options, ack, timeout);
    commands.number(socket);
    this.emitted(payload.attachments);
  }

  /** Sends an event to a target. `ack` and `timeout` as in {@link emit}. */
  broadcast(
    nsp: string,
    rooms: string[],
    except: string[],
    payload: Payload,
    options: SendOptions,
    ack: number,
    timeout: number,
  ): void {
    if (this.shared !== undefined) this.writeShared();
    const { commands } = this;
    commands.reserve(7);
    commands.number(CommandKind.Broadcast);
    this.emitHead(payload, options, ack, timeout);
    commands.string(nsp);
    commands.strings(rooms);
    commands.strings(except);
    this.emitted(payload.attachments);
  }

  ack(socket: number, id: number, payload: Payload): void {
    const { commands } = this;
    commands.reserve(5);
    commands.number(CommandKind.Ack);
    commands.number(socket);
    commands.number(id);
    this.payload(payload);
    this.emitted(payload.attachments);
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

  /**
   * Sends raw Engine.IO messages to connections, whatever layer they have: one after another, each the same bytes for all.
   * Of volatile ones a connection that is not writable gets none. Bytes are copied, or have crossed when this returns.
   *
   * @param receipt - called once, when all of it has been handed to the transports of all connections that have not ended
   */
  write(conns: readonly number[], data: readonly (string | Uint8Array)[], flags: FlagBits, receipt?: () => void): void {
    if (this.shared !== undefined) this.writeShared();
    this.emitted(this.writeHead(conns, data, flags, receipt));
  }

  /**
   * {@link write} to one connection of many: calls that follow each other with the same `data` and `options`, as an adapter's
   * broadcast makes them, become one command.
   */
  share(conn: number, data: readonly (string | Uint8Array)[], options: object, flags: FlagBits): void {
    const { shared } = this;
    if (shared !== undefined && shared.data === data && shared.options === options && shared.flags === flags) {
      shared.conns.push(conn);
      return;
    }
    if (shared !== undefined) this.writeShared();
    const copy = data.map((part) => (typeof part === "string" ? part : Buffer.from(part)));
    this.shared = { conns: [conn], data, options, flags, copy };
    this.touch();
  }

  private writeShared(): void {
    const { conns, copy, flags } = this.shared!;
    this.shared = undefined;
    for (const bytes of this.writeHead(conns, copy, flags) ?? []) this.commands.bytes(bytes);
  }

  /** @returns the bytes that belong to the command */
  private writeHead(
    conns: readonly number[],
    data: readonly (string | Uint8Array)[],
    flags: FlagBits,
    receipt?: () => void,
  ): Uint8Array[] | undefined {
    const { commands } = this;
    commands.reserve(5 + conns.length + data.length);
    commands.number(CommandKind.Write);
    commands.number(flags);
    commands.number(receipt === undefined ? -1 : this.receipt(receipt));
    commands.number(conns.length);
    for (const conn of conns) commands.number(conn);
    return this.frames(data);
  }

  /** Has every Engine.IO packet of a connection told to it ({@link Conn._packet}), or no more. */
  watch(conn: number, on: boolean): void {
    this.command(CommandKind.Watch, conn, on ? 1 : 0);
  }

  /** Has every packet of connections that open from now on told, as long as anybody wants it. */
  watchNew(watcher: object, on: boolean): void {
    const before = this.watchesNew;
    if (on) this.watchers.add(watcher);
    else this.watchers.delete(watcher);
    if (before !== this.watchesNew) this.configure({ watch: this.watchesNew });
  }

  /** Connections that open are watched. */
  get watchesNew(): boolean {
    return this.watchers.size > 0;
  }

  /**
   * Changes options while the engine runs; `LIVE` in `core/embed/src/options.rs` says which can. It counts for requests and
   * sessions from now on, and for timers that start from now on.
   *
   * @throws Error naming the option that is wrong or cannot change; then none has changed
   */
  configure(options: object): void {
    this.flush();
    this.native?.configure(JSON.stringify(options));
  }

  private receipt(receipt: () => void): number {
    this.lastReceipt = (this.lastReceipt + 1) >>> 0;
    this.receipts.set(this.lastReceipt, receipt);
    return this.lastReceipt;
  }

  /** Lets `write` append a command that something on the network is the cause of. */
  compose(write: (commands: Commands) => void): void {
    write(this.commands);
    this.touchArrival();
  }

  /** Everything asked for so far crosses now. */
  override flush(): void {
    if (this.shared !== undefined) this.writeShared();
    super.flush();
  }

  private command(kind: CommandKind, key: number, extra?: number | string): void {
    if (this.shared !== undefined) this.writeShared();
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

  private emitHead(payload: Payload, options: SendOptions, ack: number, timeout: number): void {
    const { commands } = this;
    commands.number(flagBits(options));
    commands.number(ack);
    commands.number(timeout);
    this.payload(payload);
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

  private readonly flushSoon = (): void => {
    this.soon = false;
    this.flush();
  };

  // ---- questions that are answered at once ----

  rooms(socket: number): string[] {
    this.flush();
    return this.native?.rooms(socket) ?? [];
  }

  members(nsp: string, rooms: string[], except: string[]): number[] {
    this.flush();
    return this.native?.members(nsp, rooms, except) ?? [];
  }

  /** The offset of the next emit in a namespace whose sockets can be recovered; undefined if nobody would get it. */
  stamp(nsp: string): string | undefined {
    this.flush();
    return this.native?.stamp(nsp) ?? undefined;
  }

  /** A request was refused before it came here. */
  decline(code: number): void {
    this.declined[code]++;
  }

  /** What was counted. */
  stats(): Stats {
    this.flush();
    return readStats(this.native?.stats(), this.declined);
  }

  roomNames(nsp: string): string[] {
    this.flush();
    return this.native?.roomNames(nsp) ?? [];
  }

  /** Bytes waiting to be sent to a connection. */
  buffered(conn: number): number {
    this.flush();
    return this.native?.buffered(conn) ?? 0;
  }

  /** Whether what is sent to a connection now leaves now: a poll waits, or its WebSocket takes bytes. */
  writable(conn: number): boolean {
    this.flush();
    return this.native?.writable(conn) ?? false;
  }

  /** Calls back when everything that was sent to a connection has been handed to its transport, or the connection has ended. */
  whenWritten(conn: number, receipt: () => void): void {
    this.write([conn], [], FlagBits.None, receipt);
  }

  /** Listens on a port of the engine's own. @returns the address @throws Error if it cannot */
  listen(address: string, certificate?: string, key?: string): string {
    if (this.native === undefined) throw new Error("ferrio: the engine is closed");
    return this.native.listen(address, certificate, key);
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

  /**
   * Sends clients away over time, and then closes.
   *
   * @returns resolves when it has closed
   * @throws RangeError (rejects) for a time that is none
   */
  async drain({ grace = 10_000, spread = 10_000, reason = "" }: Partial<DrainOptions>): Promise<void> {
    for (const ms of [grace, spread]) {
      if (!(ms >= 0 && ms <= 2_147_483_647)) throw new RangeError(`drain: ${ms} is no time in ms`);
    }
    this.flush();
    this.native?.drainClients(grace, spread, reason);
    await new Promise<void>((resolve) => this.whenOver(resolve));
  }

  /** One more namespace may be made that a client has named, where there are so many. If not, that is counted. */
  hasRoomForChild(children: number): boolean {
    return this.native?.hasRoomForChild(children) ?? true;
  }

  /** Newcomers are let in. */
  get ready(): boolean {
    return this.native?.isReady() ?? false;
  }

  /** Calls back when the engine has closed. */
  whenOver(callback: () => void): void {
    if (this.closed) callback();
    else this.mourners.push(callback);
  }

  /** @internal The engine has closed. Nothing answers any more: what crossed with the closing is answered here. */
  _over(): void {
    this.native?.dispose();
    this.native = undefined;
    for (const exchange of this.exchanges.values()) exchange.fail();
    for (const link of this.links.values()) link.close();
    this.exchanges.clear();
    this.links.clear();
    const receipts = [...this.receipts.values()];
    this.receipts.clear();
    for (const receipt of receipts) receipt();
    for (const callback of this.mourners.splice(0)) callback();
  }
}

function flagBits({ volatile, compress, stamped }: SendOptions): number {
  return (volatile ? FlagBits.Volatile : 0) | (compress ? FlagBits.Compress : 0) | (stamped ? FlagBits.Stamped : 0);
}
