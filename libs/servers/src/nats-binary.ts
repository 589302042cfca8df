import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { atLeast, executable, inPath, versionOf } from './executables.js';

/** From this version on an acknowledged message can be on the disk: `sync_interval: always`. */
export const fsyncSince = '2.10';

export interface NatsBinary {
  path: string;
  version: string;
}

const project = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** Where set-up puts what it fetches; the first is the project's own, the second the user's. */
export const caches = [
  path.join(project, 'node_modules/.cache/writ'),
  path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'writ'),
];

/**
 * The nats-server to run: `WRIT_NATS_SERVER`, else PATH (2.10 or newer), else a cache, else an older one in PATH.
 *
 * @throws Error that says what to do, where there is none
 */
export async function findNatsServer(env: NodeJS.ProcessEnv = process.env): Promise<NatsBinary> {
  const named = env['WRIT_NATS_SERVER'];
  if (named) {
    const version = await versionOf(named);
    if (version === undefined) throw new Error(`WRIT_NATS_SERVER=${named} is not a nats-server that runs here`);
    return { path: named, version };
  }
  const installed = await inPath('nats-server', env['PATH']);
  const installedVersion = installed && (await versionOf(installed));
  if (installed && installedVersion && atLeast(installedVersion, fsyncSince)) {
    return { path: installed, version: installedVersion };
  }
  const cached = await inCache('nats-server');
  if (cached) return cached;
  if (installed && installedVersion) return { path: installed, version: installedVersion };
  throw new Error('There is no nats-server here. Run `npm run setup`, or set WRIT_NATS_SERVER to one.');
}

/** A 2.9 server (what Debian 12 ships), for what must hold there too: `WRIT_NATS_SERVER_OLD` or the cache. */
export async function findOldNatsServer(env: NodeJS.ProcessEnv = process.env): Promise<NatsBinary | undefined> {
  const named = env['WRIT_NATS_SERVER_OLD'];
  if (!named) return inCache('nats-server-old');
  const version = await versionOf(named);
  return version === undefined ? undefined : { path: named, version };
}

async function inCache(name: string): Promise<NatsBinary | undefined> {
  for (const cache of caches) {
    const file = path.join(cache, name);
    if (!(await executable(file))) continue;
    const version = await versionOf(file);
    if (version !== undefined) return { path: file, version };
  }
  return undefined;
}
