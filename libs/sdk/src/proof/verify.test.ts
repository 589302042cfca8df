import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { leafHash, nodeHash, rootOf } from './merkle.js';
import { formatVerifierKey } from './note.js';
import { verify } from './verify.js';

/** RFC 6962 section 2.1, written down as it stands there. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leafHash(leaves[0]!);
  const split = splitOf(leaves.length);
  return nodeHash(treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
}
/** RFC 6962 section 2.1.1, likewise. */
function auditPath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const split = splitOf(leaves.length);
  return index < split
    ? [...auditPath(index, leaves.slice(0, split)), treeHash(leaves.slice(split))]
    : [...auditPath(index - split, leaves.slice(split)), treeHash(leaves.slice(0, split))];
}
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

class Log {
  readonly keys = generateKeyPairSync('ed25519');
  constructor(readonly name: string) {}
  get verifierKey(): string {
    return formatVerifierKey(this.name, rawPublicKey(this.keys.publicKey));
  }
  signature(text: string): string {
    const id = Buffer.from(this.verifierKey.split('+')[1]!, 'hex');
    return `\u2014 ${this.name} ${Buffer.concat([id, sign(null, Buffer.from(text), this.keys.privateKey)]).toString('base64')}\n`;
  }
}
const rawPublicKey = (key: KeyObject) => new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url'));

const log = new Log('writ.test/log');
const lines = Array.from({ length: 7 }, (_, i) =>
  JSON.stringify({
    specversion: '1.0',
    id: `evt_${i}`,
    type: 'run.started.v1',
    subject: 'run_1',
    time: '2026-11-23T00:00:00Z',
    data: { i },
    actor: { principal: 'agt_1' },
  }),
);
const leaves = lines.map((line) => new TextEncoder().encode(line));
const body = `${log.name}\n${lines.length}\n${Buffer.from(treeHash(leaves)).toString('base64')}\n`;
const checkpoint = `${body}\n${log.signature(body)}`;
const proven = (index: number) => ({
  line: lines[index]!,
  index,
  proof: auditPath(index, leaves).map((hash) => Buffer.from(hash).toString('base64')),
});
const bundle = (change: object = {}) =>
  JSON.stringify({
    format: 'writ-bundle/1',
    origin: log.name,
    checkpoint,
    events: lines.map((_, i) => proven(i)),
    ...change,
  });

describe('an inclusion proof', () => {
  test('leads to the root for every leaf of every tree of up to 33 leaves, and for no other place', () => {
    for (let size = 1; size <= 33; size++) {
      const all = Array.from({ length: size }, (_, i) => Uint8Array.of(i));
      const root = Buffer.from(treeHash(all));
      for (let index = 0; index < size; index++) {
        const proof = auditPath(index, all);
        const at = (place: number, of: number) => rootOf(leafHash(all[index]!), BigInt(place), BigInt(of), proof);
        expect(root.equals(at(index, size) ?? new Uint8Array())).toBe(true);
        for (let other = 0; other < size; other++)
          if (other !== index) expect(root.equals(at(other, size) ?? new Uint8Array())).toBe(false);
        expect(at(size, size)).toBeUndefined();
      }
    }
  });
  test('that is too long or too short is none', () => {
    const proof = auditPath(2, leaves);
    expect(rootOf(leafHash(leaves[2]!), 2n, 7n, proof.slice(1))).toBeUndefined();
    expect(rootOf(leafHash(leaves[2]!), 2n, 7n, [...proof, proof[0]!])).toBeUndefined();
  });
});

describe('verify', () => {
  const key = { log: log.verifierKey };

  test('accepts a bundle whose events are in the signed log, as text and as bytes', async () => {
    verifies('sdk.verify');
    const verified = await verify(bundle(), key);
    expect(verified).toMatchObject({ ok: true, treeSize: 7n });
    if (verified.ok)
      expect(verified.events[3]).toEqual({
        id: 'evt_3',
        type: 'run.started.v1',
        subject: 'run_1',
        time: new Date('2026-11-23T00:00:00Z'),
        actor: 'agt_1',
        data: { i: 3 },
      });
    expect((await verify(new TextEncoder().encode(bundle()), key)).ok).toBe(true);
  });

  const witness = new Log('witness.test');
  test('asks for the signature of every witness that is named', async () => {
    const keys = { ...key, witnesses: [witness.verifierKey] };
    expect(await verify(bundle(), keys)).toMatchObject({
      ok: false,
      error: { code: 'proof.bad_signature', details: { key: 'witness.test' } },
    });
    expect((await verify(bundle({ checkpoint: checkpoint + witness.signature(body) }), keys)).ok).toBe(true);
  });

  const other = new Log('writ.test/log');
  test.each([
    [
      'one flipped byte of an event',
      bundle({ events: [{ ...proven(2), line: lines[2]!.replace('run_1', 'run_2') }] }),
      key.log,
      'proof.not_included',
    ],
    ['an event at another index', bundle({ events: [{ ...proven(2), index: 3 }] }), key.log, 'proof.not_included'],
    ['a negative index', bundle({ events: [{ ...proven(2), index: -1 }] }), key.log, 'proof.not_included'],
    [
      'a changed tree size',
      bundle({ checkpoint: checkpoint.replace('\n7\n', '\n8\n') }),
      key.log,
      'proof.bad_signature',
    ],
    ['a signature by another key of the same name', bundle(), other.verifierKey, 'proof.bad_signature'],
    ['a checkpoint of another log', bundle({ origin: 'elsewhere' }), key.log, 'proof.wrong_origin'],
    ['a checkpoint without a signature', bundle({ checkpoint: `${body}\n` }), key.log, 'proof.bad_signature'],
    ['no signed note', bundle({ checkpoint: body }), key.log, 'proof.bad_checkpoint'],
    ['a key that is none', bundle(), 'writ.test/log+00000000+AAAA', 'proof.bad_key'],
    ['a key with a wrong id', bundle(), key.log.replace(/\+[0-9a-f]{8}\+/, '+00000000+'), 'proof.bad_key'],
    ['another format', bundle({ format: 'writ-bundle/2' }), key.log, 'proof.bad_bundle'],
    ['no JSON', '{', key.log, 'proof.bad_bundle'],
    ['a line that is no event', bundle({ events: [null] }), key.log, 'proof.bad_bundle'],
  ])('refuses %s', async (_, text, logKey, code) => {
    expect(await verify(text, { log: logKey })).toMatchObject({ ok: false, error: { code } });
  });
});
