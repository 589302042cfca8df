/** 1,000,000 runs: waiting ones in memory, finished ones in the ledger. */
import type { Measurement } from '../bench.js';
import type { Took } from './client.js';
import { figuresOf, measureLevel, warmUp } from './load.js';
import { memoryMib, quiet } from './processes.js';
import { scaled } from './scale.js';
import { allEnded, allOwned, allWaiting, LagWatch, told } from './watch.js';
import { startWorld, type Durability, type World } from './world.js';

const COUNT = 1_000_000;

export async function waitingMillion(durability: Durability, say: (line: string) => void): Promise<Measurement[]> {
  const count = scaled(COUNT);
  await using world = await startWorld(durability);
  await world.client.ask('start', { flow: 'nothing', count: 500 }); // what it takes for the first of anything
  await allEnded(world);
  await quiet(world.roles);
  const empty = schedulerMib(world);
  const lag = new LagWatch(world);
  const { seconds } = await told(world, say, world.client.ask<Took>('start', { flow: 'listener', count }));
  await allWaiting(world, count);
  const lags = await lag.gone('waiting1m');
  await quiet(world.roles, 600_000);
  const full = schedulerMib(world);
  say(
    `${count} runs started in ${Math.round(seconds)} s; the scheduler has ${Math.round(full)} MiB, ${Math.round(empty)} before`,
  );

  const began = performance.now();
  for (const pid of world.roles.get('scheduler') ?? []) process.kill(pid, 'SIGKILL');
  await told(world, say, allOwned(world, 1));
  const ownedSeconds = (performance.now() - began) / 1_000;
  await world.client.ask('send', { count: 1 });
  await allWaiting(world, count - 1);
  const restartSeconds = (performance.now() - began) / 1_000;
  await quiet(world.roles, 600_000);
  const again = schedulerMib(world);
  say(
    `after SIGKILL: partitions owned in ${ownedSeconds.toFixed(1)} s, a message through in ${restartSeconds.toFixed(1)} s`,
  );
  const each = (mib: number) => ((mib - empty) * 1024 ** 2) / count;
  return [
    { name: 'waiting1mBytesEach', value: each(full), unit: 'bytes of the scheduler' },
    { name: 'waiting1mRestartedBytesEach', value: each(again), unit: 'bytes of the scheduler, after a restart' },
    { name: 'waiting1mStartsPerSecond', value: count / seconds, unit: 'starts/s' },
    { name: 'waiting1mRestartSeconds', value: restartSeconds, unit: 's until a message gets through' },
    ...lags,
  ];
}

const schedulerMib = (world: World): number => memoryMib(world.roles).get('scheduler') ?? NaN;

export async function history(durability: Durability, say: (line: string) => void): Promise<Measurement[]> {
  const count = scaled(COUNT);
  await using world = await startWorld(durability);
  const throughput = async (when: string): Promise<number> => {
    await warmUp(world.client, world.roles);
    const level = await measureLevel(world.client, 64, world.roles);
    figuresOf(`${when} writ`, 64, level);
    return level.perSecond;
  };
  const without = await throughput('no history:');
  const { seconds } = await told(world, say, world.client.ask<Took>('start', { flow: 'nothing', count }));
  await allEnded(world);
  say(`${count} runs finished in ${Math.round(seconds)} s`);
  await quiet(world.roles, 600_000);
  const withHistory = await throughput('with history:');
  return [
    { name: 'withoutHistory64', value: without, unit: 'workflows/s' },
    { name: 'withHistory64', value: withHistory, unit: 'workflows/s' },
    { name: 'withHistoryRatio', value: withHistory / without, unit: 'times' },
  ];
}
