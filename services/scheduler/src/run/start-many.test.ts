import { describe, expect, test } from '@jest/globals';
import { newId, newLanedId } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { emptyModel, FakePartition, startOf, testTenant } from '../testing/fake-partition.js';
import type { NewRun } from './run.commands.js';
import { madeAtMs } from './run-id.js';

const minutes = 60_000;
const wanted = (id: string, more: object = {}): NewRun => {
  const { type: _type, ...start } = startOf('w', more);
  return { id, ...start };
};
const starts = (partition: FakePartition, ids: readonly string[]) =>
  partition.send('many', { type: 'starts', runs: ids.map((id) => wanted(id)) }).length;
/** An id that was made then. */
const madeAt = (ms: number, tail: number) => {
  const hex = ms.toString(16).padStart(12, '0');
  return `run_${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${String(tail).padStart(12, '0')}`;
};

describe('starts of many runs', () => {
  test('start what is new, each once, however often and in whatever parts they are repeated', () => {
    verifies('scheduler.many_starts');
    const pool = Array.from({ length: 20 }, (_, i) => madeAt(Date.parse('2030-01-01') + i, i));
    const batch = fc.array(fc.constantFrom(...pool), { maxLength: 30 });
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 6 }), (batches) => {
        const partition = new FakePartition();
        for (const ids of batches) starts(partition, ids);
        const asked = new Set(batches.flat());
        for (const id of asked) expect(partition.eventsOf(id).map(({ type }) => type)).toEqual(['run.started.v1']);
        expect(partition.log.flatMap(({ events }) => events)).toHaveLength(asked.size);
      }),
    );
  });

  test('leave out an id that may have been that of a run long ago, and one that somebody thought up', () => {
    const partition = new FakePartition();
    const [old, younger] = [madeAt(partition.nowMs, 1), madeAt(partition.nowMs + 1, 2)];
    partition.send(old, startOf());
    partition.send(old, { type: 'cancel', reason: 'enough', force: true, graceMs: 0 });
    expect(starts(partition, [old, 'thought-up'])).toBe(0);
    partition.nowMs += 16 * minutes;
    partition.send('other', startOf()); // time passes by events
    expect(partition.model.index.get(testTenant, old)).toBeUndefined();
    expect(starts(partition, [old])).toBe(0);
    expect(starts(partition, [younger])).toBe(1);
    expect(partition.send('many', { type: 'starts', runs: [{ ...wanted('thought-up'), looked: true }] })).toHaveLength(
      1,
    );
  });

  test('know after a recovery from a snapshot what was forgotten before it', () => {
    const partition = new FakePartition();
    const old = madeAt(partition.nowMs, 1);
    partition.send(old, startOf());
    partition.send(old, { type: 'cancel', reason: 'enough', force: true, graceMs: 0 });
    partition.nowMs += 16 * minutes;
    partition.send('other', startOf());
    const { model } = partition;
    const restored = emptyModel();
    restored.restore(JSON.parse(JSON.stringify(model.snapshot())) as never);
    expect(restored.index.neverHad(testTenant, old)).toBe(false);
    expect(restored.index.neverHad('tnt_other', old)).toBe(true);
    expect(restored.index.neverHad(testTenant, madeAt(partition.nowMs, 2))).toBe(true);
  });
});

test('an id says when it was made if it is a UUIDv7', () => {
  for (const id of [newId('run'), newLanedId('run')])
    expect(Math.abs((madeAtMs(id) ?? 0) - Date.now())).toBeLessThan(10_000);
  expect(madeAtMs('refund-42')).toBeUndefined();
  expect(madeAtMs('run_0193f2a1-7c3e-4d2a-9f00-0123456789ab')).toBeUndefined();
});

describe('the grant of a run', () => {
  test('is asked for when somebody has to act in it, and closed at its end only then', () => {
    verifies('scheduler.grant_when_needed');
    const partition = new FakePartition();
    for (const id of ['plain', 'acting']) partition.send(id, startOf('w', { ungranted: true, grant: [] }));
    expect(partition.send('acting', { type: 'authorize' })).toEqual([['authority_requested', {}]]);
    const end = (id: string) =>
      partition
        .send(id, { type: 'cancel', reason: 'enough', force: true, graceMs: 0 })
        .find(([type]) => type === 'cancelled')?.[1];
    expect(end('plain')).toMatchObject({ ungranted: true });
    expect(end('acting')).not.toHaveProperty('ungranted');
    expect(() => partition.send('acting', { type: 'authorize' })).toThrow(
      expect.objectContaining({ code: 'run.ended' }),
    );
    expect(() => partition.send('none', { type: 'authorize' })).toThrow(
      expect.objectContaining({ code: 'run.not_found' }),
    );
  });

  test('of a run that an older scheduler started is closed at its end', () => {
    const partition = new FakePartition();
    partition.send('old', startOf());
    const ended = partition.send('old', { type: 'cancel', reason: 'enough', force: true, graceMs: 0 });
    expect(ended.at(-1)?.[1]).not.toHaveProperty('ungranted');
  });

  test('is asked for with its first child, which gets its own from it', () => {
    const partition = new FakePartition();
    partition.send('p', startOf('w', { ungranted: true }));
    const attempt = partition.assign('p');
    const child = (name: string) =>
      partition.send('p', {
        type: 'report',
        session: 'ses',
        items: [
          {
            run: 'p', attempt: attempt.token, idle: false, entries: 0,
            commands: [{ type: 'child', kind: 'child', name, occurrence: 1, child: `run_${name}`, workflow: name, input: {}, attach: false, cancelWithParent: true }],
          },
        ],
      })[0]?.[1]; // prettier-ignore
    expect(child('a')).toMatchObject({ ungranted: true });
    expect(child('b')).not.toHaveProperty('ungranted');
    const restored = emptyModel();
    restored.restore(JSON.parse(JSON.stringify(partition.model.snapshot())) as never);
    expect(restored.index.get(testTenant, 'p')?.granted).toBe(true);
  });
});
