import { aggregates, refuse, type Aggregate, type EventDraft, type PartitionModel } from '../domain.js';

/** The smallest model that shows everything: it adds, it refuses, and it can do nothing. */
export interface Counter {
  total: number;
  times: number;
}

export type CounterCommand = { type: 'add'; by: number; text?: string; parts?: number };
export type CounterEvent = EventDraft<'counter.added.v1', { by: number; total: number; text?: string }>;

export const counter: Aggregate<Counter, CounterCommand, CounterEvent> = {
  name: 'counter',
  initial: { total: 0, times: 0 },
  events: ['counter.added.v1'],
  decide({ by, text, parts = 1 }, state) {
    if (by < 0) throw refuse('counter.negative', `${by} is below zero`, { by });
    if (by === 0) return [];
    return Array.from({ length: parts }, (_, part) => ({
      type: 'counter.added.v1' as const,
      data: { by, total: state.total + by * (part + 1), ...(text === undefined ? {} : { text }) },
    }));
  },
  evolve: (state, { data }) => ({ total: state.total + data.by, times: state.times + 1 }),
};

export const counterModel: () => PartitionModel = aggregates([counter]);

/** A command for a counter; everything may be overridden. */
export function add(
  by: number,
  more: { subject?: string; id?: string; tenant?: string; text?: string; parts?: number } = {},
) {
  const { subject = 'cnt_1', tenant = 'tnt_1', id, text, parts } = more;
  return {
    tenant,
    aggregate: 'counter',
    subject,
    command: { type: 'add', by, ...(text === undefined ? {} : { text }), ...(parts === undefined ? {} : { parts }) },
    actor: { principal: 'agt_1', kind: 'agent' as const },
    ...(id === undefined ? {} : { id }),
  };
}

/** What a counter's total is in a model. */
export function totalOf(model: PartitionModel, subject = 'cnt_1', tenant = 'tnt_1'): number {
  const { counter: rows } = model.snapshot() as unknown as { counter: [string, Counter, number][] };
  return rows.find(([key]) => key === `${tenant}/${subject}`)?.[1].total ?? 0;
}
