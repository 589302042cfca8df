import { describe, expect, test } from '@jest/globals';
import { countedAmount, countedLimits, limitsOut } from './limits.js';

describe('limits', () => {
  test('are counted in whole numbers, money in nano-USD', () => {
    expect(countedLimits({ usd: 0.1, tokens: 5, toolCalls: 0, children: 2, time: '1500ms', depth: 3 })).toEqual({
      nanoUsd: 100_000_000,
      tokens: 5,
      toolCalls: 0,
      children: 2,
      timeMs: 1500,
      depth: 3,
    });
    expect(limitsOut({ tokens: 0, timeMs: 1500 })).toEqual({ tokens: 0n, time: { seconds: 1n, nanos: 500_000_000 } });
  });

  test.each([
    [0.3, 300_000_000],
    [0.000000003, 3],
    [1e-10, 1],
    [0, 0],
  ])('of %d USD are %d nano-USD, and never less than what was spent', (usd, nanoUsd) => {
    expect(countedAmount({ usd })).toEqual({ nanoUsd });
  });

  test.each([{ usd: -1 }, { usd: Number.NaN }, { tokens: 1.5 }, { toolCalls: -1 }, { time: '1y' as never }])(
    'of %j are refused',
    (limits) => {
      expect(() => countedLimits(limits)).toThrow(expect.objectContaining({ code: 'input.invalid' }));
    },
  );
});
