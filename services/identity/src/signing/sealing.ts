import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** The secret that seals private keys: given, or made once and kept in a file that only this user can read. */
export async function sealingSecret(given: string | undefined, dataDir: string): Promise<Buffer> {
  if (given !== undefined) return Buffer.from(given, 'base64');
  const folder = path.join(dataDir, 'identity');
  const file = path.join(folder, 'secret');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, randomBytes(32).toString('base64'), { mode: 0o600, flag: 'wx' });
  // A link, unlike a rename, fails where the file exists: of two processes that start at once, both read what the first wrote.
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(draft);
  const secret = Buffer.from(await readFile(file, 'utf8'), 'base64');
  if (secret.length !== 32) throw new Error(`${file} does not hold 32 bytes in base64`);
  return secret;
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
