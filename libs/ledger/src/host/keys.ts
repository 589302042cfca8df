import { partitionLabel } from '../domain/partitioning.js';
import type { PartitionAddress } from '../log/commit.js';

/** Key in the bucket `ledger`: `reactor.scheduler.07.dispatch`. */
export function stateKey(
  kind: 'snapshot' | 'reactor' | 'parked',
  address: PartitionAddress,
  ...rest: string[]
): string {
  return [kind, address.service, partitionLabel(address.partition), ...rest].join('.');
}
