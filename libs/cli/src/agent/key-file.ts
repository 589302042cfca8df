import { generateKeyPairSync } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { Refused } from '../failure/refused.js';

type Jwk = Record<string, unknown>;

/** A new EC P-256 key pair for ES256, as JWKs (RFC 7517). */
export function newKeyPair(): { jwk: Jwk; publicJwk: Jwk } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk: Jwk = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256' };
  const { d: _secret, ...publicJwk } = jwk;
  return { jwk, publicJwk };
}

/**
 * Writes `{"client_id", "jwk"}`, readable by this user only, and never over another file. Gives what takes it away again.
 *
 * @throws Refused `cli.file_exists`, `cli.bad_input`
 */
export async function writeKeyFile(file: string, clientId: string, jwk: Jwk): Promise<() => Promise<void>> {
  const text = `${JSON.stringify({ client_id: clientId, jwk })}\n`;
  await writeFile(file, text, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST')
      throw new Refused('cli.file_exists', `${file} is there already, and a key is never overwritten`, {
        hint: 'name another file with --out',
      });
    throw new Refused('cli.bad_input', `${file} cannot be written: ${error.code ?? error.message}`);
  });
  return () => rm(file, { force: true });
}
