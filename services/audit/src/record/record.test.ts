import { expect, test } from '@jest/globals';
import type { Batch } from './record.events.js';
import { recordAggregate, type Record, type RecordCommand } from './record.js';

const batch = (from: number, to: number): Batch => ({ service: 'scheduler', partition: 7, from, to });
const seal = (from: number, size: number, batches: Batch[]): RecordCommand => ({
  type: 'seal',
  from,
  size,
  root: 'r',
  batches,
});
const about = {} as Parameters<typeof recordAggregate.decide>[2];
const after = (record: Record, command: RecordCommand) =>
  recordAggregate
    .decide(command, record, about)
    .reduce<Record>((state, event) => recordAggregate.evolve(state, { ...event, time: '', subject: '' }), record);
const sealed = after(recordAggregate.initial, seal(0, 5, [batch(1, 3)]));

test('the record knows how far each partition went in', () => {
  expect(sealed).toEqual({ size: 5, root: 'r', heads: { 'scheduler/07': 3 } });
  expect(after(sealed, seal(5, 6, [batch(4, 4)])).heads).toEqual({ 'scheduler/07': 4 });
});

test('no commit goes in twice, and none is left out', () => {
  expect(() => after(sealed, seal(5, 6, [batch(3, 4)]))).toThrow('commit 4 of scheduler/07 is next, not 3');
  expect(() => after(sealed, seal(5, 6, [batch(5, 5)]))).toThrow('commit 4 of scheduler/07 is next, not 5');
  expect(() => after(sealed, seal(4, 6, [batch(4, 4)]))).toThrow('5 leaves, not 4');
});
