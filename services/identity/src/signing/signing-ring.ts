import type { Logger } from '@writ/ledger';
import { DomainError, type Actor } from '@writ/ledger/domain';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import type { DataSource } from 'typeorm';
import { publicJwkSchema, type Key } from '../principal/keys.js';
import { itself } from '../registry/identity.commands.js';
import type { RegistryQueries } from '../registry/registry.queries.js';
import { seal, unseal } from './sealing.js';
import { publishedKeys, type SigningKeys } from './signing-key.js';

export interface SigningRingOptions {
  dataSource: DataSource;
  queries: RegistryQueries;
  secret: Buffer;
  tokenTtlS: number;
  /** Sends the command and gives back when the view has it. */
  activate(key: Key, replaces: string | undefined, by: Actor): Promise<{ position: string }>;
  /** Told of every change: the keys to sign with and to publish, of which the first signs. */
  changed(keys: readonly JWK[]): void;
  log: Logger;
}

/**
 * The authorization server's own keys. Which key signs is in the ledger; the private halves are sealed in Postgres. A
 * former key stays published until the last token that it signed has expired.
 */
export class SigningRing {
  private keys: readonly JWK[] = [];

  constructor(private readonly options: SigningRingOptions) {}

  /** Opens the keys there are; makes the first one, and a new one where the secret was lost. */
  async open(): Promise<void> {
    await this.reload();
    const active = await this.active();
    const usable = active !== undefined && this.keys[0]?.kid === active;
    if (usable) return;
    if (active !== undefined) this.options.log.warn({ kid: active }, 'the signing key cannot be unsealed; rotating');
    await this.rotate(itself).catch((error: unknown) => {
      // Another replica was first; its key will do.
      if (!(error instanceof DomainError && error.code === 'identity.rotated_meanwhile')) throw error;
    });
    await this.reload();
    if (this.keys.length === 0) throw new Error('there is no signing key that WRIT_IDENTITY_SECRET opens');
  }

  /** Signs with a new key from now on. @throws DomainError `identity.rotated_meanwhile` */
  async rotate(by: Actor): Promise<{ kid: string; position: string }> {
    const { dataSource, secret } = this.options;
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = publicJwkSchema.parse(await exportJWK(publicKey));
    const kid = await calculateJwkThumbprint(jwk);
    const sealed = seal(secret, kid, JSON.stringify(await exportJWK(privateKey)));
    const replaces = await this.active();
    await dataSource.query('insert into sealed_keys (kid, sealed) values ($1, $2)', [kid, sealed]);
    const { position } = await this.options.activate({ kid, jwk }, replaces, by);
    await this.reload();
    return { kid, position };
  }

  /** Reads what the view shows now, and destroys private halves that are of no use any more. */
  async reload(): Promise<void> {
    const { dataSource, secret, changed } = this.options;
    const published = publishedKeys(await this.known(), new Date(), this.options.tokenTtlS * 1000);
    const rows: { kid: string; sealed: Buffer }[] = await dataSource.query('select kid, sealed from sealed_keys');
    const sealed = new Map(rows.map((row) => [row.kid, row.sealed]));
    const keys = published.flatMap(({ kid }) => {
      const text = sealed.get(kid) && unseal(secret, kid, sealed.get(kid) as Buffer);
      return text ? [{ ...(JSON.parse(text) as JWK), kid, alg: 'ES256', use: 'sig' }] : [];
    });
    const ids = (list: readonly JWK[]) => list.map((key) => key.kid).join();
    if (keys.length > 0 && ids(keys) !== ids(this.keys)) {
      this.keys = keys;
      changed(keys);
    }
    const needed = published.map(({ kid }) => kid);
    await dataSource.query(`delete from sealed_keys where kid <> all($1) and created < now() - interval '1 hour'`, [
      needed,
    ]);
  }

  /** Public key by id, for verifying tokens of one's own. */
  async get(kid: string): Promise<CryptoKey | undefined> {
    const key = this.keys.find((each) => each.kid === kid);
    if (!key) return undefined;
    const { d: _private, ...jwk } = key;
    return (await importJWK(jwk, 'ES256')) as CryptoKey;
  }

  private async active(): Promise<string | undefined> {
    return (await this.known())[0]?.kid;
  }

  private async known(): Promise<SigningKeys> {
    return (await this.options.queries.signingKeys()).map(({ since, until, ...key }) => ({
      ...key,
      since: since.toISOString(),
      ...(until && { until: until.toISOString() }),
    }));
  }
}
