import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { aggregates, type AnyAggregate, type Command, type LedgerEvent } from '@writ/ledger/domain';
import { readFilter } from '../view/run-filter.js';
import { expired, retention, type Retention, type Rule } from './retention.js';

function model() {
  const partition = aggregates([retention as unknown as AnyAggregate])();
  return (rules: readonly Rule[]) => {
    const command = { type: 'set', rules, by: 'psn_1' };
    const sent = { id: 'c', tenant: 't', aggregate: 'retention', subject: 'retention', command, actor: { principal: 'psn_1', kind: 'person' }, time: '2030-01-01T00:00:00.000Z' } as Command; // prettier-ignore
    const events = partition.decide(sent);
    for (const event of events)
      partition.evolve({ ...sent, ...event } as unknown as LedgerEvent, { commit: 1, index: 0 });
    return events.map(({ type }) => type);
  };
}

describe('retention', () => {
  const all: Rule = { states: ['succeeded', 'failed'], keepMs: 86_400_000 };
  const own: Rule = { workflow: 'a "b"', states: ['failed'], keepMs: 1000 };

  test('is set once for the same rules, and refuses two for one workflow and state', () => {
    const set = model();
    expect([set([all, own]), set([all, own]), set([])]).toEqual([['retention.set.v1'], [], ['retention.set.v1']]);
    expect(() => set([all, { states: ['failed'], keepMs: 1 }])).toThrow(
      expect.objectContaining({ code: 'retention.bad_rules' }),
    );
  });

  test('is read from an event as it was first written', async () => {
    const file = path.join(import.meta.dirname, 'fixtures/retention.set.v1.json');
    const data = JSON.parse(await readFile(file, 'utf8')) as Retention;
    const event = { type: 'retention.set.v1' as const, data, time: '2030-01-01T00:00:00.000Z', subject: 'retention' };
    expect(retention.evolve(retention.initial, event)).toEqual(data);
  });

  test('asks for what is older than its rule, of a workflow by its own rule alone, at whole steps of time', () => {
    const nowMs = Date.parse('2030-01-02T00:00:30.000Z');
    const asked = expired([all, own], nowMs, 60_000).map(({ filter }) => filter);
    const [day, now] = ['2030-01-01T00:00:00.000Z', '2030-01-02T00:00:00.000Z'];
    expect(asked).toEqual([
      `state = succeeded AND create_time < "${day}" AND end_time < "${day}"`,
      `state = failed AND workflow != "a \\"b\\"" AND create_time < "${day}" AND end_time < "${day}"`,
      `state = failed AND workflow = "a \\"b\\"" AND create_time < "${now}" AND end_time < "${now}"`,
    ]);
    for (const filter of asked) expect(readFilter(filter).length).toBeGreaterThan(2);
    expect(expired([all], nowMs + 20_000, 60_000)).toEqual(expired([all], nowMs, 60_000));
  });
});
