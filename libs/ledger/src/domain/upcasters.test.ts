import { expect, test } from '@jest/globals';
import type { Json, LedgerEvent } from './events.js';
import { upcasting } from './upcasters.js';

const event = (type: string, data: Json): LedgerEvent => ({
  specversion: '1.0',
  id: 'evt_1',
  type,
  source: 's/00',
  subject: 'x',
  time: '2026-01-01T00:00:00.000Z',
  data,
  tenant: 't',
  actor: { principal: 'p', kind: 'service' },
  cause: 'cmd_1',
});
const add = (from: string, to: string, key: string) => ({
  from,
  to,
  up: (data: Json) => ({ ...(data as { [k: string]: Json }), [key]: true }),
});

test('v1 reaches v3 through v2, and the envelope stays', () => {
  const upcast = upcasting([add('a.made.v2', 'a.made.v3', 'three'), add('a.made.v1', 'a.made.v2', 'two')]);
  const old = event('a.made.v1', { one: true });
  expect(upcast(old)).toEqual({ ...old, type: 'a.made.v3', data: { one: true, two: true, three: true } });
  expect(old.data).toEqual({ one: true });
});

test('an event of a current version is handed through as it is', () => {
  const current = event('b.made.v1', 1);
  expect(upcasting([add('a.made.v1', 'a.made.v2', 'x')])(current)).toBe(current);
});

test('two upcasters from one version, or a ring, stop the start', () => {
  expect(() => upcasting([add('a', 'b', 'x'), add('a', 'c', 'x')])).toThrow(/two upcasters start at a/);
  expect(() => upcasting([add('a', 'b', 'x'), add('b', 'a', 'x')])).toThrow(/lead back/);
});
