/** Who receives, and how: the target of a broadcast. */
import { ManyAcks, timerMs } from "./acks";
import type {
  AllButLast,
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
import type { Namespace } from "./namespace";
import type { Room } from "./rooms";

/** How a broadcast travels. */
export interface BroadcastFlags {
  /** Drop it for receivers that are not ready. */
  volatile?: boolean;
  /** Whether packets may be compressed. */
  compress?: boolean;
  /** Receivers of this server only. */
  local?: boolean;
  /** How long to wait for answers, in ms. */
  timeout?: number;
}

/**
 * A set of sockets, described: the union of some rooms without the members of others. Immutable; each call gives a new one.
 *
 * No room at all means everybody in the namespace.
 */
export class BroadcastOperator<EmitEvents extends EventsMap, SocketData> {
  /** @internal */
  constructor(
    private readonly nsp: Namespace<any, any, any, any>,
    private readonly rooms: ReadonlySet<Room> = new Set(),
    private readonly exceptRooms: ReadonlySet<Room> = new Set(),
    private readonly flags: BroadcastFlags = {},
  ) {}

  /** Adds the members of rooms. */
  to(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.nsp, union(this.rooms, room), this.exceptRooms, this.flags);
  }

  /** The same as {@link to}. */
  in(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.to(room);
  }

  /** Leaves the members of rooms out. */
  except(room: Room | Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.nsp, this.rooms, union(this.exceptRooms, room), this.flags);
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
    const { nsp, rooms, exceptRooms, flags } = this;
    const last = event[event.length - 1];
    if (typeof last !== "function") {
      nsp._broadcast(event, rooms, exceptRooms, flags, undefined, -1);
    } else {
      event.pop();
      nsp._broadcast(event, rooms, exceptRooms, flags, new ManyAcks(this, last), timerMs(flags.timeout));
    }
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
    return Promise.resolve(this.nsp._members(this.rooms, this.exceptRooms) as any[]);
  }

  /** Their ids. @deprecated use {@link fetchSockets} */
  allSockets(): Promise<Set<string>> {
    return Promise.resolve(new Set(this.nsp._members(this.rooms, this.exceptRooms).map(({ id }) => id)));
  }

  /** Makes them join rooms. */
  socketsJoin(room: Room | Room[]): void {
    for (const socket of this.nsp._members(this.rooms, this.exceptRooms)) socket.join(room);
  }

  /** Makes them leave rooms. */
  socketsLeave(room: Room | Room[]): void {
    const rooms = Array.isArray(room) ? room : [room];
    for (const socket of this.nsp._members(this.rooms, this.exceptRooms)) {
      for (const room of rooms) socket.leave(room);
    }
  }

  /**
   * Disconnects them.
   *
   * @param close - close the connections below too
   */
  disconnectSockets(close = false): void {
    for (const socket of this.nsp._members(this.rooms, this.exceptRooms)) socket.disconnect(close);
  }

  private flagged(flags: BroadcastFlags): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.nsp, this.rooms, this.exceptRooms, { ...this.flags, ...flags });
  }
}

/**
 * A socket, possibly of another server: what `fetchSockets()` gives. On this server it is the {@link Socket} itself.
 */
export interface RemoteSocket<EmitEvents extends EventsMap, SocketData> {
  /** The public id. */
  readonly id: string;
  /** What the client sent to connect. */
  readonly handshake: Handshake;
  /** The rooms it is in. */
  readonly rooms: Set<Room>;
  /** What the program keeps with it. */
  readonly data: SocketData;
  /** Sends it an event. */
  emit<Name extends EventNames<EmitEvents>>(event: Name, ...args: EventParams<EmitEvents, Name>): boolean;
  /** How long the next emit waits for the answer, in ms. */
  timeout(timeout: number): Pick<BroadcastOperator<DecorateAcksOfMany<EmitEvents>, SocketData>, "emit" | "emitWithAck">;
  /** Makes it join rooms. */
  join(room: Room | Room[]): void;
  /** Makes it leave a room. */
  leave(room: Room): void;
  /** Disconnects it. */
  disconnect(close?: boolean): this;
}

function union(rooms: ReadonlySet<Room>, more: Room | Room[]): ReadonlySet<Room> {
  const all = new Set(rooms);
  if (Array.isArray(more)) for (const room of more) all.add(room);
  else all.add(more);
  return all;
}
