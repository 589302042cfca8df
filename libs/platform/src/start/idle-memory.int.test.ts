import { expect, test } from '@jest/globals';
import { eventually, startProcess } from '@writ/testkit';

test('a process that has come to rest gives back what a burst left behind', async () => {
  await using burst = startProcess('libs/platform/src/start/idle-memory.program.ts', { env: { GIVE_BACK: '1' } });
  const [, before] = await burst.line(/kept in (\d+) MiB/);
  const isHalved = () => Number(/(\d+) MiB/.exec(burst.lines.at(-1) ?? '')?.[1]) < Number(before) / 2;
  expect(await eventually(isHalved, { timeoutMs: 60_000, what: 'half of it is given back' })).toBe(true);
}, 90_000);
