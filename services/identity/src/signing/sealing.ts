import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { serviceSecret } from '@writ/platform';

/** The secret that seals private keys: given, or made once and kept in a file that only this user can read. */
export function sealingSecret(given: string | undefined, dataDir: string): Promise<Buffer> {
  return serviceSecret(given, dataDir, 'identity');
}

/** AES-256-GCM over a text; `name` is authenticated with it, so that sealed values cannot be swapped. Nonce, tag, then ciphertext. */
export function seal(secret: Buffer, name: string, text: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(name));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** The text, or undefined when it was sealed with another secret or name, or changed since. */
export function unseal(secret: Buffer, name: string, sealed: Buffer): string | undefined {
  try {
    const cipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, 12)).setAAD(Buffer.from(name));
    cipher.setAuthTag(sealed.subarray(12, 28));
    return Buffer.concat([cipher.update(sealed.subarray(28)), cipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
