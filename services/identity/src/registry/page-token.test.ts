import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { decodeToken, encodeToken } from './registry.queries.js';

const isId = /^[\w-]{1,200}$/;
const written = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');

test('a page token comes back as it was written', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }),
      fc.stringMatching(isId),
      (time, id) => {
        expect(decodeToken(encodeToken(time, id), isId)).toEqual({ time: time.toISOString(), id });
      },
    ),
  );
});

test('anything else is refused, also what would be a time or an id somewhere else', () => {
  verifies('api.strict');
  const refused = expect.objectContaining({ code: 'request.invalid' });
  const iso = '2026-01-01T00:00:00.000Z';
  for (const json of [
    ['1', 'x'],
    ['2020-01-01', 'x'],
    ['+275760-09-13T00:00:00.000Z', 'x'],
    [iso, 'a\u0000'],
    [iso, ''],
    [iso, 1],
    [iso, 'a', 1],
    [iso],
    {},
    null,
  ])
    expect(() => decodeToken(written(json), isId)).toThrow(refused);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.jsonValue().map(written)), (token) => {
      expect(() => decodeToken(token, isId)).toThrow(refused);
    }),
  );
});
