import { refuse, type Aggregate, type EventDraft } from '@writ/ledger/domain';

export const endedStates = ['succeeded', 'failed', 'cancelled'] as const;
export type EndedState = (typeof endedStates)[number];

/** How long runs of these states are kept after their end; without a workflow those of every one that has no rule of its own. */
export interface Rule {
  readonly workflow?: string;
  readonly states: readonly EndedState[];
  readonly keepMs: number;
}

/** What a tenant wants; nothing where all is kept. */
export interface Retention {
  readonly rules: readonly Rule[];
  /** Who set them. */
  readonly by: string;
}

export type RetentionCommand = { type: 'set'; rules: readonly Rule[]; by: string };
export type RetentionEvent = EventDraft<'retention.set.v1', Retention>;

/** Each tenant has one; this is its subject. */
export const retentionSubject = 'retention';

const initial: Retention = { rules: [], by: '' };

/** The aggregate `retention`. */
export const retention: Aggregate<Retention, RetentionCommand, RetentionEvent> = {
  name: 'retention',
  initial,
  events: ['retention.set.v1'],
  decide({ rules, by }, state) {
    const seen = new Set<string>();
    for (const { workflow = '', states } of rules)
      for (const each of states) {
        if (seen.has(`${each} ${workflow}`))
          throw refuse('retention.bad_rules', `two rules are about ${each} runs of ${workflow || 'every workflow'}`);
        seen.add(`${each} ${workflow}`);
      }
    if (JSON.stringify(rules) === JSON.stringify(state.rules)) return [];
    return [{ type: 'retention.set.v1', data: { rules, by } }];
  },
  evolve: (_state, { data }) => (data.rules.length === 0 ? initial : data),
};

/** Runs that are too old for their rule, as a filter; the times are those of a whole `stepMs`, so that the same is asked for the same way. */
export function expired(
  rules: readonly Rule[],
  nowMs: number,
  stepMs: number,
): { filter: string; state: EndedState; workflow: string; cutMs: number }[] {
  return rules.flatMap(({ workflow = '', states, keepMs }) =>
    states.map((state) => {
      const cutMs = Math.floor((nowMs - keepMs) / stepMs) * stepMs;
      const cut = new Date(cutMs).toISOString();
      const own = rules.flatMap((each) => (each.workflow && each.states.includes(state) ? [each.workflow] : []));
      const which = workflow ? [`workflow = ${quoted(workflow)}`] : own.map((each) => `workflow != ${quoted(each)}`);
      // What ended before has begun before, and by its beginning it is found.
      const when = [`create_time < ${quoted(cut)}`, `end_time < ${quoted(cut)}`];
      return { filter: [`state = ${state}`, ...which, ...when].join(' AND '), state, workflow, cutMs };
    }),
  );
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
