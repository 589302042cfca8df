import { expect, test } from '@jest/globals';
import { noteKey, openCheckpoint, signCheckpoint } from './note.js';

const root = Buffer.alloc(32, 7);

test('a checkpoint opens with the key that signed it', () => {
  const key = noteKey('writ.example/ledger');
  expect(openCheckpoint(signCheckpoint(key, 12, root), key.verifier)).toEqual({ size: 12, root });
});

test('a key read from its PEM is the same key', () => {
  const key = noteKey('writ.example/ledger');
  const again = noteKey('writ.example/ledger', key.pem);
  expect(again.verifier).toBe(key.verifier);
  expect(openCheckpoint(signCheckpoint(again, 1, root), key.verifier)?.size).toBe(1);
});

test('another size, another root, another key or no signature does not open', () => {
  const key = noteKey('writ.example/ledger');
  const note = signCheckpoint(key, 12, root);
  expect(openCheckpoint(note.replace('\n12\n', '\n13\n'), key.verifier)).toBeUndefined();
  expect(
    openCheckpoint(note.replace(root.toString('base64'), Buffer.alloc(32, 8).toString('base64')), key.verifier),
  ).toBeUndefined();
  expect(openCheckpoint(note, noteKey('writ.example/ledger').verifier)).toBeUndefined();
  expect(openCheckpoint(note.slice(0, note.indexOf('\n\n') + 2), key.verifier)).toBeUndefined();
  expect(openCheckpoint('', key.verifier)).toBeUndefined();
});
