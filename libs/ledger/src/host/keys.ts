import { partitionLabel } from '../domain/partitioning.js';
import type { PartitionAddress } from '../log/commit.js';

/** The bucket of what owners keep beside the log. */
export const stateBucket = 'ledger';
/** Its stream. */
export const stateStream = `KV_${stateBucket}`;

/** The subject of a key in that stream; the key may be a pattern. */
export function stateSubject(key: string): string {
  return `$KV.${stateBucket}.${key}`;
}

/** Key in the bucket `ledger`: `reactor.scheduler.07.dispatch`. */
export function stateKey(
  kind: 'snapshot' | 'reactor' | 'parked',
  address: PartitionAddress,
  ...rest: string[]
): string {
  return [kind, address.service, partitionLabel(address.partition), ...rest].join('.');
}
