import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { extendsTree } from './consistency.js';
import { leafHash, nodeHash } from './merkle.js';
import { formatVerifierKey } from './note.js';
import { witness } from './witness.js';

const leaves = Array.from({ length: 40 }, (_, at) => leafHash(Buffer.from(`line ${at}`)));

/** RFC 6962 section 2.1, written down as it stands there, over hashes of leaves. */
function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0] as Uint8Array;
  const split = splitOf(hashes.length);
  return nodeHash(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}
/** RFC 6962 section 2.1.2, likewise. */
function subproof(size: number, hashes: readonly Uint8Array[], whole: boolean): Uint8Array[] {
  if (size === hashes.length) return whole ? [] : [rootOf(hashes)];
  const split = splitOf(hashes.length);
  return size <= split
    ? [...subproof(size, hashes.slice(0, split), whole), rootOf(hashes.slice(split))]
    : [...subproof(size - split, hashes.slice(split), false), rootOf(hashes.slice(0, split))];
}
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}
const head = (size: number, of = leaves) => ({ size: BigInt(size), root: rootOf(of.slice(0, size)) });

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x as string, 'base64url');
const log = formatVerifierKey('writ.test/log', raw);
function note(size: number, of = leaves): string {
  const body = `writ.test/log\n${size}\n${Buffer.from(rootOf(of.slice(0, size))).toString('base64')}\n`;
  const id = Buffer.from(log.split('+')[1] as string, 'hex');
  const signature = Buffer.concat([id, sign(null, Buffer.from(body), privateKey)]).toString('base64');
  return `${body}\n\u2014 writ.test/log ${signature}\n`;
}
const proofOf = async (from: bigint, to: bigint) => subproof(Number(from), leaves.slice(0, Number(to)), true);

test('the proof between any two sizes holds, and not for another root, another size or a changed proof', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.nat(), (a, b, at) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const proof = subproof(from, leaves.slice(0, to), true);
      expect(extendsTree(head(from), head(to), proof)).toBe(true);
      expect(extendsTree({ ...head(from), root: leaves[39]! }, head(to), proof)).toBe(false);
      expect(extendsTree(head(from), { ...head(to), root: nodeHash(leaves[0]!, leaves[0]!) }, proof)).toBe(false);
      expect(extendsTree(head(from), head(to), [...proof, leaves[0]!])).toBe(false);
      if (proof.length > 0)
        expect(
          extendsTree(
            head(from),
            head(to),
            proof.with(
              at % proof.length,
              leaves[7]!.map((byte) => byte ^ 1),
            ),
          ),
        ).toBe(false);
    }),
  );
});

test('a log that has only grown is witnessed', async () => {
  for (const [from, to] of [
    [5, 5],
    [5, 9],
    [8, 40],
  ] as const)
    expect(await witness(note(from), note(to), log, proofOf)).toEqual({ ok: true, from: BigInt(from), to: BigInt(to) });
});

test('one that was set back, is another one, or was signed by somebody else is named', async () => {
  verifies('audit.witness');
  const other = [leafHash(Buffer.from('another line')), ...leaves.slice(1)];
  const code = async (...given: Parameters<typeof witness>) => {
    const found = await witness(...given);
    return found.ok ? 'ok' : found.error.code;
  };
  expect(await code(note(9), note(5), log, proofOf)).toBe('proof.rolled_back');
  expect(await code(note(5, other), note(9), log, proofOf)).toBe('proof.forked');
  expect(await code(note(5, other), note(5), log, proofOf)).toBe('proof.forked');
  expect(await code(note(5), note(9).replace('\n9\n', '\n8\n'), log, proofOf)).toBe('proof.bad_signature');
  expect(await code(note(5), note(9), log, () => Promise.reject(new Error('gone')))).toBe('proof.forked');
});
