import { aggregates, type Aggregate, type EventDraft, type PartitionModel } from '@writ/ledger/domain';

type Changed = EventDraft<'thing.changed.v1', { text: string }>;

/** One event for each command, and a state that is next to nothing: what is measured is the ledger. */
export function thingModel(version = 1): () => PartitionModel {
  const thing: Aggregate<{ changes: number }, { type: 'change'; text: string }, Changed> = {
    name: 'thing',
    version,
    initial: { changes: 0 },
    events: ['thing.changed.v1'],
    decide: ({ text }) => [{ type: 'thing.changed.v1', data: { text } }],
    evolve: ({ changes }) => ({ changes: changes + 1 }),
  };
  return aggregates([thing]);
}

/** The next change of one of many things. */
export function change(n: number, things: number) {
  return {
    tenant: 'tnt_bench',
    aggregate: 'thing',
    subject: `thing_${n % things}`,
    command: { type: 'change', text: 'x' },
    actor: { principal: 'agt_bench', kind: 'agent' as const },
  };
}
