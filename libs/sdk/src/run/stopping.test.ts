import { expect, test } from '@jest/globals';
import { Stopping } from './stopping.js';

test('a signal that is asked for late has what happened before, and each has the first reason', async () => {
  const [early, late] = [new Stopping(), new Stopping()];
  const { signal } = early;
  const waiting = early.rejected();
  for (const stopping of [early, late]) {
    expect(stopping.aborted).toBe(false);
    stopping.abort(new Error('first'));
    stopping.abort(new Error('second'));
    expect(stopping.aborted).toBe(true);
    expect(stopping.signal.reason).toBe(stopping.reason);
    await expect(stopping.rejected()).rejects.toThrow('first');
  }
  expect(signal.aborted).toBe(true);
  expect(early.signal).toBe(signal);
  await expect(waiting).rejects.toThrow('first');
});
