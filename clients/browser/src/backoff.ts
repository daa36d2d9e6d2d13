/** Computes the delay before the next try: it doubles, is bounded, and has jitter. */
export class Backoff {
  #tries = 0;

  constructor(
    private readonly firstMs: number,
    private readonly longestMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** Gives the next delay in milliseconds, at random between half of the present step and all. */
  next(): number {
    const due = Math.min(this.longestMs, this.firstMs * 2 ** this.#tries);
    this.#tries = Math.min(this.#tries + 1, 30);
    return due * (0.5 + this.random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}
