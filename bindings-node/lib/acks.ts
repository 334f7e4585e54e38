/** Answers that are awaited. The engine counts, and keeps the time; here is who is told. */
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
    private readonly self: object,
    private readonly callback: Callback,
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

/** A time as Node's timers understand it: whole ms from 1 on; anything else counts as 1. @internal */
export function timerMs(ms: number | undefined): number {
  const number = Number(ms);
  return number >= 1 && number <= 0x7fff_ffff ? Math.trunc(number) : 1;
}
