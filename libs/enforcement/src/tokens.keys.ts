import { refuse } from '@writ/ledger/domain';
import { importJWK, type CryptoKey, type JWK } from 'jose';

/** A key set and how long it may be trusted without looking again. */
export interface KeySetOptions {
  /** Where the authorization server publishes its keys (RFC 7517). */
  url: string;
  /** Not more often than this, however many unknown keys are named. Default 1,000. */
  cooldownMs?: number;
  /** Default 5,000. */
  timeoutMs?: number;
  fetch?: typeof fetch;
}

/**
 * The authorization server's public keys. They come from its JWKS, fetched when a token names a key that is not known
 * yet, and from {@link KeySet.add}, which the follower of identity's ledger feeds: so a rotation never meets a cache.
 */
export class KeySet {
  private readonly keys = new Map<string, CryptoKey>();
  private readonly options: Required<KeySetOptions>;
  private fetching: Promise<void> | undefined;
  private fetchedAt = Number.NEGATIVE_INFINITY;

  constructor({ cooldownMs = 1_000, timeoutMs = 5_000, fetch = globalThis.fetch, url }: KeySetOptions) {
    this.options = { cooldownMs, timeoutMs, fetch, url };
  }

  /** The ES256 key of that id. Undefined: the server does not have it. @throws DomainError `service.unavailable` */
  async get(kid: string): Promise<CryptoKey | undefined> {
    const known = this.keys.get(kid);
    if (known) return known;
    if (this.fetching === undefined && performance.now() - this.fetchedAt < this.options.cooldownMs) return undefined;
    await this.refresh();
    return this.keys.get(kid);
  }

  /** Makes one key known. What is no ES256 key is left out: the algorithm is ours to choose, not the key's. */
  async add(jwk: JWK): Promise<void> {
    if (jwk.kid === undefined || jwk.kty !== 'EC' || jwk.crv !== 'P-256') return;
    this.keys.set(jwk.kid, (await importJWK(jwk, 'ES256')) as CryptoKey);
  }

  private refresh(): Promise<void> {
    this.fetching ??= this.load().finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  private async load(): Promise<void> {
    const { url, timeoutMs } = this.options;
    try {
      const response = await this.options.fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      const { keys } = (await response.json()) as { keys: JWK[] };
      await Promise.all(keys.map((jwk) => this.add(jwk)));
      this.fetchedAt = performance.now();
    } catch (cause) {
      throw Object.assign(
        refuse('service.unavailable', `the keys of the authorization server cannot be read from ${url}`),
        { cause },
      );
    }
  }
}
