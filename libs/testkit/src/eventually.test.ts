import { expect, test } from '@jest/globals';
import { eventually } from './eventually.js';

test('it gives the value of the first look that finds one', async () => {
  let looks = 0;
  expect(await eventually(() => (++looks === 3 ? 'found' : undefined), { everyMs: 1 })).toBe('found');
});

test('what still fails at the end is the cause of the failure', async () => {
  const waiting = eventually(() => expect(1).toBe(2), { timeoutMs: 20, everyMs: 5, what: 'one to be two' });
  await expect(waiting).rejects.toThrow(/one to be two did not hold within 20 ms/);
  await expect(waiting).rejects.toMatchObject({ cause: expect.any(Error) });
});
