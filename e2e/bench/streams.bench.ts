import { defineBench, type Measurement } from './bench.js';
import type { Followed, Following } from './workflows/client.js';
import { cpuMs, quiet } from './workflows/processes.js';
import { startWorld, type World } from './workflows/world.js';

/** Tokens of models: many runs, each at the pace at which one reads. */
const tokens: Following = { runs: 50, chunks: 250, perSecond: 50 };
/** Lines of a log: few runs, as fast as they can. */
const lines: Following = { runs: 4, chunks: 20_000, perSecond: 0 };

export const bench = defineBench({
  name: 'streams',
  about: 'what steps write, from the step to who reads it: how late, how many, and what each process spends on it',
  doesNotMeasure: [
    'a network between the processes: all of them, the worker and the reader too, share this machine',
    'readers that are slow or many: each run has one',
    'the end of a run: it is in the CPU time, once for all that the run wrote',
  ],
  async run({ durability }): Promise<Measurement[]> {
    await using world = await startWorld(durability);
    await measure(world, { ...tokens, runs: 10 });
    await measure(world, { ...lines, chunks: 2_000 });
    const [paced, fast] = [await measure(world, tokens), await measure(world, lines)];
    return [
      { name: 'deltaP50Ms', value: paced.p50Ms, unit: 'ms' },
      { name: 'deltaP99Ms', value: paced.p99Ms, unit: 'ms' },
      { name: 'cpuMsPer1000Deltas', value: paced.cpuMs, unit: 'ms of a core' },
      { name: 'fastDeltasPerSecond', value: fast.deltas / fast.seconds, unit: 'deltas/s' },
      { name: 'fastCpuMsPer1000Deltas', value: fast.cpuMs, unit: 'ms of a core' },
      { name: 'missed', value: paced.missed + fast.missed, unit: 'deltas' },
    ];
  },
});

/** @throws Error where something is neither there nor said to be missing */
async function measure({ client, roles }: World, following: Following): Promise<Followed & { cpuMs: number }> {
  await quiet(roles);
  const before = cpuMs(roles);
  const followed = await client.ask<Followed>('follow', following);
  const after = cpuMs(roles);
  if (followed.deltas + followed.missed !== following.runs * following.chunks)
    throw new Error(`${followed.deltas} and ${followed.missed} missing are not ${following.runs * following.chunks}`);
  const spent = [...after].map(
    ([role, ms]) => [role, ((ms - (before.get(role) ?? 0)) * 1000) / followed.deltas] as const,
  );
  const each = spent.filter(([, ms]) => ms >= 0.5).map(([role, ms]) => `${role} ${ms.toFixed(1)}`);
  process.stderr.write(
    `    ${following.runs} runs: ${Math.round(followed.deltas / followed.seconds)} deltas/s, p50 ${followed.p50Ms.toFixed(1)} ms, ` +
      `p99 ${followed.p99Ms.toFixed(1)} ms; CPU ms for 1,000: ${each.join(', ')}\n`,
  );
  return { ...followed, cpuMs: spent.reduce((sum, [, ms]) => sum + ms, 0) };
}
