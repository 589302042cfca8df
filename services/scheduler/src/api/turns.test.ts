import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { Turns } from './turns.js';

test('a tenant that has much to do gets every second turn beside one that has little', async () => {
  verifies('scheduler.fair_turns');
  const soon: (() => void)[] = [];
  const turns = new Turns((turn) => soon.push(turn));
  const had: string[] = [];
  const wait = (tenant: string) => void turns.next(tenant).then(() => had.push(tenant));
  for (let i = 0; i < 5; i++) wait('a');
  for (const tenant of ['b', 'b', 'c']) wait(tenant);
  while (soon.length > 0) {
    expect(soon).toHaveLength(1);
    soon.shift()?.();
    await Promise.resolve();
    if (had.length === 1) wait('d');
  }
  expect(had.join('')).toBe('abcadbaaa');
});
