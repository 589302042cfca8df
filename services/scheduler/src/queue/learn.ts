import type { CommandClient } from '@writ/ledger';
import { derivedId, partitionsOf, type Actor, type LedgerEvent } from '@writ/ledger/domain';
import { homeOf, type QueueCommand } from './queues.js';
import type { Limits, QueueEventData } from './queue.events.js';

/** A revision of a queue's limits, for the partitions that are not its home. */
export interface Revision {
  tenant: string;
  queue: string;
  actor: Actor;
  revision: number;
  limits: Limits;
}

/** Tells every other partition. What knows it, or a later one, records nothing. */
export async function teach(runs: CommandClient, { tenant, queue, actor, revision, limits }: Revision): Promise<void> {
  const home = homeOf(tenant, queue);
  const command: QueueCommand = { type: 'learn', revision, limits };
  const others = Array.from({ length: partitionsOf.scheduler }, (_, partition) => partition).filter(
    (each) => each !== home,
  );
  await Promise.all(
    others.map((partition) => {
      const id = derivedId('cmd', tenant, `queue ${queue}`, String(revision), String(partition));
      return runs.send({ tenant, actor, aggregate: 'queue', subject: queue, command, partition, id });
    }),
  );
}

/** What follows the definition of a queue, should who defined it not be there to see to it. */
export function taught(runs: CommandClient, { tenant, subject: queue, actor, data }: LedgerEvent): Promise<void> {
  return teach(runs, { tenant, queue, actor, ...(data as unknown as QueueEventData<'queue.defined.v1'>) });
}
