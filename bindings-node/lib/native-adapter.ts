/** The adapter of a namespace whose rooms the engine keeps. */
import { EventEmitter } from "node:events";
import { type Asking, type ManyAcks, type PendingAck, timerMs } from "./acks";
import type { Adapter, BroadcastOptions, BroadcastPacket, RestoredSession } from "./adapter";
import type { Engine } from "./engine";
import type { Namespace } from "./namespace";
import { encode } from "./parser";
import { AckEndKind } from "./records";
import { decodeRoom, encodeRoom, type Room } from "./rooms";
import { MapView, SetView } from "./rooms-view";
import type { Socket } from "./socket";

const NO_ROOMS: ReadonlySet<Room> = new Set<Room>();

/**
 * `namespace.adapter` while no other was asked for: the methods of npm's in-memory adapter, on the engine's rooms. Emits
 * `create-room`, `join-room`, `leave-room` and `delete-room`; whoever listens makes joining and leaving slower.
 */
export class NativeAdapter extends EventEmitter implements Adapter, Asking {
  /** The namespace. */
  readonly nsp: Namespace<any, any, any, any>;
  /** The ids of the sockets in each room: live, to read. */
  readonly rooms: Map<Room, Set<string>>;
  /** The rooms of each socket: live, to read. */
  readonly sids: Map<string, Set<Room>>;

  constructor(nsp: Namespace<any, any, any, any>) {
    super();
    this.nsp = nsp;
    this.rooms = new Rooms(this);
    this.sids = new Sids(this);
  }

  /** Encoder of the server's parser. */
  get encoder(): any {
    return this.nsp.server.encoder;
  }

  /** Nothing to do. */
  init(): void {}

  /** Nothing to do. */
  close(): void {}

  /** There is this server only. */
  serverCount(): Promise<number> {
    return Promise.resolve(1);
  }

  // ---- one socket ----

  /** Makes a socket join rooms. */
  addAll(id: string, rooms: Set<Room>): void {
    const socket = this.socket(id);
    if (socket !== undefined) this.join(socket, [...rooms]);
  }

  /** Makes a socket leave a room. */
  del(id: string, room: Room): void {
    const socket = this.socket(id);
    if (socket !== undefined) this.leave(socket, room);
  }

  /** Makes a socket leave all its rooms but that of its own id. */
  delAll(id: string): void {
    const socket = this.socket(id);
    if (socket !== undefined) for (const room of this.listOf(socket)) this.leave(socket, room);
  }

  /** The rooms of a socket: live, to read. Undefined for a socket that is not here. */
  socketRooms(id: string): Set<Room> | undefined {
    return this.socket(id)?.rooms;
  }

  /** @internal As {@link addAll}. */
  join(socket: Socket, rooms: readonly Room[]): void {
    const { _engine: engine } = socket.conn;
    if (!this.heard) return engine.join(socket._key, rooms.map(encodeRoom));
    const own = new Set(this.listOf(socket));
    for (const room of new Set(rooms)) {
      if (own.has(room)) continue;
      const first = this.keysIn(room).length === 0;
      engine.join(socket._key, [encodeRoom(room)]);
      this.joined(socket, room, first);
    }
  }

  /** @internal As {@link del}. */
  leave(socket: Socket, room: Room): void {
    const { _engine: engine } = socket.conn;
    const known = this.heard && this.listOf(socket).includes(room);
    engine.leave(socket._key, encodeRoom(room));
    if (known) this.gone(socket, room);
  }

  /** @internal The engine lets it into the room of its own id. */
  accepted(socket: Socket): void {
    if (this.heard) this.joined(socket, socket.id, this.keysIn(socket.id).length === 0);
  }

  /** @internal The socket is over; the engine has its rooms still. */
  left(socket: Socket): void {
    if (this.heard) for (const room of this.listOf(socket)) this.gone(socket, room);
  }

  /** @internal `socket.rooms`. */
  roomsOf(socket: Socket): RoomsOf {
    return new RoomsOf(this, socket);
  }

