import { createPublicKey } from 'node:crypto';
import { createRequire } from 'node:module';

interface Checkpoint {
  readonly logSize: bigint;
}

// Their own entry points want bundles of software signatures; these are the two functions that check the log in one.
const require = createRequire(import.meta.url);
const { verifyCheckpoint } = require('@sigstore/verify/dist/tlog/checkpoint.js') as {
  verifyCheckpoint(entry: object, logs: readonly object[]): Checkpoint;
};
const { verifyMerkleInclusion } = require('@sigstore/verify/dist/tlog/merkle.js') as {
  verifyMerkleInclusion(entry: object, checkpoint: Checkpoint): void;
};

/**
 * Checks a bundle with Sigstore's implementation of RFC 6962 and of C2SP signed notes, and nothing of ours.
 *
 * @returns how many events are in the tree that the checkpoint signs. @throws what Sigstore says
 */
export function verifyBySigstore(bundle: string, verifierKey: string): number {
  const { checkpoint: envelope, events } = JSON.parse(bundle) as {
    checkpoint: string;
    events: { line: string; index: number; proof: string[] }[];
  };
  const [, name, keyId, typed] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(verifierKey) as unknown as string[];
  const x = Buffer.from(typed as string, 'base64')
    .subarray(1)
    .toString('base64url'); // behind the byte for Ed25519
  const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
  const log = { logID: Buffer.from(keyId as string, 'hex'), baseURL: name, publicKey };
  const checkpoint = verifyCheckpoint({ inclusionProof: { checkpoint: { envelope } } }, [log]);
  for (const { line, index, proof } of events) {
    const hashes = proof.map((hash) => Buffer.from(hash, 'base64'));
    const inclusionProof = { logIndex: String(index), hashes };
    verifyMerkleInclusion({ inclusionProof, canonicalizedBody: Buffer.from(line) }, checkpoint);
  }
  return events.length;
}
