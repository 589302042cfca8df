import type { AccessToken } from './oauth.js';

/** Tokens are asked for again this long before they end, so that none ends on its way. */
const earlyMs = 30_000;

/** Gives the same token to everyone until shortly before it ends; asks once, however many wait. */
export class TokenCache {
  #current: Promise<AccessToken> | undefined;
  #expires = 0;

  constructor(
    private readonly fetchToken: () => Promise<AccessToken>,
    private readonly clock: () => number = Date.now,
  ) {}

  async get(): Promise<string> {
    if (!this.#current || this.clock() >= this.#expires) this.#renew();
    return (await this.#current!).value;
  }

  /** The server refused this token: the next `get` asks for another one. */
  drop(token: string): void {
    void this.#current?.then(
      ({ value }) => {
        if (value === token) this.#current = undefined;
      },
      () => {},
    );
  }

  #renew(): void {
    const asked = this.fetchToken();
    this.#current = asked;
    this.#expires = Number.POSITIVE_INFINITY; // while it is under way nobody asks a second time
    asked.then(
      ({ expires }) => {
        const left = expires.getTime() - this.clock();
        this.#expires = expires.getTime() - Math.min(earlyMs, left / 2);
      },
      () => {
        if (this.#current === asked) this.#current = undefined;
      },
    );
  }
}
