import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { every } from './pause.js';

describe('every', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  test('calls at the multiples of its period, all of one period in the same moment', () => {
    const start = performance.now();
    jest.advanceTimersByTime(300 - (start % 1_000) + (start % 1_000 > 300 ? 1_000 : 0));
    const called: [string, number][] = [];
    const ends = [every(1_000, () => called.push(['a', performance.now()]))];
    jest.advanceTimersByTime(250);
    ends.push(every(1_000, () => called.push(['b', performance.now()])));
    ends.push(every(500, () => called.push(['c', performance.now()])));
    jest.advanceTimersByTime(2_000);
    for (const end of ends) end();
    jest.advanceTimersByTime(5_000);
    expect(
      called
        .map(([who]) => who)
        .toSorted()
        .join(''),
    ).toBe('aabbcccc');
    expect(new Set(called.filter(([who]) => who !== 'c').map(([, at]) => Math.round(at))).size).toBe(2);
    for (const [, at] of called) expect(Math.min(at % 500, 500 - (at % 500))).toBeLessThan(1.5);
  });
});
