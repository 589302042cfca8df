import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack } from '../demo/stack.js';
import { defineBench } from './bench.js';
import { cpuMs, memoryMib, rolesBelow } from './workflows/processes.js';

/** What a start leaves to do: views that catch up, audit's first look at the ledger, connections that settle. */
const SETTLE_MS = 25_000;
const IDLE_MS = 20_000;

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
      const roles = rolesBelow(stack.pid);
      const before = total(cpuMs(roles));
      await delay(IDLE_MS);
      const idleMs = total(cpuMs(roles)) - before;
      const memory = total(memoryMib(roles));
      await stack.stop();
      return [
        { name: 'firstBootMs', value: first.bootMs, unit: 'ms' },
        { name: 'bootMs', value: stack.bootMs, unit: 'ms' },
        { name: 'idleCpuPercent', value: (idleMs / IDLE_MS) * 100, unit: '% of a core' },
        { name: 'idlePssMib', value: memory, unit: 'MiB' },
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

const total = (byRole: ReadonlyMap<string, number>): number =>
  [...byRole.values()].reduce((sum, each) => sum + each, 0);
