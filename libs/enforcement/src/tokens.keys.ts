import { refuse } from '@writ/ledger/domain';
import { importJWK, type CryptoKey, type JWK } from 'jose';

/** Where keys come from, and how often they are asked for. */
export interface KeySetOptions {
  /** Where the authorization server publishes its keys (RFC 7517). */
  url: string;
  /** Not more often than this, however many unknown keys are named. Default 1,000. */
  cooldownMs?: number;
  /** Keys that were fetched longer ago are fetched again; those that are gone by then are forgotten. Default 600,000. */
  maxAgeMs?: number;
  /** Default 5,000. */
  timeoutMs?: number;
  fetch?: typeof fetch;
  /** A monotonic clock, in milliseconds. */
  now?: () => number;
}

/** When the server cannot be reached, keys are used for this many times their age: an outage must not outlast a theft by much. */
const grace = 3;

/**
 * The authorization server's public keys. They come from its JWKS, fetched when a token names a key that is not known
 * yet, and from {@link KeySet.add}, which the follower of identity's ledger feeds: so a rotation never meets a cache.
 */
export class KeySet {
  private fetched = new Map<string, CryptoKey>();
  private readonly added = new Map<string, { key: CryptoKey; atMs: number }>();
  private readonly options: Required<KeySetOptions>;
  private fetching: Promise<void> | undefined;
  private fetchedAt = Number.NEGATIVE_INFINITY;

  constructor(options: KeySetOptions) {
    this.options = {
      cooldownMs: 1_000,
      maxAgeMs: 600_000,
      timeoutMs: 5_000,
      fetch: globalThis.fetch,
      now: () => performance.now(),
      ...options,
    };
  }

  /** The ES256 key of that id. Undefined: the server does not have it. @throws DomainError `service.unavailable` */
  async get(kid: string): Promise<CryptoKey | undefined> {
    const { maxAgeMs, cooldownMs, now } = this.options;
    const age = now() - this.fetchedAt;
    if (age > maxAgeMs * grace) this.fetched.clear();
    const known = this.fetched.get(kid);
    if (known && age > maxAgeMs) void this.refresh().catch(() => undefined);
    if (known) return known;
    const added = this.added.get(kid);
    if (added && now() - added.atMs < maxAgeMs) return added.key;
    if (this.fetching === undefined && age < cooldownMs) return undefined;
    await this.refresh();
    return this.fetched.get(kid);
  }

  /** Makes one key known before the JWKS is looked at. */
  async add(jwk: JWK): Promise<void> {
    const imported = await imports(jwk);
    if (imported) this.added.set(imported[0], { key: imported[1], atMs: this.options.now() });
  }

  private refresh(): Promise<void> {
    this.fetching ??= this.load().finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  private async load(): Promise<void> {
    const { url, timeoutMs, fetch, now } = this.options;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      const { keys } = (await response.json()) as { keys: JWK[] };
      const imported = await Promise.all(keys.map(imports));
      this.fetched = new Map(imported.filter((each) => each !== undefined));
      this.fetchedAt = now();
    } catch (cause) {
      throw Object.assign(
        refuse('service.unavailable', `the keys of the authorization server cannot be read from ${url}`),
        { cause },
      );
    }
  }
}

/** What is no ES256 key is left out: the algorithm is ours to choose, not the key's. */
async function imports(jwk: JWK): Promise<[string, CryptoKey] | undefined> {
  if (jwk.kid === undefined || jwk.kty !== 'EC' || jwk.crv !== 'P-256') return undefined;
  return [jwk.kid, (await importJWK(jwk, 'ES256')) as CryptoKey];
}