  // ---- many sockets ----

  /** Sends an event to the sockets that `opts` means. */
  broadcast(packet: BroadcastPacket, opts: BroadcastOptions): void {
    this.send(packet.data, opts, undefined, -1);
  }

  /** Sends an event and calls `ack` with each answer. */
  broadcastWithAck(
    packet: BroadcastPacket,
    opts: BroadcastOptions,
    clientCount: (count: number) => void,
    ack: (...args: any[]) => void,
  ): void {
    const count = this.members(opts).length;
    this.send(packet.data, opts, new EachAck(ack), timerMs(opts.flags?.timeout));
    clientCount(count);
  }

  /** @internal Sends an event whose answers the engine counts. `timeout` is in ms. */
  _ask(event: any[], opts: BroadcastOptions, acks: ManyAcks, timeout: number): void {
    this.send(event, opts, acks, timeout);
  }

  /** The ids of the sockets in rooms. */
  sockets(rooms: Set<Room>): Promise<Set<string>> {
    return Promise.resolve(new Set(this.members({ rooms }).map(({ id }) => id)));
  }

  /** The sockets that `opts` means. */
  fetchSockets(opts: BroadcastOptions): Promise<Socket[]> {
    return Promise.resolve(this.members(opts));
  }

  /** Makes sockets join rooms. */
  addSockets(opts: BroadcastOptions, rooms: Room[]): void {
    for (const socket of this.members(opts)) socket.join(rooms);
  }

  /** Makes sockets leave rooms. */
  delSockets(opts: BroadcastOptions, rooms: Room[]): void {
    for (const socket of this.members(opts)) for (const room of rooms) socket.leave(room);
  }

  /** Disconnects sockets. */
  disconnectSockets(opts: BroadcastOptions, close: boolean): void {
    for (const socket of this.members(opts)) socket.disconnect(close);
  }

  /** There is no other server: the event is dropped, with a warning. */
  serverSideEmit(_packet: any[]): void {
    console.warn("serverSideEmit() needs an adapter that connects servers; the event was dropped");
  }

  /** The engine keeps sessions itself. */
  persistSession(): void {}

  /** The engine restores sessions itself. */
  restoreSession(): Promise<RestoredSession> | null {
    return null;
  }

  // ---- what the engine knows ----

  /** @internal All rooms. */
  list(): Room[] {
    const rooms = new Set<Room>(this.nsp.sockets.keys()); // each in the room of its own id
    for (const name of this.engine?.roomNames(this.nsp.name) ?? []) rooms.add(decodeRoom(name));
    return [...rooms];
  }

  /** @internal The rooms of a socket: its own, too, once it is connected. */
  listOf(socket: Socket): Room[] {
    const rooms = socket.conn._engine.rooms(socket._key).map(decodeRoom);
    return socket.connected ? rooms : rooms.filter((room) => room !== socket.id);
  }

  /** @internal The ids of the members of a room. */
  idsIn(room: Room): string[] {
    const { engine } = this;
    const ids: string[] = [];
    for (const key of this.keysIn(room)) {
      const socket = engine?.sockets.get(key);
      if (socket?.connected) ids.push(socket.id); // one that was disconnected from here may be a member a little longer
    }
    return ids;
  }

  private get engine(): Engine | undefined {
    return this.nsp.server._engine;
  }

  private keysIn(room: Room): number[] {
    return this.engine?.members(this.nsp.name, [encodeRoom(room)], []) ?? [];
  }

  private members({ rooms, except = NO_ROOMS as Set<Room> }: BroadcastOptions): Socket[] {
    if (rooms.size === 0 && except.size === 0) return [...this.nsp.sockets.values()];
    const { engine } = this;
    if (engine === undefined) return [];
    const members: Socket[] = [];
    for (const key of engine.members(this.nsp.name, Array.from(rooms, encodeRoom), Array.from(except, encodeRoom))) {
      const socket = engine.sockets.get(key);
      if (socket?.connected) members.push(socket);
    }
    return members;
  }

