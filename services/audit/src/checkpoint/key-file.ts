import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { noteKey, type NoteKey } from './note.js';

/** The key of this installation's checkpoints; made once, readable by this user only. */
export async function keyOf(folder: string, origin: string): Promise<NoteKey> {
  const file = path.join(folder, 'key.pem');
  const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const key = noteKey(origin, pem);
  if (pem !== undefined) return key;
  await mkdir(folder, { recursive: true });
  // `wx`: of two that start at once, one makes the key and the other reads it.
  await writeFile(file, key.pem, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return noteKey(origin, await readFile(file, 'utf8'));
}
