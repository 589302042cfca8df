import type { CommandClient } from '@writ/ledger';
import { derivedId, partitionsOf, type Actor, type LedgerEvent } from '@writ/ledger/domain';
import type { QueueEventData } from '../queue/queue.events.js';
import { homeOf } from '../queue/queues.js';
import type { RampEventData } from '../ramp/ramp.events.js';
import { rampHome } from '../ramp/ramps.js';

/** A revision of what starts are decided by, for the partitions that are not its home. */
export type Lesson = { tenant: string; actor: Actor; subject: string } & (
  | { aggregate: 'queue'; content: QueueEventData<'queue.learned.v1'> }
  | { aggregate: 'ramp'; content: RampEventData<'ramp.learned.v1'> }
);

/** Tells every other partition. What knows it, or a later one, records nothing. */
export async function teach(runs: CommandClient, lesson: Lesson): Promise<void> {
  const { tenant, actor, aggregate, subject, content } = lesson;
  const home = (aggregate === 'queue' ? homeOf : rampHome)(tenant, subject);
  const command = { type: 'learn' as const, ...content };
  const others = Array.from({ length: partitionsOf.scheduler }, (_, partition) => partition).filter(
    (each) => each !== home,
  );
  await Promise.all(
    others.map((partition) => {
      const id = derivedId('cmd', tenant, `${aggregate} ${subject}`, String(content.revision), String(partition));
      return runs.send({ tenant, actor, aggregate, subject, command, partition, id });
    }),
  );
}

/** Events of which every partition has to hear. */
export const taughtEvents = ['queue.defined.v1', 'ramp.set.v1'] as const;

export function isTaught(type: string): boolean {
  return taughtEvents.some((each) => each === type);
}

/** What follows such an event, should who caused it not be there to see to it. */
export function taught(runs: CommandClient, { type, tenant, subject, actor, data }: LedgerEvent): Promise<void> {
  const aggregate = type === 'ramp.set.v1' ? 'ramp' : 'queue';
  return teach(runs, { tenant, actor, subject, aggregate, content: data as never } as Lesson);
}
