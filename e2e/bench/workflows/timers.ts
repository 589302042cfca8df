/** 50,000 runs that sleep until the same second. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Measurement } from '../bench.js';
import type { Took } from './client.js';
import { cpuMs, spentMs } from './processes.js';
import { scaled } from './scale.js';
import { allEnded, allWaiting, LagWatch } from './watch.js';
import type { WentOn } from './worker.js';
import { startWorld, type Durability } from './world.js';

export async function timers(durability: Durability, say: (line: string) => void): Promise<Measurement[]> {
  const [trying, count] = [scaled(4_000), scaled(50_000)];
  await using world = await startWorld(durability);
  const lag = new LagWatch(world);
  const tried = await world.client.ask<Took>('start', {
    flow: 'sleeper',
    count: trying,
    input: { untilMs: Date.now() },
  });
  await allEnded(world);
  await world.worker.ask('forget');
  // Late enough for all to be asleep by then.
  const untilMs = Date.now() + Math.ceil(1.6 * (count / trying) * tried.seconds + 10) * 1_000;
  await world.client.ask('start', { flow: 'sleeper', count, input: { untilMs } });
  await allWaiting(world, count);
  const early = (untilMs - Date.now()) / 1_000;
  if (early < 0) throw new Error(`the last run slept ${-early} s after the moment`);
  say(`${count} runs sleep, ${early.toFixed(1)} s before the moment`);
  await delay(untilMs - Date.now());
  const before = cpuMs(world.roles);
  await allEnded(world);
  say(`CPU ms of one: ${spentMs(before, cpuMs(world.roles), count)}`);
  const { count: resumed, p50Ms, maxMs } = await world.worker.ask<WentOn>('wentOn');
  if (resumed !== count) throw new Error(`${resumed} of ${count} runs went on`);
  return [
    { name: 'timers50kSeconds', value: maxMs / 1_000, unit: 's until the last went on' },
    { name: 'timers50kP50Seconds', value: p50Ms / 1_000, unit: 's' },
    ...(await lag.gone('timers50k')),
  ];
}
