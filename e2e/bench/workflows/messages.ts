/** Messages at a steady rate to runs that wait: from the client's call to the line behind the wait. */
import type { Measurement } from '../bench.js';
import type { Took } from './client.js';
import { quiet } from './processes.js';
import { scaled } from './scale.js';
import { allEnded, allWaiting } from './watch.js';
import type { WentOn } from './worker.js';
import { startWorld, type Durability } from './world.js';

const PER_SECOND = 1_000;

export async function messages(durability: Durability, say: (line: string) => void): Promise<Measurement[]> {
  const [warming, count] = [scaled(4_000), scaled(10_000)];
  await using world = await startWorld(durability);
  await world.client.ask('start', { flow: 'listener', count: warming + count });
  await allWaiting(world, warming + count);
  await world.client.ask('send', { count: warming });
  await allWaiting(world, count);
  await quiet(world.roles, 300_000);
  await world.worker.ask('forget');
  const sending = await world.client.ask<Took>('send', { count, perSecond: PER_SECOND });
  await allEnded(world);
  const { count: resumed, p50Ms, p99Ms, maxMs } = await world.worker.ask<WentOn>('wentOn');
  if (resumed !== count) throw new Error(`${resumed} of ${count} runs got their message`);
  const perSecond = count / sending.seconds;
  say(`${Math.round(perSecond)} messages/s acknowledged; p50 ${p50Ms} ms, p99 ${p99Ms} ms, at most ${maxMs} ms`);
  return [
    { name: 'messageP50Ms', value: p50Ms, unit: 'ms' },
    { name: 'messageP99Ms', value: p99Ms, unit: 'ms' },
    { name: 'messagesPerSecond', value: perSecond, unit: 'messages/s acknowledged' },
  ];
}
