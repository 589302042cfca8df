/** The same work for Writ and, where asked, for its peers: workflows in a closed loop, one engine at a time. */
import type { Choice, Measurement } from '../bench.js';
import { figuresOf, measureLevel, warmUp } from './load.js';
import { startDbos } from './peers/dbos.js';
import { installPeers } from './peers/install.js';
import type { Peer } from './peers/peer.js';
import { startRestate } from './peers/restate.js';
import { startWorld, type Durability } from './world.js';

/** How many workflows are in flight, by part; alone comes last, when everything is warm. */
const levels = new Map([
  ['64', 64],
  ['256', 256],
  ['alone', 1],
]);

export const throughputParts: readonly string[] = [...levels.keys()];

export async function throughput(durability: Durability, { parts, peers }: Choice): Promise<Measurement[]> {
  const wanted = [...levels].filter(([name]) => parts.has(name)).map(([, inFlight]) => inFlight);
  if (wanted.length === 0) return [];
  const figures: Measurement[] = [];
  const measure = async (
    name: string,
    suffix: string,
    start: () => Promise<Pick<Peer, 'client' | 'roles'> & AsyncDisposable>,
  ) => {
    await using engine = await start();
    await warmUp(engine.client, engine.roles);
    for (const inFlight of wanted)
      figures.push(...figuresOf(name, inFlight, await measureLevel(engine.client, inFlight, engine.roles), suffix));
  };
  await measure('writ', '', () => startWorld(durability));
  if (durability === 'fsync') await measure('writ', 'Flush', () => startWorld('flush'));
  if (peers) {
    await installPeers();
    await measure('restate', '', startRestate);
    await measure('dbos', '', startDbos);
    figures.push(...ratios(figures));
  }
  return figures;
}

/** How many times as many as each peer completes, in like durability: theirs is fsync. */
function ratios(figures: readonly Measurement[]): Measurement[] {
  const valueOf = (name: string) => figures.find((figure) => figure.name === name)?.value;
  const ratio = (name: string, above: string, below: string): Measurement[] => {
    const [a, b] = [valueOf(above), valueOf(below)];
    return a === undefined || b === undefined ? [] : [{ name, value: a / b, unit: 'times' }];
  };
  return [
    ...ratio('writ64PerRestate', 'writ64', 'restate64'),
    ...ratio('writ256PerRestate', 'writ256', 'restate256'),
    ...ratio('writ64PerDbos', 'writ64', 'dbos64'),
    ...ratio('writ256PerDbos', 'writ256', 'dbos256'),
    ...ratio('writAloneP50PerRestate', 'writAloneP50Ms', 'restateAloneP50Ms'),
  ];
}
