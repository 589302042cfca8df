import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processesBelow } from '@writ/testkit';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack } from '../demo/stack.js';
import { defineBench } from './bench.js';

/** What a start leaves to do: views that catch up, audit's first look at the ledger, connections that settle. */
const SETTLE_MS = 25_000;
const IDLE_MS = 20_000;
/** Linux counts the time of a process in these. */
const TICKS_PER_SECOND = 100;

export const bench = defineBench({
  name: 'stack',
  about: 'the embedded stack with nothing to do: how long it takes to boot, what it costs while it waits',
  doesNotMeasure: ['a stack with data: runs that wait, large views', 'the page cache that its files take'],
  targets: {
    firstBootMs: { atMost: 8_000 },
    bootMs: { atMost: 8_000 },
    idleCpuPercent: { atMost: 3 },
    idlePssMib: { atMost: 900 },
  },
  async run() {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-stack-'));
    try {
      const first = await startStack(folder);
      await first.stop();
      const stack = await startStack(folder);
      await delay(SETTLE_MS);
      const before = ticksOf(stack.pid);
      await delay(IDLE_MS);
      const idle = ticksOf(stack.pid) - before;
      const memory = family(stack.pid).reduce((sum, pid) => sum + pssKibOf(pid), 0);
      await stack.stop();
      return [
        { name: 'firstBootMs', value: first.bootMs, unit: 'ms' },
        { name: 'bootMs', value: stack.bootMs, unit: 'ms' },
        { name: 'idleCpuPercent', value: (idle / TICKS_PER_SECOND / (IDLE_MS / 1_000)) * 100, unit: '% of a core' },
        { name: 'idlePssMib', value: memory / 1_024, unit: 'MiB' },
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

const family = (pid: number): number[] => [pid, ...processesBelow(pid).map((process) => process.pid)];

/** The fields of proc_pid_stat(5) behind the name of the program; nothing of a process that is gone. */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return [];
  }
}

const ticksOf = (pid: number): number =>
  family(pid).reduce((sum, each) => sum + Number(statOf(each)[11] ?? 0) + Number(statOf(each)[12] ?? 0), 0);

/** Memory with what is shared counted once. */
function pssKibOf(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
