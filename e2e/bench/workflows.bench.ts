import { defineBench, type Measurement } from './bench.js';
import { figuresOf, measureLevel, warmUp } from './workflows/load.js';
import { startWorld, type Durability } from './workflows/world.js';

/** How many workflows are in flight, by part; alone comes last, when everything is warm. */
const levels = new Map([
  ['64', 64],
  ['256', 256],
  ['alone', 1],
]);

export const bench = defineBench({
  name: 'workflows',
  about: 'durable workflows of three steps: how many a second, how long one takes, what each process spends on it',
  doesNotMeasure: [
    'work: the steps give a small number and do nothing else',
    'a network between the processes: all of them, the client and the worker too, share this machine',
  ],
  parts: [...levels.keys()],
  async run({ durability }, _prepared, { parts }): Promise<Measurement[]> {
    const figures: Measurement[] = [];
    const wanted = [...levels].filter(([name]) => parts.has(name));
    const beside: readonly Durability[] = durability === 'fsync' ? ['fsync', 'flush'] : ['flush'];
    if (wanted.length > 0)
      for (const mode of beside) {
        await using world = await startWorld(mode);
        await warmUp(world.client, world.roles());
        for (const [, inFlight] of wanted) {
          const level = await measureLevel(world.client, inFlight, world.roles());
          figures.push(...figuresOf('writ', inFlight, level, mode === durability ? '' : 'Flush'));
        }
      }
    return figures;
  },
});
