/** When the rounds of events come: as long as the engine has more, but never so long that the rest of the process waits. */

/** Rounds, and milliseconds, after which other work of the process gets its turn. */
const MAX_ROUNDS = 64;
const MAX_MS = 2;

/** Says when the next round begins. @internal */
export class Pace {
  /** A round is under way or will come: the engine need not wake us. */
  private scheduled = false;
  private rounds = 0;
  private until = 0;

  /** @param round - takes one batch from the engine, and says {@link over} in the end */
  constructor(private readonly round: () => void) {}

  /** The engine has something for us. */
  wake(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.fresh();
  }

  /** The end of a round; another one follows while there is more. */
  over(more: boolean): void {
    if (!more) {
      this.scheduled = false;
      this.rounds = 0;
    } else if (++this.rounds < MAX_ROUNDS && performance.now() < this.until) {
      // A promise job, then a tick: all promise jobs of this round run before the next.
      queueMicrotask(this.again);
    } else {
      this.rounds = 0;
      setImmediate(this.fresh);
    }
  }

  private readonly again = (): void => process.nextTick(this.round);

  private readonly fresh = (): void => {
    this.until = performance.now() + MAX_MS;
    process.nextTick(this.round);
  };
}
