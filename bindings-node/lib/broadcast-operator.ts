/** Who receives, and how: the target of a broadcast. */
import { collect } from "./acks";
import type { Adapter, BroadcastFlags } from "./adapter";
import type {
  AllButLast,
  DecorateAcks,
  DecorateAcksOfMany,
  EventNames,
  EventNamesWithAck,
  EventParams,
  EventsMap,
  FirstAnswer,
  Last,
} from "./emitter";
import { refuseReserved } from "./errors";
import type { Handshake } from "./handshake";
import type { Room } from "./rooms";

/** An event, as the type of a packet. */
const EVENT = 2;

/**
 * A set of sockets, described: the union of some rooms without the members of others. Immutable; each call gives a new one.
 *
 * No room at all means everybody in the namespace.
 */
export class BroadcastOperator<EmitEvents extends EventsMap, SocketData> {
  /** @internal */
  constructor(
    private readonly adapter: Adapter,
    private readonly rooms: Set<Room> = new Set(),
    private readonly exceptRooms: Set<Room> = new Set(),
    private readonly flags: BroadcastFlags = {},
  ) {}

  /** Adds the members of rooms. */
  to(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, union(this.rooms, room), this.exceptRooms, this.flags);
  }

  /** The same as {@link to}. */
  in(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.to(room);
  }

  /** Leaves the members of rooms out. */
  except(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, this.rooms, union(this.exceptRooms, room), this.flags);
  }

  /** Whether the packets may be compressed. True without a call. */
  compress(compress: boolean): BroadcastOperator<EmitEvents, SocketData> {
    return this.flagged({ compress });
  }

  /** Dropped for receivers that are not ready. */
  get volatile(): BroadcastOperator<EmitEvents, SocketData> {
    return this.flagged({ volatile: true });
  }

  /** Receivers of this server only. */
  get local(): BroadcastOperator<EmitEvents, SocketData> {
    return this.flagged({ local: true });
  }

  /**
   * How long to wait for answers.
   *
   * @param timeout - in milliseconds
   */
  timeout(timeout: number): BroadcastOperator<DecorateAcksOfMany<EmitEvents>, SocketData> {
    return this.flagged({ timeout }) as any;
  }

  /**
   * Sends an event to all of them. A function as last argument is called with an error or null, and the first argument of
   * each answer in the order they come. Set a {@link timeout}: without one the wait is over after 1 ms, as in socket.io.
   *
   * @returns true
   * @throws Error if the name is reserved, or what `JSON.stringify` throws
   */
  emit<Name extends EventNames<EmitEvents>>(event: Name, ...args: EventParams<EmitEvents, Name>): boolean;
  emit(...event: any[]): boolean {
    refuseReserved(event[0]);
    const packet = { type: EVENT, data: event };
    if (typeof event[event.length - 1] !== "function") this.adapter.broadcast(packet, this.target());
    else collect(this, this.adapter, packet, this.target(), event.pop());
    return true;
  }

  /**
   * Sends an event to all of them and waits for the answers.
   *
   * @returns the first argument of each answer
   * @throws Error (rejects) if not all answered in time; its `responses` are the answers that came
   */
  emitWithAck<Name extends EventNamesWithAck<EmitEvents>>(
    event: Name,
    ...args: AllButLast<EventParams<EmitEvents, Name>>
  ): Promise<FirstAnswer<Last<EventParams<EmitEvents, Name>>>> {
    return new Promise((resolve, reject) => {
      const answer = (error: (Error & { responses?: any }) | null, responses: any) => {
        if (!error) return resolve(responses);
        error.responses = responses;
        reject(error);
      };
      this.emit(event, ...([...args, answer] as any));
    });
  }

  /** The sockets. */
  fetchSockets(): Promise<RemoteSocket<EmitEvents, SocketData>[]> {
    return this.adapter
      .fetchSockets(this.target())
      .then((found) => found.map((socket) => (socket.server ? socket : new RemoteSocket(this.adapter, socket))));
  }

  /** Their ids. @deprecated use {@link fetchSockets} */
  allSockets(): Promise<Set<string>> {
    return this.adapter.sockets(this.rooms);
  }

  /** Makes them join rooms. */
  socketsJoin(room: Room | Room[]): void {
    this.adapter.addSockets(this.target(), Array.isArray(room) ? room : [room]);
  }

  /** Makes them leave rooms. */
  socketsLeave(room: Room | Room[]): void {
    this.adapter.delSockets(this.target(), Array.isArray(room) ? room : [room]);
  }

  /**
   * Disconnects them.
   *
   * @param close - close the connections below too
   */
  disconnectSockets(close = false): void {
    this.adapter.disconnectSockets(this.target(), close);
  }

  private target() {
    return { rooms: this.rooms, except: this.exceptRooms, flags: this.flags };
  }

  private flagged(flags: BroadcastFlags): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, this.rooms, this.exceptRooms, { ...this.flags, ...flags });
  }
}

/**
 * A socket, possibly of another server: what `fetchSockets()` gives. On this server it is the {@link Socket} itself.
 */
export class RemoteSocket<EmitEvents extends EventsMap, SocketData> {
  /** The public id. */
  readonly id: string;
  /** What the client sent to connect. */
  readonly handshake: Handshake;
  /** The rooms it is in. */
  readonly rooms: Set<Room>;
  /** What the program keeps with it. */
  readonly data: SocketData;

  private readonly operator: BroadcastOperator<EmitEvents, SocketData>;

  /** @internal */
  constructor(
    adapter: Adapter,
    details: { id: string; handshake: Handshake; rooms: Iterable<Room>; data: SocketData },
  ) {
    this.id = details.id;
    this.handshake = details.handshake;
    this.rooms = new Set(details.rooms);
    this.data = details.data;
    this.operator = new BroadcastOperator(adapter, new Set([this.id]), new Set(), { expectSingleResponse: true });
  }

  /** Sends it an event. */
  emit<Name extends EventNames<EmitEvents>>(event: Name, ...args: EventParams<EmitEvents, Name>): boolean {
    return this.operator.emit(event, ...args);
  }

  /** How long the next emit waits for the answer, in ms. */
  timeout(timeout: number): Pick<BroadcastOperator<DecorateAcks<EmitEvents>, SocketData>, "emit" | "emitWithAck"> {
    return this.operator.timeout(timeout) as any;
  }

  /** Makes it join rooms. */
  join(room: Room | Room[]): void {
    this.operator.socketsJoin(room);
  }

  /** Makes it leave a room. */
  leave(room: Room): void {
    this.operator.socketsLeave(room);
  }

  /** Disconnects it; with `close`, the connection below too. */
  disconnect(close = false): this {
    this.operator.disconnectSockets(close);
    return this;
  }
}

function union(rooms: Set<Room>, more: Room | Room[]): Set<Room> {
  const all = new Set(rooms);
  if (Array.isArray(more)) for (const room of more) all.add(room);
  else all.add(more);
  return all;
}
