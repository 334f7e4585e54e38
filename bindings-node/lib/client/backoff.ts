/** How long to wait before the next attempt. */
export class Backoff {
  /** Attempts since the last {@link reset}. */
  attempts = 0;

  /**
   * @param min - the first delay, in ms; each further one is twice as long
   * @param max - the longest delay, in ms, whatever chance adds
   * @param jitter - how much chance may add or take away: 0.5 means up to half of the delay. Outside 0…1 there is none
   */
  constructor(
    private min: number,
    private max: number,
    private jitter: number,
  ) {
    this.setJitter(jitter);
  }

  /** The next delay, in ms. */
  duration(): number {
    let ms = this.min * 2 ** this.attempts++;
    if (this.jitter > 0) {
      const chance = Math.random();
      const deviation = Math.floor(chance * this.jitter * ms);
      // Its first decimal decides: an even one shortens.
      ms += Math.floor(chance * 10) % 2 === 0 ? -deviation : deviation;
    }
    return Math.trunc(Math.min(ms, this.max));
  }

  /** The next attempt is the first one again. */
  reset(): void {
    this.attempts = 0;
  }

  setMin(min: number): void {
    this.min = min;
  }

  setMax(max: number): void {
    this.max = max;
  }

  setJitter(jitter: number): void {
    this.jitter = jitter > 0 && jitter <= 1 ? jitter : 0;
  }
}
