/** Workflows one after the other and many at once: how many end in a second, and what each process spends on one. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Measurement } from '../bench.js';
import type { Marked } from './closed-loop.js';
import { cpuMs, quiet, type Roles } from './processes.js';
import type { Program } from './program.js';

/** Until the code of every process is compiled and its pools are full. */
const WARM_UP_MS = 5_000;
/** Until a level is what it is. */
const SETTLE_MS = 1_500;
const MEASURED_MS = 8_000;

export interface Level extends Marked {
  /** Of each process, for one workflow. */
  readonly cpuMsPerRun: ReadonlyMap<string, number>;
}

export async function warmUp(client: Program, roles: Roles): Promise<void> {
  await client.ask('begin', { inFlight: 64 });
  await delay(WARM_UP_MS);
  await client.ask('end');
  await quiet(roles);
}

/** A client that keeps so many in flight. */
export async function measureLevel(client: Program, inFlight: number, roles: Roles): Promise<Level> {
  await client.ask('begin', { inFlight });
  await delay(SETTLE_MS);
  await client.ask('mark');
  const before = cpuMs(roles);
  await delay(MEASURED_MS);
  const marked = await client.ask<Marked>('mark');
  const after = cpuMs(roles);
  await client.ask('end');
  await quiet(roles);
  const spent = [...after].map(([role, ms]) => [role, (ms - (before.get(role) ?? 0)) / marked.completed] as const);
  return { ...marked, cpuMsPerRun: new Map(spent.sort(([, a], [, b]) => b - a)) };
}

/** @param whose `writ`, `restate`; `suffix` tells what is not as the conditions say */
export function figuresOf(whose: string, inFlight: number, level: Level, suffix = ''): Measurement[] {
  const name = inFlight === 1 ? `${whose}Alone` : `${whose}${inFlight}`;
  const cpu = [...level.cpuMsPerRun.values()].reduce((sum, ms) => sum + ms, 0);
  const each = [...level.cpuMsPerRun].filter(([, ms]) => ms >= 0.0005);
  process.stderr.write(
    `    ${name}${suffix}: ${Math.round(level.perSecond)}/s, p50 ${level.p50Ms.toFixed(2)} ms, p99 ${level.p99Ms.toFixed(2)} ms; ` +
      `CPU ms a workflow ${cpu.toFixed(3)}: ${each.map(([role, ms]) => `${role} ${ms.toFixed(3)}`).join(', ')}\n`,
  );
  const rate = { name: `${name}${suffix}`, value: level.perSecond, unit: 'workflows/s' };
  return [
    ...(inFlight === 1 ? [] : [rate]),
    { name: `${name}P50Ms${suffix}`, value: level.p50Ms, unit: 'ms' },
    { name: `${name}P99Ms${suffix}`, value: level.p99Ms, unit: 'ms' },
    { name: `${name}CpuMs${suffix}`, value: cpu, unit: 'ms of a core each' },
  ];
}
