import { expect, test } from '@jest/globals';
import { Fifo } from './fifo.js';

test('gives back what was put in, in order, also over its clearing up', () => {
  const fifo = new Fifo<number>();
  const taken: (number | undefined)[] = [];
  for (let i = 0; i < 10_000; i++) {
    fifo.push(i);
    if (i % 3 !== 0) taken.push(fifo.shift());
  }
  expect(fifo.size).toBe(10_000 - taken.length);
  expect(fifo.first).toBe(taken.length);
  while (fifo.size > 0) taken.push(fifo.shift());
  expect(taken).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  expect(fifo.first).toBeUndefined();
  expect(fifo.shift()).toBeUndefined();
});
