import { hash } from 'node:crypto';
import { formatPosition } from '../domain/positions.js';
import type { PartitionAddress } from './commit.js';

/** `Writ-Prev` of a partition's first commit. */
export const chainStart = '0'.repeat(64);

/** What the next commit's `Writ-Prev` must say. */
export function hashOf(body: Uint8Array): string {
  return hash('sha256', body, 'hex');
}

/** The log is not what was acknowledged: a commit was changed, or is gone. It never heals by itself. */
export class ChainBroken extends Error {
  override readonly name = 'ChainBroken';
  readonly address: PartitionAddress;
  /** The first commit that does not fit: it is missing, or the one before it was changed. */
  readonly commit: number;
  readonly reason: 'missing' | 'changed';

  constructor(address: PartitionAddress, commit: number, reason: 'missing' | 'changed') {
    const at = formatPosition({ ...address, commit, index: 0 });
    super(
      reason === 'missing'
        ? `the broker lost commit ${at}, which was there, or must be: later ones were seen`
        : `the ledger's chain is broken at ${at}: the commit before it is not the one that was written`,
    );
    this.address = address;
    this.commit = commit;
    this.reason = reason;
  }
}
