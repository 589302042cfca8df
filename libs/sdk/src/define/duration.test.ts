import { expect, test } from '@jest/globals';
import { WritError } from '../errors/errors.js';
import { durationMs, instant, type Duration } from './duration.js';

test.each<[Duration, number]>([
  [0, 0],
  [1_500, 1_500],
  ['250ms', 250],
  ['1.5s', 1_500],
  ['5m', 300_000],
  ['24h', 86_400_000],
  ['2d', 172_800_000],
])('%s is %d ms', (duration, ms) => expect(durationMs(duration)).toBe(ms));

test.each(['3 fortnights', '-1s', 'm', '', Number.NaN, -1, Infinity])('%p is refused', (duration) => {
  let error: unknown;
  try {
    durationMs(duration as Duration);
  } catch (e) {
    error = e;
  }
  expect(WritError.is(error, 'input.invalid')).toBe(true);
});

test('an instant is counted from where it is asked', () => {
  expect(instant('1m', new Date(0))).toEqual(new Date(60_000));
  expect(instant(new Date(5), new Date(0))).toEqual(new Date(5));
});
