/** Rooms as the original's adapter shows them. The engine keeps them; this looks. */
import { EventEmitter } from "node:events";
import type { Namespace } from "./namespace";
import type { Room } from "./rooms";

/**
 * `namespace.adapter`: the rooms of a namespace, to read. Each access makes a copy; to find the members of one room,
 * `namespace.in(room).fetchSockets()` costs less.
 */
export class RoomsView extends EventEmitter {
  constructor(
    /** The namespace. */
    readonly nsp: Namespace<any, any, any, any>,
  ) {
    super();
  }

  /** The ids of the sockets in each room. */
  get rooms(): Map<Room, Set<string>> {
    const rooms = new Map<Room, Set<string>>();
    for (const [id, own] of this.sids) {
      for (const room of own) {
        const members = rooms.get(room);
        if (members) members.add(id);
        else rooms.set(room, new Set([id]));
      }
    }
    return rooms;
  }

  /** The rooms of each socket. */
  get sids(): Map<string, Set<Room>> {
    const sids = new Map<string, Set<Room>>();
    for (const [id, socket] of this.nsp.sockets) sids.set(id, socket.rooms);
    return sids;
  }
}
