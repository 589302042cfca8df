import type { DelegateApproval } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';
import type { ApprovalEvent } from './approval.events.js';
import { isOver, mayDecide, type About, type Asked, type Question } from './question.js';

/** A question that goes round in circles is to expire. */
const mostDelegations = 20;

/** When the timer has to look at an open approval, the earliest first. */
export function dueTimes({ expires, remind = [], escalate = [] }: Question): number[] {
  return [expires, ...remind, ...escalate.map(({ at }) => at)].map((each) => Date.parse(each)).sort((a, b) => a - b);
}

/** Escalations before reminders: who it has come to just now needs none. Of reminders that nobody sent in time only the last is. */
export function remindersDue(
  { approvers: before, remind = [], escalate = [] }: Question,
  nowMs: number,
): ApprovalEvent[] {
  const over = (at: string) => Date.parse(at) <= nowMs;
  const events: ApprovalEvent[] = [];
  let approvers = before;
  for (const { at, to } of escalate.filter((each) => over(each.at))) {
    // Where nobody is named everyone who may decide could all along, and still can.
    if (approvers.length > 0) approvers = [...new Set([...approvers, ...to])];
    events.push({ type: 'approval.escalated.v1', data: { at, to: [...to], approvers } });
  }
  const at = remind.filter(over).at(-1);
  return at === undefined ? events : [...events, { type: 'approval.reminded.v1', data: { at, approvers } }];
}

/** @throws DomainError `approval.*` */
export function delegate({ to, reason, ...who }: DelegateApproval, state: Asked, about: About): ApprovalEvent[] {
  mayDecide(who, state, about);
  const { subject } = about;
  if (state.status === 'expired' || (state.status === 'requested' && isOver(state, about)))
    throw refuse('approval.expired', `nobody decided before ${state.expires}`);
  if (state.status !== 'requested')
    throw refuse('approval.already_decided', `${subject} is ${state.status}`, { state: state.status });
  const by = who.by.principal;
  if (!to.startsWith('psn_') || to === state.agent || to === by)
    throw refuse('approval.bad_delegate', `${to} is not another person (psn_…)`, { to });
  const { delegations = 0 } = state;
  if (delegations >= mostDelegations)
    throw refuse('approval.bad_delegate', `${subject} was handed on ${delegations} times; decide it`, { to });
  const approvers = [...new Set([...state.approvers.filter((each) => each !== by), to])];
  return [{ type: 'approval.delegated.v1', data: { by, to, ...(reason !== undefined && { reason }), approvers } }];
}
