import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { comparePositions, formatPosition, parsePosition } from './positions.js';

test('a position survives its text form', () => {
  const position = { service: 'sandbox-runner', partition: 7, commit: 123, index: 0 };
  expect(formatPosition(position)).toBe('sandbox-runner/07/123/0');
  expect(parsePosition('sandbox-runner/07/123/0')).toEqual(position);
});

test.each(['', 'scheduler', 'scheduler/7/1/0', 'scheduler/07/-1/0', 'scheduler/07/1', 'x/00/1/0/0', '../00/1/0'])(
  '%p is refused',
  (text) => {
    expect(() => parsePosition(text)).toThrow(TypeError);
  },
);

test('any text is refused or is the only one of its position', () => {
  const part = fc.oneof(
    fc.constantFrom('scheduler', '00', '007', '1e3', '-1', '../', '\n', '٣', '99999999999999999'),
    fc.nat().map(String),
  );
  const near = fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: 'binary' })), (text) => {
      let position;
      try {
        position = parsePosition(text);
      } catch (error) {
        return expect(error).toBeInstanceOf(TypeError);
      }
      expect(parsePosition(formatPosition(position))).toEqual(position);
      for (const number of [position.partition, position.commit, position.index])
        expect(Number.isSafeInteger(number) && number >= 0).toBe(true);
    }),
  );
});

test('order is by commit, then by index', () => {
  const at = (commit: number, index: number) => ({ service: 's', partition: 0, commit, index });
  expect(comparePositions(at(2, 0), at(10, 0))).toBeLessThan(0);
  expect(comparePositions(at(2, 1), at(2, 0))).toBeGreaterThan(0);
  expect(comparePositions(at(2, 1), at(2, 1))).toBe(0);
});
