/** Gets the next token, and remembers the refused one, which must not be sent again. */

import { textOf } from "./answers.js";

/**
 * A token, or a function that fetches one before every connection. Its argument `refused` says why
 * the last token was refused. Null or "" means that there is none: the seller must log in.
 */
export type TokenSource =
  | string
  | ((refused?: string) => string | null | undefined | Promise<string | null | undefined>);

export class Tokens {
  #refused: { token: string; reason: string } | undefined;

  constructor(private source: TokenSource) {}

  /** Whether another call can give another token than the refused one. */
  get canRenew(): boolean {
    const { source } = this;
    return typeof source === "function" || (source !== "" && source !== this.#refused?.token);
  }

  /** The reason why there is no token to connect with. */
  get reason(): string {
    return this.#refused?.reason ?? "there is no token";
  }

  replace(source: TokenSource): void {
    this.source = source;
    this.#refused = undefined;
  }

  refuse(token: string, reason: string): void {
    this.#refused = { token, reason };
  }

  /** Gives a token to try, or undefined if there is only the refused one. */
  async next(): Promise<string | undefined> {
    const token = typeof this.source === "function" ? await this.#fetch(this.source) : this.source;
    return token && token !== this.#refused?.token ? token : undefined;
  }

  async #fetch(source: Exclude<TokenSource, string>): Promise<string | null | undefined> {
    try {
      return await source(this.#refused?.reason);
    } catch (error) {
      throw new Error(`a token could not be fetched: ${textOf(error)}`);
    }
  }
}
