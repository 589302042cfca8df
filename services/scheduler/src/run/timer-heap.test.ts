import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TimerHeap, type Sleeper } from './timer-heap.js';

test('wakes each when its last wish says, in order, and forgets wishes that were taken back', () => {
  const wish = fc.tuple(
    fc.integer({ min: 0, max: 19 }),
    fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(Infinity)),
  );
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 400 }), (wishes) => {
      const heap = new TimerHeap<Sleeper>();
      const sleepers = Array.from({ length: 20 }, (): Sleeper => ({ wakeMs: Infinity }));
      for (const [who, at] of wishes) heap.set(sleepers[who] as Sleeper, at);
      const expected = sleepers
        .map(({ wakeMs }) => wakeMs)
        .filter((at) => at !== Infinity)
        .sort((a, b) => a - b);
      expect(heap.size).toBe(expected.length);
      const woken: number[] = [];
      for (let now = 0; now <= 50; now++) for (let one = heap.take(now); one; one = heap.take(now)) woken.push(now);
      expect(woken).toEqual(expected);
      expect(heap.next()).toBe(Infinity);
    }),
  );
});
