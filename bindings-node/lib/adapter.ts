/** What stands behind a namespace: its rooms, and the way to other servers. The contract is npm's `socket.io-adapter`. */
import type { EventEmitter } from "node:events";
import type { Room } from "./rooms";

/** How a broadcast travels. */
export interface BroadcastFlags {
  /** Drop it for receivers that are not ready. */
  volatile?: boolean;
  /** Whether packets may be compressed. */
  compress?: boolean;
  /** Receivers of this server only. */
  local?: boolean;
  /** Set by clients of old. */
  broadcast?: boolean;
  /** The packet has binary values in it. */
  binary?: boolean;
  /** How long to wait for answers, in ms. */
  timeout?: number;
  /** One answer is awaited, as of one socket. */
  expectSingleResponse?: boolean;
}

/** Whom a broadcast is for: the members of rooms (of none at all: everybody) without those of others. */
export interface BroadcastOptions {
  /** Their members are meant. */
  rooms: Set<Room>;
  /** Their members are not. */
  except?: Set<Room>;
  /** How it travels. */
  flags?: BroadcastFlags;
}

/** A packet as adapters pass it on: `{ type: 2, data: [event, ...args] }` for an event. */
export interface BroadcastPacket {
  /** 2 means an event. */
  type: number;
  /** The event's name, then its arguments. */
  data: any[];
  /** The namespace; adapters set it. */
  nsp?: string;
  /** The id of the ack; adapters set it. */
  id?: number;
}

/** What an adapter keeps of a socket that may come back. */
export interface SavedSession {
  /** The socket's public id. */
  sid: string;
  /** Its private id. */
  pid: string;
  /** Its rooms. */
  rooms: Room[];
  /** Its `data`. */
  data: any;
}

/** What an adapter knows of a socket that comes back. */
export interface RestoredSession extends SavedSession {
  /** The events it has missed, oldest first: names and arguments. */
  missedPackets: any[][];
}

/** The adapter of a namespace. Emits `create-room`, `delete-room` (room), `join-room`, `leave-room` (room, socket id). */
export interface Adapter extends EventEmitter {
  /** The ids of the sockets in each room. */
  readonly rooms: Map<Room, Set<string>>;
  /** The rooms of each socket. */
  readonly sids: Map<string, Set<Room>>;
  /** The namespace. */
  readonly nsp: any;
  /** Called when the namespace has it. */
  init(): Promise<void> | void;
  /** Called when the server closes, or the namespace is given up. */
  close(): Promise<void> | void;
  /** How many servers there are. */
  serverCount(): Promise<number>;
  /** Makes a socket join rooms. */
  addAll(id: string, rooms: Set<Room>): Promise<void> | void;
  /** Makes a socket leave a room. */
  del(id: string, room: Room): Promise<void> | void;
  /** Makes a socket leave all its rooms. */
  delAll(id: string): void;
  /** Sends a packet. */
  broadcast(packet: any, opts: BroadcastOptions): void;
  /** Sends a packet that is answered: calls back with the number of receivers once per server, and with each answer. */
  broadcastWithAck(
    packet: any,
    opts: BroadcastOptions,
    clientCount: (count: number) => void,
    ack: (...args: any[]) => void,
  ): void;
  /** The ids of the sockets in rooms. */
  sockets(rooms: Set<Room>): Promise<Set<string>>;
  /** The rooms of a socket. */
  socketRooms(id: string): Set<Room> | undefined;
  /** The sockets, of all servers. */
  fetchSockets(opts: BroadcastOptions): Promise<any[]>;
  /** Makes sockets join rooms. */
  addSockets(opts: BroadcastOptions, rooms: Room[]): void;
  /** Makes sockets leave rooms. */
  delSockets(opts: BroadcastOptions, rooms: Room[]): void;
  /** Disconnects sockets. */
  disconnectSockets(opts: BroadcastOptions, close: boolean): void;
  /** Sends an event to the other servers; a function at the end of it gets their answers. */
  serverSideEmit(packet: any[]): void;
  /** Keeps a session in case its client comes back. */
  persistSession(session: SavedSession): void;
  /** Finds a session and what its client missed. */
  restoreSession(pid: string, offset: string): Promise<RestoredSession> | null;
}

/** A class of adapters, or a function that makes one: both are called with `new`. */
export type AdapterConstructor = (new (nsp: any) => any) | ((nsp: any) => any);
