import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { giveBackWhenIdle } from './idle-memory.js';

/** Has a burst, then waits and says what it takes; started by the test. */
// V8's first look comes after this time instead of eight seconds.
setFlagsFromString('--gc-memory-reducer-start-delay-ms=200');
if (process.env['GIVE_BACK'] !== undefined) giveBackWhenIdle();
let kept: unknown[] = [];
for (let turn = 0; turn < 40; turn++) {
  for (let each = 0; each < 25_000; each++) kept.push({ each, text: `run ${each}`, list: [each] });
  await delay(1);
}
kept = kept.slice(0, 1000);
for (;;) {
  process.stdout.write(`${kept.length} kept in ${Math.round(process.memoryUsage.rss() / 1024 ** 2)} MiB\n`);
  await delay(500);
}
