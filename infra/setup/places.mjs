import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** What set-up fetches for this clone. */
export const cache = path.join(root, 'node_modules/.cache/writ');
/** What it may fetch once for all clones of this user. */
export const userCache = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'writ');

export function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first executable file of that name in PATH. */
export function inPath(name) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name)).find(executable);
}
