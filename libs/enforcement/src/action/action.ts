import { refuse, type Aggregate, type Command, type Json } from '@writ/ledger/domain';
import type { ActionEvent, Asked, Intended, Outcome, Refused } from './action.events.js';

/** The life of one effect: nothing, perhaps a question to a person, the intent, the outcome. */
export type Action =
  | { readonly status: 'none' }
  | ({ readonly status: 'asked'; readonly approval: string } & Identity)
  | ({ readonly status: 'intended'; readonly holder: string; readonly repeatable: boolean } & Identity)
  | ({ readonly status: 'finished'; readonly outcome: Outcome } & Identity)
  | ({ readonly status: 'unknown'; readonly holder: string; readonly reason: string } & Identity);

/** What an effect id is bound to for ever. */
interface Identity {
  readonly principal: string;
  /** Action, resource and arguments digest in one string: they are only ever compared. */
  readonly what: string;
}

export type ActionCommand =
  | ({
      readonly type: 'intend';
      /** The holder of an unfinished intent who is known not to come back. */
      readonly abandonedBy?: string;
    } & Intended)
  | ({ readonly type: 'complete'; readonly holder: string; readonly durationMs: number } & Outcome)
  /** The holder itself cannot say what became of the act. */
  | { readonly type: 'doubt'; readonly holder: string; readonly reason: string }
  | ({ readonly type: 'ask' } & Asked)
  | ({ readonly type: 'refuse' } & Refused);

/**
 * Effects are remembered for a day. A caller that repeats an effect id later performs it again; runs do not, because the
 * scheduler has the outcome in its own ledger by then.
 */
const REMEMBERED_MS = 86_400_000;

/** Every enforcing service has it among its aggregates; the subject is the effect id. */
export const actionAggregate: Aggregate<Action, ActionCommand, ActionEvent> = {
  name: 'action',
  initial: { status: 'none' },
  events: [
    'action.intended.v1',
    'action.completed.v1',
    'action.outcome_unknown.v1',
    'action.refused.v1',
    'action.asked.v1',
  ],
  forgetAfterMs: REMEMBERED_MS,

  decide(command, state, about) {
    switch (command.type) {
      case 'intend':
        return intend(command, state, about);
      case 'complete':
        return complete(command, state, about);
      case 'doubt':
        return doubt(command, state, about);
      case 'ask': {
        mustBeTheSame(command, state, about);
        mustBeOpen(state);
        if (state.status === 'asked' && state.approval === command.approval) return [];
        const { type: _, ...asked } = command;
        return [{ type: 'action.asked.v1', data: asked }];
      }
      case 'refuse': {
        const { type: _, ...refused } = command;
        // The same call was performed when it was still permitted: its caller is owed the outcome, not a denial.
        if (state.status === 'finished' && isSame(command, state, about)) mustBeOpen(state);
        return [{ type: 'action.refused.v1', data: refused }];
      }
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case 'action.intended.v1': {
        const intended = event.data as Intended;
        return {
          status: 'intended',
          principal: intended.principal,
          what: whatOf(intended),
          holder: intended.holder,
          repeatable: intended.repeatable,
        };
      }
      case 'action.asked.v1': {
        const asked = event.data as Asked;
        return { status: 'asked', principal: asked.principal, what: whatOf(asked), approval: asked.approval };
      }
      case 'action.completed.v1': {
        if (state.status === 'none') return state;
        const {
          effectId: _,
          durationMs: __,
          ...outcome
        } = event.data as Outcome & { effectId: string; durationMs: number };
        return { status: 'finished', principal: state.principal, what: state.what, outcome };
      }
      case 'action.outcome_unknown.v1':
        if (state.status !== 'intended') return state;
        return {
          status: 'unknown',
          principal: state.principal,
          what: state.what,
          holder: state.holder,
          reason: (event.data as { reason: string }).reason,
        };
      case 'action.refused.v1':
        return state;
    }
  },
};

type About = Pick<Command, 'actor' | 'subject'>;

