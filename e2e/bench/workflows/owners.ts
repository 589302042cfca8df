/** The partitions owned by one process and by two. */
import type { Measurement } from '../bench.js';
import { figuresOf, measureLevel, warmUp } from './load.js';
import { allOwned } from './watch.js';
import { startWorld, type Durability } from './world.js';

export async function owners(durability: Durability): Promise<Measurement[]> {
  await using world = await startWorld(durability);
  const measure = async (schedulers: number): Promise<number> => {
    await allOwned(world, schedulers);
    await warmUp(world.client, world.roles);
    const level = await measureLevel(world.client, 256, world.roles);
    figuresOf(`${schedulers} owners: writ`, 256, level);
    return level.perSecond;
  };
  const one = await measure(1);
  await world.addScheduler();
  const two = await measure(2);
  return [
    { name: 'owners1Writ256', value: one, unit: 'workflows/s' },
    { name: 'owners2Writ256', value: two, unit: 'workflows/s' },
  ];
}
