/** A pause that can be ended early. */
export class Pause {
  #end: () => void = () => {};

  /** Waits so many milliseconds (Infinity: no limit), until `end`, or until the signal. */
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

  /** Ends the present pause. */
  end(): void {
    this.#end();
  }
}
