/** How long to wait before the next try: doubling, bounded, with jitter. */
export class Backoff {
  #tries = 0;

  constructor(
    private readonly firstMs: number,
    private readonly longestMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next delay in milliseconds: between half and all of what is due. */
  next(): number {
    const due = Math.min(this.longestMs, this.firstMs * 2 ** this.#tries);
    this.#tries = Math.min(this.#tries + 1, 30);
    return due * (0.5 + this.random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}
