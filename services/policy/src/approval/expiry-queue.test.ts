import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { ExpiryQueue } from './expiry-queue.js';

describe('what expires', () => {
  test('is due in order, and stays until it is removed', () => {
    const queue = new ExpiryQueue<string>();
    queue.add('b', 20, 'b');
    queue.add('a', 10, 'a');
    queue.add('c', 20, 'c');
    expect(queue.nextMs).toBe(10);
    expect(queue.due(9)).toEqual([]);
    expect(queue.due(20)).toEqual(['a', 'b', 'c']);
    queue.remove('b');
    queue.remove('b');
    expect(queue.due(20)).toEqual(['a', 'c']);
  });

  test('behaves like a sorted list, whatever is added and removed', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), at: fc.nat(5), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const queue = new ExpiryQueue<string>();
        const model = new Map<string, number>();
        for (const { key, at, add } of steps) {
          if (add) {
            queue.add(key, at, key);
            model.set(key, at);
          } else {
            queue.remove(key);
            model.delete(key);
          }
        }
        expect(queue.size).toBe(model.size);
        expect(queue.nextMs).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
        expect(new Set(queue.due(3))).toEqual(new Set([...model].filter(([, at]) => at <= 3).map(([key]) => key)));
      }),
    );
  });
});
