import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { decide, evolve, failedOf, type Batch, type BatchCommand } from './batch.js';
import type { Became, Definition } from './batch.events.js';

const definition: Definition = {
  action: { type: 'cancel' },
  filter: 'state = waiting',
  reason: 'enough',
  expected: 5,
  by: { principal: 'psn_1', kind: 'person' },
  grant: [],
};

/** A batch that was told these commands, and the types of the events of the last one. */
function told(...commands: BatchCommand[]): { batch: Batch | undefined; last: string[] } {
  let batch: Batch | undefined;
  let last: string[] = [];
  for (const command of commands) {
    const events = decide(command, 'b', batch);
    last = events.map(({ type }) => type.slice('batch.'.length, -'.v1'.length));
    for (const { type, data } of events) batch = evolve(batch, { type, data, timeMs: 1 });
  }
  return { batch, last };
}
const create: BatchCommand = { type: 'create', definition };
const take = (run: string, more = true): BatchCommand => ({
  type: 'take',
  page: { runs: [run], ...(more && { cursor: { createdMs: 1, id: run } }) },
});
const progress = (first: string, became: Partial<Became> = {}): BatchCommand => ({
  type: 'progress',
  first,
  became: { done: 2, unchanged: 1, ...became },
});
const stop: BatchCommand = { type: 'stop', reason: 'too many' };

describe('a batch', () => {
  test('counts each page once, goes on behind it, and ends with the last one', () => {
    verifies('batch.once');
    const { batch: once } = told(create, take('9'), take('8'), progress('9'), progress('9'), progress('8'));
    expect(once).toMatchObject({ done: 2, unchanged: 1, cursor: { id: '9' } });
    expect(once).not.toHaveProperty('page');
    const { batch, last } = told(create, take('9'), progress('9'), take('8', false), progress('8'));
    expect(last).toEqual(['progressed', 'ended']);
    expect(batch).toMatchObject({ done: 4, unchanged: 2, ended: { state: 'done' } });
    expect(told(create, { type: 'take', page: { runs: [] } }).last).toEqual(['ended']);
  });

  test('says why runs failed, by code, with an example of each, and of how many codes there may be', () => {
    const failed = (code: string, run: string) => ({ failed: [{ code, count: 1, run, detail: 'no' }] });
    const { batch } = told(
      create,
      ...['a', 'b'].flatMap((run) => [take(run), progress(run, failed('auth.missing_capability', run))]),
      ...Array.from({ length: 30 }, (_, n) => [take(`${n}`), progress(`${n}`, failed(`code.${n}`, 'c'))]).flat(),
    );
    expect(batch?.failed[0]).toEqual({ code: 'auth.missing_capability', count: 2, run: 'a', detail: 'no' });
    expect([batch?.failed.length, failedOf(batch as Batch)]).toEqual([20, 32]);
  });

  test('is stopped after the page that it is at, whose work counts', () => {
    const { batch, last } = told(create, take('9'), stop, stop, progress('9'));
    expect(last).toEqual(['progressed', 'ended']);
    expect(batch).toMatchObject({ done: 2, ended: { state: 'stopped', error: { message: 'too many' } } });
    expect(told(create, stop).last).toEqual(['stop_requested', 'ended']);
  });

  test('is the same when it is asked for again; another is refused under its id', () => {
    expect(told(create, create).last).toEqual([]);
    const other = { ...definition, filter: 'state = queued' };
    expect(() => told(create, { type: 'create', definition: other })).toThrow(
      expect.objectContaining({ code: 'batch.exists' }),
    );
    expect(() => told(stop)).toThrow(expect.objectContaining({ code: 'batch.not_found' }));
  });
});