  private send(event: any[], opts: BroadcastOptions, ack: PendingAck | undefined, timeout: number): void {
    const { engine, nsp } = this;
    const { rooms, except, flags } = opts;
    const watched = nsp._outgoingWatched;
    const recoverable = ack === undefined && !flags?.volatile && nsp.server.opts.connectionStateRecovery;
    const offset = recoverable && watched ? engine?.stamp(nsp.name) : undefined;
    if (offset !== undefined) event = [...event, offset];
    const payload = encode(event);
    if (engine === undefined) {
      // Nobody can be connected.
      if (ack !== undefined) process.nextTick(() => ack.end(AckEndKind.Complete));
      return;
    }
    const watching = watched ? this.members(opts) : [];
    // The offset was given for the next event of all: listeners may emit others, those come after it.
    if (offset === undefined) for (const socket of watching) socket._notifyOutgoing(event);
    let number = -1;
    if (ack !== undefined) {
      number = engine.number();
      engine.acks.set(number, ack);
    }
    const options = {
      volatile: flags?.volatile === true,
      compress: flags?.compress !== false,
      stamped: offset !== undefined,
    };
    const not = except === undefined ? [] : Array.from(except, encodeRoom);
    engine.broadcast(nsp.name, Array.from(rooms, encodeRoom), not, payload, options, number, timeout);
    if (offset !== undefined) for (const socket of watching) socket._notifyOutgoing(event);
  }

  private socket(id: string): Socket | undefined {
    return this.nsp.sockets.get(id) ?? this.nsp._connecting(id);
  }

  // ---- events ----

  private get heard(): boolean {
    return this.eventNames().length > 0;
  }

  private joined(socket: Socket, room: Room, first: boolean): void {
    if (first) this.emit("create-room", room);
    this.emit("join-room", room, socket.id);
  }

  private gone(socket: Socket, room: Room): void {
    this.emit("leave-room", room, socket.id);
    const others = this.idsIn(room).filter((id) => id !== socket.id);
    if (others.length === 0) this.emit("delete-room", room);
  }
}

/** Answers that are handed on one by one. */
class EachAck implements PendingAck {
  readonly many = true;

  constructor(private readonly callback: (...args: any[]) => void) {}

  answer(args: any[]): void {
    this.callback(...args);
  }

  end(): void {}
}

/** `adapter.rooms`. */
class Rooms extends MapView<Room, Set<string>> {
  constructor(private readonly adapter: NativeAdapter) {
    super();
  }

  override get(room: Room): Set<string> | undefined {
    return this.adapter.idsIn(room).length === 0 ? undefined : new Members(this.adapter, room);
  }

  protected list(): Room[] {
    return this.adapter.list();
  }
}

/** The ids in one room. */
class Members extends SetView<string> {
  constructor(
    private readonly adapter: NativeAdapter,
    private readonly room: Room,
  ) {
    super();
  }

  protected list(): string[] {
    return this.adapter.idsIn(this.room);
  }
}

/** `adapter.sids`. */
class Sids extends MapView<string, Set<Room>> {
  constructor(private readonly adapter: NativeAdapter) {
    super();
  }

  override get(id: string): Set<Room> | undefined {
    return this.adapter.socketRooms(id);
  }

  protected list(): string[] {
    return [...this.adapter.nsp.sockets.keys()];
  }
}

/** `socket.rooms`. What it showed last stays, as a `Set` that an adapter has let go of does. */
export class RoomsOf extends SetView<Room> {
  private last: Room[] | undefined;

  constructor(
    private readonly adapter: NativeAdapter,
    private readonly of: Socket,
  ) {
    super();
  }

  /** The socket is about to leave all rooms. */
  keep(): void {
    this.last ??= this.list();
  }

  protected list(): Room[] {
    return this.last ?? this.adapter.listOf(this.of);
  }
}
