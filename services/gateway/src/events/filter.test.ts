import { expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { matches } from './filter.js';

const event: LedgerEvent = {
  specversion: '1.0',
  id: 'evt_1',
  type: 'action.completed.v1',
  source: 'tools/01',
  subject: 'run_1/call#1/1',
  time: '2026-01-01T00:00:00.000Z',
  data: {},
  tenant: 'tnt_a',
  actor: { principal: 'agt_1', kind: 'agent', run: 'run_1' },
  cause: 'cmd_1',
};

test('the events of a run are its own and those that others recorded for it', () => {
  expect(matches(event, { tenant: 'tnt_a', run: 'run_1' })).toBe(true);
  expect(
    matches(
      { ...event, subject: 'run_2', actor: { principal: 'operator', kind: 'operator' } },
      { tenant: 'tnt_a', run: 'run_2' },
    ),
  ).toBe(true);
  const asked = {
    ...event,
    subject: 'apr_1',
    data: { run: 'run_3' },
    actor: { principal: 'scheduler', kind: 'service' as const },
  };
  expect(matches(asked, { tenant: 'tnt_a', run: 'run_3' })).toBe(true);
  expect(matches(event, { tenant: 'tnt_a', run: 'run_2' })).toBe(false);
});

test('no filter opens the wall between tenants', () => {
  expect(matches(event, { tenant: 'tnt_b', run: 'run_1', types: ['*'] })).toBe(false);
});

test('types match exactly or by prefix', () => {
  expect(matches(event, { tenant: 'tnt_a', types: ['action.*'] })).toBe(true);
  expect(matches(event, { tenant: 'tnt_a', types: ['run.*', 'action.completed.v1'] })).toBe(true);
  expect(matches(event, { tenant: 'tnt_a', types: ['action'] })).toBe(false);
});
