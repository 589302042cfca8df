import { formatPosition, partitionOf, partitionsOf } from '@writ/ledger/domain';

/** The partition that a run lives in. */
export function schedulerPartition(tenant: string, run: string): number {
  return partitionOf(tenant, run, partitionsOf.scheduler);
}

/** The position of a commit of the scheduler. */
export function positionOf(partition: number, commit: number): string {
  return formatPosition({ service: 'scheduler', partition, commit, index: 0 });
}
