/** One of two schedulers killed under 50,000 runs: most wait, some are in the middle of a step. */
import { eventually } from '@writ/testkit';
import type { Measurement } from '../bench.js';
import { recordedTimes } from './record.js';
import { scaled } from './scale.js';
import { allEnded, allOwned, allWaiting, LagWatch } from './watch.js';
import type { Ticking, WentOn } from './worker.js';
import { startWorld, type Durability } from './world.js';

const TICKS = 60;
/** How long a step of those runs takes by itself. */
const TICK_MS = 1_000;
const PATIENCE_MS = 120_000;

export async function failover(durability: Durability, say: (line: string) => void): Promise<Measurement[]> {
  const [ticking, woken, all] = [scaled(500), scaled(1_000), scaled(50_000)];
  const waiting = all - ticking;
  await using world = await startWorld(durability);
  const kill = await world.addScheduler();
  await allOwned(world, 2);
  await world.client.ask('start', { flow: 'listener', count: waiting });
  await allWaiting(world, waiting);
  await world.client.ask('start', { flow: 'ticker', count: ticking, input: { ticks: TICKS } });
  await eventually(async () => (await world.worker.ask<Ticking>('ticking')).runs === ticking, {
    timeoutMs: PATIENCE_MS,
    what: 'every run that is to be busy has a step behind it',
  });
  const lag = new LagWatch(world);
  await allOwned(world, 2); // on a busy machine partitions may have gone from one to the other meanwhile

  const killedMs = Date.now();
  kill();
  const since = () => (Date.now() - killedMs) / 1_000;
  const waking = world.client.ask('send', { count: woken });
  const goOn = async () => (await world.worker.ask<Ticking>('ticking', { sinceMs: killedMs })).behind === 0;
  await eventually(goOn, { timeoutMs: PATIENCE_MS, everyMs: 50, what: 'every busy run goes on' });
  const busySeconds = Math.max(0, since() - TICK_MS / 1_000);
  await waking;
  const wentOn = await eventually(
    async () => {
      const so = await world.worker.ask<WentOn>('wentOn');
      return so.count === woken && so;
    },
    { timeoutMs: PATIENCE_MS, everyMs: 50, what: 'every run that got a message goes on' },
  );
  say(
    `after the kill: busy runs went on within ${busySeconds.toFixed(1)} s, woken ones within ${wentOn.maxMs / 1_000} s`,
  );
  await world.client.ask('send', { count: waiting - woken });
  await allEnded(world);
  const lags = await lag.gone('failover50k');

  const ends = await recordedTimes(world.person, 'run.succeeded.v1', all);
  const steps = await recordedTimes(world.person, 'run.step_completed.v1', ticking * TICKS);
  const { twice } = await world.worker.ask<Ticking>('ticking');
  return [
    { name: 'failover50kSeconds', value: Math.max(busySeconds, wentOn.maxMs / 1_000), unit: 's until all went on' },
    { name: 'failover50kLost', value: all - ends.size + ticking * TICKS - steps.size, unit: 'ends and steps' },
    { name: 'failover50kDoubled', value: ends.twice + steps.twice, unit: 'ends and steps in the ledger' },
    { name: 'failover50kExecutedTwice', value: twice, unit: 'steps' },
    ...lags,
  ];
}
