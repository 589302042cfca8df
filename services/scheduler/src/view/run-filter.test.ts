import { expect, test } from '@jest/globals';
import { DomainError } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { pageToken, readFilter, readPageToken } from './run-filter.js';

test.each([
  ['', {}],
  ['state = "waiting"', { state: 'waiting' }],
  ['state=queued AND workflow = "a \\"quoted\\" name"', { state: 'queued', workflow: 'a "quoted" name' }],
])('%s', (text, filter) => {
  expect(readFilter(text)).toEqual(filter);
});

test.each([
  'colour = "red"',
  'state',
  'state = "\\q"',
  'state = "\\u0000"',
  'state = "a\u0000"',
  'state = "a\nb"',
  'state = "a" OR queue = "b"',
  'state = "a" AND',
  "state = 'a'; drop table runs",
])('%s is refused', (text) => {
  expect(() => readFilter(text)).toThrow(expect.objectContaining({ code: 'run.bad_filter' }));
});

test('a page token comes back as it was; another is refused', () => {
  expect(readPageToken(pageToken({ created_ms: 5, id: 'run_1' }))).toEqual({ createdMs: 5, id: 'run_1' });
  expect(readPageToken('')).toBeUndefined();
  expect(() => readPageToken('x')).toThrow(expect.objectContaining({ code: 'run.bad_filter' }));
});

test('whatever a filter or a page token holds, it is read or refused, and fast', () => {
  verifies('api.strict');
  const part = fc.constantFrom('state', '=', ' ', '"', '\\', 'AND ', 'a', '\u0000', '\n', '\ud800', "'", '__proto__');
  const text = fc.oneof(
    fc.array(part, { maxLength: 300 }).map((parts) => parts.join('')),
    fc.string(),
  );
  const readOrRefused = (read: () => unknown) => {
    try {
      return read();
    } catch (error) {
      expect(error).toBeInstanceOf(DomainError);
      return undefined;
    }
  };
  fc.assert(
    fc.property(text, (filter) => {
      const read = readOrRefused(() => readFilter(filter)) ?? {};
      for (const value of Object.values(read)) expect(value).not.toMatch(/\p{Cc}/u);
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        fc.jsonValue().map((json) => Buffer.from(JSON.stringify(json)).toString('base64url')),
      ),
      (token) => {
        const read = readOrRefused(() => readPageToken(token)) as { createdMs: number; id: string } | undefined;
        if (read)
          expect([Number.isSafeInteger(read.createdMs), read.id]).toEqual([true, expect.stringMatching(/^[\w.:-]+$/)]);
      },
    ),
  );
  const began = performance.now();
  readOrRefused(() => readFilter(`state = "${'\\"'.repeat(490)}`));
  readOrRefused(() => readFilter(' '.repeat(999)));
  expect(performance.now() - began).toBeLessThan(100);
});

test('a value in quotes comes out as it was put in', () => {
  const name = fc.string().filter((text) => !/\p{Cc}/u.test(text));
  fc.assert(
    fc.property(name, (workflow) => {
      expect(readFilter(`workflow = "${workflow.replace(/["\\]/g, '\\$&')}"`)).toEqual({ workflow });
    }),
  );
});
