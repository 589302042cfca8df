import { expect, test } from '@jest/globals';
import type { StreamRecord, StreamState } from '../record.js';
import { decideAppend, readAppend } from './append.js';

const at = (state: Partial<StreamState>, seq = 7): StreamRecord => ({
  seq, data: new Uint8Array(), state: { type: 'text/plain', createdMs: 0, ...state },
}); // prettier-ignore
const request = (body: string, headers: Record<string, string> = {}) =>
  readAppend({
    method: 'POST', name: 's', query: new URLSearchParams(), body: Buffer.from(body),
    header: (name) => ({ 'content-type': 'text/plain', ...headers })[name],
  }); // prettier-ignore
const by = (epoch: number, seq: number) => ({
  'producer-id': 'p',
  'producer-epoch': `${epoch}`,
  'producer-seq': `${seq}`,
});
const known = { producers: { p: [2, 5] as const } };

/** The status, and whether something is stored. */
function decide(head: StreamRecord, append: ReturnType<typeof request>): [status: number, stored: boolean] {
  try {
    const { change, answer } = decideAppend(head, append, 0);
    return [answer(head).status, change !== undefined];
  } catch (error) {
    return [(error as { status: number }).status, false];
  }
}

test.each([
  ['what comes next', by(2, 6), [200, true]],
  ['what was stored before', by(2, 5), [204, false]],
  ['what was stored long before', by(2, 0), [204, false]],
  ['a gap', by(2, 8), [409, false]],
  ['an epoch that is over', by(1, 9), [403, false]],
  ['a new epoch', by(3, 0), [200, true]],
  ['a new epoch that does not begin at its start', by(3, 1), [400, false]],
] as const)('of a producer: %s', (_, headers, expected) => {
  expect(decide(at(known), request('x', headers))).toEqual(expected);
});

test('a closed stream takes nothing more, and a repeat of its last append is a success', () => {
  const closed = at({ ...known, closed: true });
  expect(decide(closed, request('x'))).toEqual([409, false]);
  expect(decide(closed, request('x', by(2, 5)))).toEqual([204, false]);
  expect(decide(closed, request('', { 'stream-closed': 'true' }))).toEqual([204, false]);
  expect(decide(closed, request('x', by(1, 0)))).toEqual([403, false]);
});

test('sequences grow as texts do', () => {
  expect(decide(at({ seq: '2' }), request('x', { 'stream-seq': '10' }))).toEqual([409, false]);
  expect(decide(at({ seq: '09' }), request('x', { 'stream-seq': '10' }))).toEqual([204, true]);
});

test('a record without data leaves the end of the stream where it is', () => {
  const { change } = decideAppend(at({ tail: 5 }), request('', { 'stream-closed': 'true' }), 0);
  expect(change?.state).toMatchObject({ tail: 5, closed: true });
  expect(decideAppend(at({ tail: 5 }), request('x'), 0).change?.state.tail).toBeUndefined();
});

test('of many producers the ones that were heard of last are remembered', () => {
  const producers = Object.fromEntries(Array.from({ length: 256 }, (_, n) => [`q${n}`, [0, 0] as const]));
  const after = decideAppend(at({ producers }), request('x', by(0, 0)), 0).change?.state.producers ?? {};
  expect(Object.keys(after)).toHaveLength(256);
  expect([after['q0'], after['q1'], after['p']]).toEqual([undefined, [0, 0], [0, 0]]);
});
