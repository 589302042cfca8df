import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { leafHash, leafHashes, nodeHash } from './hashing.js';

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

test.each(['one', 'one\ntwo', 'one\ntwo\nthree and more', 'ä\nö'])(
  'the leaves of %j are those of its lines',
  (body) => {
    const expected = body.split('\n').map((line) => sha256(Uint8Array.of(0), Buffer.from(line)));
    expect(leafHashes(Buffer.from(body))).toEqual(expected);
    expect(body.split('\n').map((line) => leafHash(Buffer.from(line)))).toEqual(expected);
  },
);

test('an inner node is the hash of both below it, and stays what it was when the next one is made', () => {
  const [left, right] = [sha256(Buffer.from('l')), sha256(Buffer.from('r'))];
  const node = nodeHash(left, right);
  expect(nodeHash(right, left)).not.toEqual(node);
  expect(node).toEqual(sha256(Uint8Array.of(1), left, right));
});
