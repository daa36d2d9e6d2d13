/** Where the next token comes from, and which one is not worth sending again. */

import { textOf } from "./answers.js";

/**
 * A token, or what fetches one. It is asked before every connection; `refused` says why the last
 * token was refused, and null or "" means that there is none (the seller must log in).
 */
export type TokenSource =
  | string
  | ((refused?: string) => string | null | undefined | Promise<string | null | undefined>);

export class Tokens {
  #refused: { token: string; reason: string } | undefined;

  constructor(private source: TokenSource) {}

  /** Whether asking again can bring another one than was refused. */
  get canRenew(): boolean {
    const { source } = this;
    return typeof source === "function" || (source !== "" && source !== this.#refused?.token);
  }

  /** Why there is no token to connect with. */
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

  /** A token to try; undefined where there is none but the refused one. */
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
