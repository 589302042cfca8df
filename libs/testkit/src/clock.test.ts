import { expect, test } from '@jest/globals';
import { TestClock } from './clock.js';

test('timers fire in the order in which they are due, also those that a timer sets', async () => {
  const clock = new TestClock('2026-03-01T00:00:00.000Z');
  const fired: string[] = [];
  clock.setTimeout(() => fired.push(`late ${clock.time()}`), 3_000);
  clock.setTimeout(() => {
    fired.push('early');
    clock.setTimeout(() => fired.push('set by early'), 1_000);
  }, 1_000);
  clock.setTimeout(() => fired.push('never'), 2_000)();
  await clock.advance(2_999);
  expect(fired).toEqual(['early', 'set by early']);
  await clock.advance(1);
  expect(fired.at(-1)).toBe('late 2026-03-01T00:00:03.000Z');
  expect(clock.pending).toBe(0);
});

test('code that sleeps in a loop goes on as far as the clock is moved, and no further', async () => {
  const clock = new TestClock();
  let rounds = 0;
  const loop = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(60_000);
      rounds++;
    }
  };
  void loop();
  await clock.advance(3_600_000);
  expect(rounds).toBe(60);
});

test('an aborted sleep ends with the reason and leaves no timer', async () => {
  const clock = new TestClock();
  const abort = new AbortController();
  const slept = clock.sleep(1_000, abort.signal);
  abort.abort(new Error('enough'));
  await expect(slept).rejects.toThrow('enough');
  expect(clock.pending).toBe(0);
});
