/** Connection state recovery: its options, and what a program's sockets find again. (Ids, rooms and events are the engine's.) */
import type { DisconnectReason } from "./conn";
import type { Room } from "./rooms";

/** How clients whose connection broke come back to their state. */
export interface ConnectionStateRecovery {
  /** How long a client may be away, in ms. 120000. */
  maxDisconnectionDuration?: number;
  /**
   * Let a client that comes back in without asking the middlewares again. True: somebody whose rights were taken away
   * meanwhile is let in; set it to false where that matters.
   */
  skipMiddlewares?: boolean;
  /** Bytes of events that are kept for those who are away, all namespaces together; the oldest go first. 67108864. Not in socket.io. */
  maxBytes?: number;
  /** Clients that may be away at once; who has been longest expires first. 100000. Not in socket.io. */
  maxSessions?: number;
}

/** What is left of a socket whose client could have come back, and did not. */
export interface ExpiredSession<SocketData> {
  /** The id that the socket had. */
  id: string;
  /** The rooms it was in when it ended, its own id among them. */
  rooms: Set<Room>;
  /** Its `data`. */
  data: SocketData;
}

/**
 * The option with its defaults, or undefined if it is off.
 *
 * @throws RangeError for a duration that is no time (in socket.io, an infinite one breaks some adapters much later)
 * @internal
 */
export function recoveryOption(option: ConnectionStateRecovery | undefined): ConnectionStateRecovery | undefined {
  if (!option) return undefined;
  const recovery = { maxDisconnectionDuration: 120_000, skipMiddlewares: true, ...option };
  const { maxDisconnectionDuration: ms } = recovery;
  if (typeof ms !== "number" || !(ms >= 0 && ms <= 2_147_483_647)) {
    throw new RangeError(
      `connectionStateRecovery.maxDisconnectionDuration must be a number of ms from 0 to 2147483647, not ${String(ms)}`,
    );
  }
  return recovery;
}

/** After these a client may come back to its session. @internal */
export const RECOVERABLE: ReadonlySet<DisconnectReason> = new Set<DisconnectReason>([
  "transport error",
  "transport close",
  "forced close",
  "ping timeout",
  "server shutting down",
  "forced server close",
  "slow consumer",
  "rate limited",
]);

/** The `data` of sockets whose clients may come back, by their private ids. @internal */
export class Kept<SocketData> {
  private readonly data = new Map<string, SocketData | undefined>();

  /** Nobody may come back. */
  get empty(): boolean {
    return this.data.size === 0;
  }

  /** A socket has ended. */
  ended(pid: string, reason: DisconnectReason, data: SocketData | undefined): void {
    if (RECOVERABLE.has(reason)) this.data.set(pid, data);
    else this.data.delete(pid);
  }

  /** Its client is back. (It stays here: it may be refused, and come once more.) */
  find(pid: string): SocketData | undefined {
    return this.data.get(pid);
  }

  /** Its client has been let in: what it has is the new socket's now. */
  taken(pid: string): void {
    this.data.delete(pid);
  }

  /** Its client comes too late. */
  expired(pid: string): SocketData | undefined {
    const data = this.data.get(pid);
    this.data.delete(pid);
    return data;
  }
}
