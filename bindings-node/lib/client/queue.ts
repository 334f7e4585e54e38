/** Events that are sent again until the server acknowledges them: the option `retries`. */
import * as debug from "./debug";
import type { Flags } from "./socket";

type Callback = (error: Error | null, ...answer: any[]) => void;

/** An event that waits, or has been sent and waits for its answer. */
export interface QueuedPacket {
  id: number;
  /** How often it has been sent. */
  tryCount: number;
  /** It has been sent, and neither answered nor given up. */
  pending: boolean;
  /** The event's name, its arguments, and the ack that leads back here. */
  args: any[];
  flags: Flags;
}

/**
 * A queue: one event is under way at a time, so they arrive in order, perhaps more than once.
 *
 * It stands in the socket that sends; the first of `waiting` is the one under way.
 */
export class RetryQueue {
  readonly waiting: QueuedPacket[] = [];
  private lastId = 0;

  /**
   * @param retries - how often an event is sent again
   * @param ready - the socket is connected
   * @param send - sends an event now
   */
  constructor(
    private readonly retries: number,
    private readonly ready: () => boolean,
    private readonly send: (packet: QueuedPacket) => void,
  ) {}

  /** Takes an event, and its ack as the last of its arguments if it has one. */
  add(args: any[], flags: Flags): void {
    const callback: Callback | undefined = typeof args.at(-1) === "function" ? args.pop() : undefined;
    const packet: QueuedPacket = {
      id: this.lastId++,
      tryCount: 0,
      pending: false,
      args,
      flags: { ...flags, fromQueue: true },
    };
    const ack = (error: Error | null, ...answer: any[]) => this.answered(packet, callback, error, answer);
    args.push(Object.assign(ack, { withError: true }));
    this.waiting.push(packet);
    this.drain();
  }

  /** Sends the first event, if none is under way; with `again` even then. */
  drain(again = false): void {
    const [packet] = this.waiting;
    if (packet === undefined || !this.ready() || (packet.pending && !again)) return;
    packet.pending = true;
    packet.tryCount++;
    debug.socket("sending packet [%d] (try n°%d)", packet.id, packet.tryCount);
    this.send(packet);
  }

  private answered(packet: QueuedPacket, callback: Callback | undefined, error: Error | null, answer: any[]): void {
    // An earlier try was answered before.
    if (packet !== this.waiting[0]) return;
    if (error === null) {
      this.waiting.shift();
      callback?.(null, ...answer);
    } else if (packet.tryCount > this.retries) {
      debug.socket("packet [%d] is discarded after %d tries", packet.id, packet.tryCount);
      this.waiting.shift();
      callback?.(error);
    }
    packet.pending = false;
    this.drain();
  }
}
