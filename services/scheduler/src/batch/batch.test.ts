import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { decide, evolve, failedOf, type Batch, type BatchCommand } from './batch.js';
import type { Definition, Page } from './batch.events.js';

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
    last = events.map(({ type }) => type);
    for (const { type, data } of events) batch = evolve(batch, { type, data, timeMs: 1 });
  }
  return { batch, last };
}
const create: BatchCommand = { type: 'create', definition };
const page = (id: string | undefined, more: Partial<Page> = {}): Page => ({
  done: 2,
  unchanged: 1,
  ...(id !== undefined && { cursor: { createdMs: 1, id } }),
  ...more,
});
const progress = (from: string | undefined, to: string | undefined, more?: Partial<Page>): BatchCommand => ({
  type: 'progress',
  from: from === undefined ? undefined : { createdMs: 1, id: from },
  page: page(to, more),
});

describe('a batch', () => {
  test('counts each page once, and ends with the last one', () => {
    verifies('batch.once');
    const twice = told(create, progress(undefined, 'run_9'), progress(undefined, 'run_9'));
    expect(twice).toMatchObject({ last: [], batch: { done: 2, unchanged: 1 } });
    const { batch, last } = told(create, progress(undefined, 'run_9'), progress('run_9', undefined));
    expect(last).toEqual(['batch.progressed.v1', 'batch.ended.v1']);
    expect(batch).toMatchObject({ done: 4, unchanged: 2, ended: { state: 'done' } });
    expect(told(create, progress(undefined, undefined, { done: 0, unchanged: 0 })).last).toEqual(['batch.ended.v1']);
  });

  test('says why runs failed, by code, with an example of each, and of how many codes there may be', () => {
    const failed = (code: string, run: string) => [{ code, count: 1, run, detail: 'no' }];
    const { batch } = told(
      create,
      progress(undefined, '1', { failed: failed('auth.missing_capability', 'a') }),
      progress('1', '2', { failed: failed('auth.missing_capability', 'b') }),
      ...Array.from({ length: 30 }, (_, n) => progress(`${n + 2}`, `${n + 3}`, { failed: failed(`code.${n}`, 'c') })),
    );
    expect(batch?.failed[0]).toEqual({ code: 'auth.missing_capability', count: 2, run: 'a', detail: 'no' });
    expect([batch?.failed.length, failedOf(batch as Batch)]).toEqual([20, 32]);
  });

  test('is stopped after the page that it is at, whose work counts', () => {
    const stop: BatchCommand = { type: 'stop', reason: 'too many' };
    const { batch, last } = told(create, stop, stop, progress(undefined, 'run_9'));
    expect(last).toEqual(['batch.progressed.v1', 'batch.ended.v1']);
    expect(batch).toMatchObject({ done: 2, ended: { state: 'stopped', error: { message: 'too many' } } });
  });

  test('is the same when it is asked for again; another is refused under its id', () => {
    expect(told(create, create).last).toEqual([]);
    const other = { ...definition, filter: 'state = queued' };
    expect(() => told(create, { type: 'create', definition: other })).toThrow(
      expect.objectContaining({ code: 'batch.exists' }),
    );
    expect(() => told({ type: 'stop', reason: '' })).toThrow(expect.objectContaining({ code: 'batch.not_found' }));
  });
});
