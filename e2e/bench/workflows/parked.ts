/** 50,000 runs that wait for a message, what they cost meanwhile, and all of them sent it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Measurement } from '../bench.js';
import type { Took } from './client.js';
import { cpuMs, memoryMib, quiet, spentMs } from './processes.js';
import { scaled } from './scale.js';
import { allEnded, allWaiting, LagWatch } from './watch.js';
import type { WentOn } from './worker.js';
import { startWorld, type Durability } from './world.js';

const IDLE_MS = 10_000;
/** Some 16 s after it has come to rest a service gives memory back: that is a price of the burst, and said apart from that of waiting. */
const SETTLE_MS = 20_000;

export async function parked(durability: Durability, say: (line: string) => void): Promise<Measurement[]> {
  const count = scaled(50_000);
  await using world = await startWorld(durability);
  const lag = new LagWatch(world);
  const spent = cpuMs(world.roles);
  const began = performance.now();
  const starting = await world.client.ask<Took>('start', { flow: 'listener', count });
  await allWaiting(world, count);
  const parkedSeconds = (performance.now() - began) / 1000;
  say(`${count} runs: started in ${starting.seconds.toFixed(1)} s, waiting after ${parkedSeconds.toFixed(1)} s`);
  say(`CPU ms of one: ${spentMs(spent, cpuMs(world.roles), count)}`);
  await quiet(world.roles, 300_000);
  const burst = cpuMs(world.roles);
  await delay(SETTLE_MS);
  const before = cpuMs(world.roles);
  say(`CPU ms in the ${SETTLE_MS / 1000} s after: ${spentMs(burst, before)}`);
  await delay(IDLE_MS);
  const after = cpuMs(world.roles);
  const idle = (roles: readonly string[]) =>
    (roles.reduce((sum, role) => sum + (after.get(role) ?? 0) - (before.get(role) ?? 0), 0) / IDLE_MS) * 100;
  const memory = memoryMib(world.roles);
  const holding = ['nats-server', 'scheduler', 'worker'];
  say(`MiB: ${holding.map((role) => `${role} ${Math.round(memory.get(role) ?? NaN)}`).join(', ')}`);

  const sent = performance.now();
  const sending = await world.client.ask<Took>('send', { count });
  await allEnded(world);
  const messagedSeconds = (performance.now() - sent) / 1000;
  const wentOn = await world.worker.ask<WentOn>('wentOn');
  if (wentOn.count !== count) throw new Error(`${wentOn.count} of ${count} runs got their message`);
  say(`sent in ${sending.seconds.toFixed(1)} s, ended after ${messagedSeconds.toFixed(1)} s`);
  return [
    { name: 'parked50kSeconds', value: parkedSeconds, unit: 's until all wait' },
    { name: 'startsPerSecond', value: count / starting.seconds, unit: 'starts/s' },
    { name: 'parked50kRssMib', value: holding.reduce((sum, role) => sum + (memory.get(role) ?? 0), 0), unit: 'MiB' },
    { name: 'parked50kIdleCpuPercent', value: idle(holding), unit: '% of a core' },
    { name: 'parked50kIdleCpuAllPercent', value: idle([...after.keys()]), unit: '% of a core, all processes' },
    { name: 'messaged50kSeconds', value: messagedSeconds, unit: 's until all ended' },
    ...(await lag.gone('parked50k')),
  ];
}
