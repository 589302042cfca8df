import { expect, test } from '@jest/globals';
import { newWriter, settleStep, writeDeltas, type Deltas, type DeltaMessage, type DeltaWriter } from './delta.js';

const step = 'draft/1';
const deltas = (words: string[], more: Partial<Deltas> = {}): Deltas => ({
  token: '3.1.a', step, attempt: 1, making: 'm1', from: 0, chunks: words.map((word) => JSON.stringify(word)), ...more,
}); // prettier-ignore

/** Writes all of it, and gives what a reader has: without step and attempt where they are the same everywhere. */
function written(...all: (Deltas | Parameters<typeof settleStep>[1])[]): unknown[] {
  let writer: DeltaWriter = newWriter;
  const messages: DeltaMessage[] = [];
  for (const one of all) {
    const change = 'token' in one ? writeDeltas(writer, one) : settleStep(writer, one);
    if (!change) continue;
    writer = change.writer;
    messages.push(...change.messages.map((text) => JSON.parse(text) as DeltaMessage));
  }
  expect(writer.sent).toBe(messages.length);
  return messages.map(({ step: _step, attempt, ...what }) => (attempt === 1 ? what : { attempt, ...what }));
}

test('what a step writes comes in order, behind its start and before its end', () => {
  const all = [deltas(['a']), deltas(['b', 'c'], { from: 1 }), { step, attempt: 1, completed: true, chunks: 3 }];
  expect(written(...all)).toEqual([
    { started: true },
    { data: 'a' },
    { data: 'b' },
    { data: 'c' },
    { completed: true },
  ]);
});

test('what comes twice is there once', () => {
  expect(written(deltas(['a', 'b']), deltas(['a', 'b']), deltas(['b', 'c'], { from: 1 }))).toEqual([
    { started: true },
    { data: 'a' },
    { data: 'b' },
    { data: 'c' },
  ]);
  const end = { step, attempt: 1, completed: true, chunks: 1 };
  expect(written(deltas(['a']), end, end)).toEqual([{ started: true }, { data: 'a' }, { completed: true }]);
});

test('what was lost on the way is counted where it is missing', () => {
  expect(written(deltas(['a']), deltas(['d'], { from: 3 }))).toEqual([
    { started: true },
    { data: 'a' },
    { missed: 2 },
    { data: 'd' },
  ]);
});

test('a failed attempt is superseded, and so is what the next one finds', () => {
  const failed = { step, attempt: 1, completed: false, chunks: 1 };
  expect(written(deltas(['a']), failed, deltas(['x'], { attempt: 2, making: 'm2' }))).toEqual([
    { started: true },
    { data: 'a' },
    { failed: true },
    { attempt: 2, started: true },
    { attempt: 2, data: 'x' },
  ]);
});

test('another worker that makes the same attempt begins anew, and the one before it is heard no more', () => {
  const other = deltas(['x'], { token: '3.1.b', making: 'm2' });
  expect(written(deltas(['a']), other, deltas(['b'], { from: 1 }))).toEqual([
    { started: true },
    { data: 'a' },
    { started: true },
    { data: 'x' },
  ]);
});

test('a run that comes back to the worker that was at work goes on where it was, under another owner too', () => {
  expect(written(deltas(['a'], { token: '3.1.zz' }), deltas(['b'], { token: '3.2.1', from: 1 }))).toEqual([
    { started: true },
    { data: 'a' },
    { data: 'b' },
  ]);
});

test('an end that is told of another attempt than the one that writes changes nothing', () => {
  const late = { step, attempt: 1, completed: false, chunks: 1 };
  expect(written(deltas(['a'], { attempt: 2 }), late)).toEqual([
    { attempt: 2, started: true },
    { attempt: 2, data: 'a' },
  ]);
});

test('what was lost at the end of an attempt is counted with it, also where that was all', () => {
  expect(written(deltas(['a']), { step, attempt: 1, completed: true, chunks: 3 })).toEqual([
    { started: true },
    { data: 'a' },
    { missed: 2 },
    { completed: true },
  ]);
  const end = { step, attempt: 1, completed: true, chunks: 3 };
  expect(written(end, end)).toEqual([{ started: true }, { missed: 3 }, { completed: true }]);
});

test('a step that is restarted, and makes its first attempt again, is heard again', () => {
  const end = { step, attempt: 1, completed: true, chunks: 1 };
  expect(written(deltas(['a']), end, deltas(['b'], { token: '3.1.b', making: 'm2' }), end)).toEqual([
    { started: true },
    { data: 'a' },
    { completed: true },
    { started: true },
    { data: 'b' },
    { completed: true },
  ]);
});
