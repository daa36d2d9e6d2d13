/** Waiting that can be cut short. */
export class Pause {
  #end: () => void = () => {};

  /** Wait so many milliseconds (Infinity: without an end), until `end`, or until the signal. */
  for(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(milliseconds) ? setTimeout(() => over(), milliseconds) : undefined;
      const over = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", over);
        resolve();
      };
      this.#end = over;
      signal?.addEventListener("abort", over);
    });
  }

  /** End the present pause. */
  end(): void {
    this.#end();
  }
}
