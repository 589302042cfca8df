import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { findNatsServer, findPostgres } from '@writ/servers';
import { quantile } from './bench.js';

/** What a figure means nothing without. */
export interface Conditions {
  readonly durability: 'fsync' | 'flush';
  readonly writ: string;
  readonly node: string;
  readonly natsServer: string;
  readonly postgres: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  /** Of a 4 KiB append and its `fdatasync` in the folder for scratch data. */
  readonly fsyncP50Ms: number;
  readonly fsyncP99Ms: number;
  /** Processes that wanted a core over the last minute, before the first run. */
  readonly load1m: number;
  readonly startedAt: string;
}

export async function measureConditions(wanted: 'fsync' | 'flush'): Promise<Conditions> {
  const nats = await findNatsServer();
  const old = /^2\.[0-9]\./.test(nats.version); // before 2.10 no message is on the disk when it is acknowledged
  const load1m = round(loadavg()[0] ?? 0);
  const fsync = fsyncTimes();
  return {
    durability: old ? 'flush' : wanted,
    writ: commit(),
    node: process.versions.node,
    natsServer: nats.version,
    postgres: findPostgres().version,
    system: `${platform()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGib: round(totalmem() / 1024 ** 3),
    fsyncP50Ms: round(quantile(fsync, 0.5)),
    fsyncP99Ms: round(quantile(fsync, 0.99)),
    load1m,
    startedAt: new Date().toISOString(),
  };
}

function fsyncTimes(): number[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'writ-bench-'));
  const file = openSync(path.join(folder, 'appended'), 'a');
  const block = Buffer.alloc(4096, 'w');
  const times: number[] = [];
  for (let index = 0; index < 100; index++) {
    const begin = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    times.push(performance.now() - begin);
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
  return times.sort((a, b) => a - b);
}

/** `0.1.0 1a2b3c4`, with a plus where files differ from that commit. */
function commit(): string {
  const root = path.resolve(import.meta.dirname, '../..');
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+';
    return `${version} ${git('rev-parse', '--short', 'HEAD')}${changed}`;
  } catch {
    return version; // an archive without its history
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