function intend(command: Extract<ActionCommand, { type: 'intend' }>, state: Action, about: About): ActionEvent[] {
  mustBeTheSame(command, state, about);
  mustBeOpen(state);
  const { type: _, abandonedBy, ...intended } = command;
  if (state.status === 'finished') return [{ type: 'action.intended.v1', data: { ...intended, again: true } }];
  if (state.status !== 'intended') return [{ type: 'action.intended.v1', data: intended }];
  if (abandonedBy !== state.holder) {
    // The same holder asks again: the answer to its first question was lost.
    if (state.holder === command.holder) return [];
    throw refuse('action.in_progress', `${state.holder} performs ${about.subject}`, { holder: state.holder });
  }
  if (state.repeatable) return [{ type: 'action.intended.v1', data: { ...intended, again: true } }];
  return [
    {
      type: 'action.outcome_unknown.v1',
      data: { effectId: about.subject, reason: `${state.holder} began it and did not come back` },
    },
  ];
}

function complete(command: Extract<ActionCommand, { type: 'complete' }>, state: Action, about: About): ActionEvent[] {
  if (state.status === 'finished') return []; // also where its repeat may be performed: that begins with an intent
  mustHold(command.holder, state, about);
  const { type: _, holder: __, ...outcome } = command;
  // Also from `unknown`: the one who was given up has come back, and knows.
  return [{ type: 'action.completed.v1', data: { effectId: about.subject, ...outcome } }];
}

function doubt(command: Extract<ActionCommand, { type: 'doubt' }>, state: Action, about: About): ActionEvent[] {
  if (state.status === 'finished' || state.status === 'unknown') return [];
  mustHold(command.holder, state, about);
  return [{ type: 'action.outcome_unknown.v1', data: { effectId: about.subject, reason: command.reason } }];
}

function mustHold(holder: string, state: Action, { subject, actor }: About): void {
  if (state.status === 'none' || state.status === 'asked')
    throw refuse('action.not_begun', `${subject} was not begun, or more than a day ago`);
  if (state.principal !== actor.principal) throw refuse('action.not_yours', `${subject} belongs to another principal`);
  if (state.status === 'finished' || state.holder === holder) return;
  // A worker's token may be renewed while its tool runs. Where another worker took over, the effect is one that may be repeated.
  if (state.holder.startsWith(WORKER) && holder.startsWith(WORKER)) return;
  throw refuse('action.superseded', `${state.holder} performs ${subject} now`);
}

/** Begins the names of holders outside of an enforcement point: the `jti` of a worker's token follows. */
export const WORKER = 'worker:';

type Same = Pick<Asked, 'action' | 'resource' | 'argumentsDigest'>;

function mustBeTheSame(command: Same, state: Action, about: About): void {
  if (state.status === 'none') return;
  if (state.principal !== about.actor.principal)
    throw refuse('action.not_yours', `${about.subject} belongs to another principal`);
  if (state.what !== whatOf(command)) {
    throw refuse('action.arguments_changed', `${about.subject} stands for another action or other arguments`, {
      effectId: about.subject,
    });
  }
}

function isSame(command: Partial<Same>, state: Action, { actor }: About): boolean {
  const { action, resource, argumentsDigest } = command;
  if (state.status === 'none' || action === undefined || resource === undefined || argumentsDigest === undefined)
    return false;
  return state.principal === actor.principal && state.what === whatOf({ action, resource, argumentsDigest });
}

/** Refuses with the outcome in the details, for the caller to hand on. A failure of the moment leaves it open. */
function mustBeOpen(state: Action): void {
  if (state.status === 'finished' && !(!state.outcome.ok && state.outcome.error.mayRetry))
    throw refuse('action.finished', 'the effect is finished', { outcome: state.outcome as unknown as Json });
  if (state.status === 'unknown') throw refuse('action.outcome_unknown', state.reason);
}

function whatOf({ action, resource, argumentsDigest }: Same): string {
  return `${action} ${resource.type}:${resource.id} ${argumentsDigest}`;
}
