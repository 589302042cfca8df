import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * 32 bytes that all replicas of a service share and nobody else knows: given, or made once and kept in
 * `<dataDir>/<service>/secret`, a file that only this user can read.
 */
export async function serviceSecret(given: string | undefined, dataDir: string, service: string): Promise<Buffer> {
  if (given !== undefined) return Buffer.from(given, 'base64');
  const folder = path.join(dataDir, service);
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
