/** Answers that are awaited: of one socket, or of all receivers of a broadcast; and who is told. */
import type { Adapter, BroadcastOptions, BroadcastPacket } from "./adapter";
import { timedOut } from "./errors";
import { AckEndKind } from "./records";

/** An emit whose answer is awaited. */
export interface PendingAck {
  /** Several may answer: it ends by `end` only. */
  readonly many: boolean;
  /** Somebody answered. */
  answer(args: any[]): void;
  /** Nobody (else) will. */
  end(end: AckEndKind): void;
}

type Callback = (...args: any[]) => void;

/** The answer of one socket. */
export class OneAck implements PendingAck {
  readonly many = false;
  private readonly deadline: number | undefined;

  /** @param timeout - in ms; with one, the callback's first argument is an error or null */
  constructor(
    /** The socket that asked. */
    readonly self: object,
    /** Who is told. */
    readonly callback: Callback,
    timeout: number | undefined,
  ) {
    this.deadline = timeout === undefined ? undefined : performance.now() + timeout;
  }

  answer(args: any[]): void {
    if (this.deadline === undefined) this.callback.apply(this.self, args);
    else this.callback.call(this.self, null, ...args);
  }

  end(end: AckEndKind): void {
    if (this.deadline === undefined) return; // as the original: the callback of a client that left is never called
    const tell = () => this.callback.call(this.self, timedOut());
    if (end === AckEndKind.TimedOut) tell();
    else setTimeout(tell, this.deadline - performance.now()); // no sooner for the client's having left
  }
}

/** The answers of all receivers of a broadcast: the first argument of each, in the order they come. */
export class ManyAcks implements PendingAck {
  readonly many = true;
  private readonly answers: any[] = [];

  constructor(
    private readonly self: object,
    private readonly callback: Callback,
  ) {}

  answer(args: any[]): void {
    this.answers.push(args[0]);
  }

  end(end: AckEndKind): void {
    this.callback.call(this.self, end === AckEndKind.Complete ? null : timedOut(), this.answers);
  }
}

/**
 * Broadcasts and collects the answers: `callback` gets an error or null, and the first argument of each answer in the order
 * they come. On the engine, the engine counts them and keeps the time. Any other adapter tells how many clients each server
 * has asked.
 */
export function collect(
  self: object,
  adapter: Adapter & Partial<Asking>,
  packet: BroadcastPacket,
  opts: BroadcastOptions,
  callback: Callback,
): void {
  if (adapter._ask !== undefined) {
    return adapter._ask(packet.data, opts, new ManyAcks(self, callback), timerMs(opts.flags?.timeout));
  }
  const single = opts.flags?.expectSingleResponse === true;
  const answers: any[] = [];
  let servers = -1;
  let serversAsked = 0;
  let clientsAsked = 0;
  let over = false;
  const end = (error: Error | null) => {
    over = true;
    clearTimeout(timer);
    callback.call(self, error, single ? (error ? null : answers[0]) : answers);
  };
  const check = () => {
    if (!over && serversAsked === servers && answers.length === clientsAsked) end(null);
  };
  const timer = setTimeout(() => {
    // Late answers mean nothing any more.
    const { id } = packet;
    if (id !== undefined) for (const socket of adapter.nsp.sockets.values()) socket.acks.delete(id);
    end(timedOut());
  }, opts.flags?.timeout);
  adapter.broadcastWithAck(
    packet,
    opts,
    (count) => {
      clientsAsked += count;
      serversAsked++;
      check();
    },
    (answer) => {
      answers.push(answer);
      check();
    },
  );
  adapter.serverCount().then((count) => {
    servers = count;
    check();
  });
}

/** An adapter that collects by itself. @internal */
export interface Asking {
  /** `timeout` is in ms. */
  _ask(event: any[], opts: BroadcastOptions, acks: ManyAcks, timeout: number): void;
}

/** A time as Node's timers understand it: whole ms from 1 on; anything else counts as 1. @internal */
export function timerMs(ms: number | undefined): number {
  const number = Number(ms);
  return number >= 1 && number <= 0x7fff_ffff ? Math.trunc(number) : 1;
}
