import { expect, test } from '@jest/globals';
import { DomainError } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { encoded } from './attribute-value.js';
import { pageToken, readFilter, readOrder, readPageToken } from './run-filter.js';

const column = (name: string, value: string, op = '=') => ({ kind: 'column', column: name, op, value });

test.each([
  ['', []],
  ['state = "waiting"', [column('state', 'waiting')]],
  [
    'state=queued AND workflow = "a \\"quoted\\" name"',
    [column('state', 'queued'), column('workflow', 'a "quoted" name')],
  ],
  [
    'workflow != review AND create_time >= 2026-11-01',
    [
      column('workflow', 'review', '!='),
      { kind: 'time', column: 'created_ms', op: '>=', value: Date.parse('2026-11-01') },
    ],
  ],
  [
    'attributes.amount > 5.5 AND attributes.urgent = true AND attributes.customer-id = "5"',
    [
      { kind: 'attribute', key: 'amount', op: '>', value: 5.5 },
      { kind: 'attribute', key: 'urgent', op: '=', value: true },
      { kind: 'attribute', key: 'customer-id', op: '=', value: '5' },
    ],
  ],
])('%s', (text, filter) => {
  expect(readFilter(text)).toEqual(filter);
});

test.each([
  'colour = "red"',
  'state',
  'state = "asleep"',
  'state > "waiting"',
  'create_time = "2026-11-01"',
  'create_time > "soon"',
  'attributes.1 = 1',
  'attributes = 1',
  Array(21).fill('queue = a').join(' AND '),
  'workflow = "\\q"',
  'workflow = "\\u0000"',
  'workflow = "a\u0000"',
  'workflow = "a\nb"',
  'agent = "a" OR queue = "b"',
  'agent = "a" AND',
  "agent = 'a'; drop table runs",
])('%s is refused', (text) => {
  expect(() => readFilter(text)).toThrow(expect.objectContaining({ code: 'run.bad_filter' }));
});

test('a page token comes back as it was; another is refused', () => {
  const last = { createdMs: 5, id: 'run_1' };
  expect(readPageToken(pageToken(last))).toEqual(last);
  const byValue = { ...last, value: encoded.of('x') };
  expect(readPageToken(pageToken(byValue), readOrder('attributes.a'))).toEqual(byValue);
  for (const [token, order] of [
    [pageToken(byValue), ''],
    [pageToken(last), 'attributes.a desc'],
  ] as const)
    expect(() => readPageToken(token, readOrder(order))).toThrow(expect.objectContaining({ code: 'run.bad_filter' }));
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
      const read = (readOrRefused(() => readFilter(filter)) ?? []) as { value: unknown }[];
      for (const { value } of read) expect(String(value)).not.toMatch(/\p{Cc}/u);
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
  expect(performance.now() - began).toBeLessThan(2_000); // what grows faster than its text takes minutes
});

test('a value in quotes comes out as it was put in', () => {
  const name = fc.string().filter((text) => !/\p{Cc}/u.test(text));
  fc.assert(
    fc.property(name, (workflow) => {
      expect(readFilter(`workflow = "${workflow.replace(/["\\]/g, '\\$&')}"`)).toEqual([column('workflow', workflow)]);
    }),
  );
});

test('values of attributes sort as text in the order of the values, and kinds never mix', () => {
  const value = fc.oneof(fc.boolean(), fc.double({ noNaN: true }), fc.string());
  const rank = (of: string | number | boolean) => ['boolean', 'number', 'string'].indexOf(typeof of);
  const bytes = (of: string) => Buffer.from(of);
  fc.assert(
    fc.property(value, value, (a, b) => {
      const order = Buffer.compare(bytes(encoded.of(a)), bytes(encoded.of(b)));
      if (typeof a === typeof b && typeof a === 'string')
        expect(order).toBe(Buffer.compare(bytes(a), bytes(b as string)));
      else if (typeof a === typeof b) expect(order).toBe(Number(a) < Number(b) ? -1 : Number(a) > Number(b) ? 1 : 0);
      else expect(Math.sign(order)).toBe(Math.sign(rank(a) - rank(b)));
    }),
  );
});
