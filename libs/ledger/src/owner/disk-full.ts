import { partitionLabel } from '../domain/partitioning.js';
import { refuse, type DomainError } from '../domain/refusals.js';
import type { PartitionAddress } from '../log/commit.js';

/** The change is not in the log, and will not be until somebody makes room. */
export function diskFull({ service, partition }: PartitionAddress, detail: string): DomainError {
  const label = `${service}/${partitionLabel(partition)}`;
  return refuse('ledger.disk_full', `the broker does not store what ${label} writes: ${detail}`, { partition: label });
}
