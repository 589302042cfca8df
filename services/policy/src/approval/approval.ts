import type { ApprovalCommand, ConsumeApproval, DecideApproval } from '@writ/enforcement';
import { refuse, type Aggregate } from '@writ/ledger/domain';
import { checkAnswer } from './answer-rules.js';
import type { ApprovalEvent } from './approval.events.js';
import { delegate, remindersDue } from './hand-over.js';
import { isOver, mayDecide, type About, type Approval, type Asked } from './question.js';

export type { Approval } from './question.js';

/** Subject: the approval id. */
export const approval: Aggregate<Approval, ApprovalCommand, ApprovalEvent> = {
  name: 'approval',
  initial: { status: 'none' },
  events: [
    'approval.requested.v1',
    'approval.reminded.v1',
    'approval.escalated.v1',
    'approval.delegated.v1',
    'approval.decided.v1',
    'approval.consumed.v1',
    'approval.expired.v1',
    'approval.withdrawn.v1',
  ],

  decide(command, state, about) {
    switch (command.type) {
      case 'request': {
        if (state.status !== 'none') return [];
        const { type: _, ...requested } = command;
        return [{ type: 'approval.requested.v1', data: requested }];
      }
      case 'decide':
        return decide(command, asked(state, about), about);
      case 'consume':
        return consume(command, asked(state, about), about);
      case 'delegate':
        return delegate(command, asked(state, about), about);
      case 'withdraw':
        if (state.status !== 'requested' || isOver(state, about)) return [];
        return [{ type: 'approval.withdrawn.v1', data: { reason: command.reason } }];
      case 'tick':
        if (state.status !== 'requested') return [];
        if (isOver(state, about)) return [{ type: 'approval.expired.v1', data: { expires: state.expires } }];
        return remindersDue(state, Date.parse(about.time));
    }
  },

  evolve(state, event) {
    if (event.type === 'approval.requested.v1') {
      const { title: _, detail: __, run: ___, effectId: ____, ...question } = event.data as Extract<ApprovalEvent, { type: 'approval.requested.v1' }>['data']; // prettier-ignore
      return { status: 'requested', ...question };
    }
    if (state.status === 'none') return state;
    switch (event.type) {
      case 'approval.reminded.v1': {
        const { at } = event.data as { at: string };
        return { ...state, remind: (state.remind ?? []).filter((each) => each > at) };
      }
      case 'approval.escalated.v1': {
        const { at, approvers } = event.data as { at: string; approvers: readonly string[] };
        return { ...state, approvers, escalate: (state.escalate ?? []).filter((each) => each.at > at) };
      }
      case 'approval.delegated.v1': {
        const { approvers } = event.data as { approvers: readonly string[] };
        return { ...state, approvers, delegations: (state.delegations ?? 0) + 1 };
      }
      case 'approval.decided.v1': {
        const { verdict, by } = event.data as { verdict: 'approve' | 'deny'; by: string };
        return { ...state, status: verdict === 'approve' ? 'approved' : 'denied', by };
      }
      case 'approval.consumed.v1': {
        const { effectId } = event.data as { effectId: string };
        return { ...state, status: 'consumed', by: 'by' in state ? state.by : '', effectId };
      }
      case 'approval.expired.v1':
        return { ...state, status: 'expired' };
      case 'approval.withdrawn.v1':
        return { ...state, status: 'withdrawn' };
    }
  },
};

function asked(state: Approval, { subject }: About): Asked {
  if (state.status === 'none') throw refuse('approval.not_found', `there is no approval ${subject}`);
  return state;
}

function decide(command: DecideApproval, state: Asked, about: About): ApprovalEvent[] {
  mayDecide(command, state, about);
  const { verdict, by, reason, value, argumentsDigest } = command;
  if (argumentsDigest !== undefined && argumentsDigest !== state.argumentsDigest) {
    throw refuse('approval.arguments_changed', `${about.subject} is not about the arguments that you saw`);
  }
  const now = verdict === 'approve' ? 'approved' : 'denied';
  if (state.status === now && state.by === by.principal) return [];
  if (state.status === 'expired' || (state.status === 'requested' && isOver(state, about))) {
    throw refuse('approval.expired', `nobody decided before ${state.expires}`);
  }
  if (state.status === 'withdrawn') throw refuse('approval.withdrawn', `nobody waits for ${about.subject} any more`);
  if (state.status !== 'requested')
    throw refuse('approval.already_decided', `${about.subject} is ${state.status}`, { state: state.status });
  if (verdict === 'approve' && state.schema !== undefined) checkAnswer(state.schema, value);
  const data = {
    verdict,
    by: by.principal,
    ...(reason === undefined ? {} : { reason }),
    ...(value === undefined ? {} : { value }),
  };
  return [{ type: 'approval.decided.v1', data }];
}

function consume(command: ConsumeApproval, state: Asked, about: About): ApprovalEvent[] {
  mustBeFor(command, state, about);
  switch (state.status) {
    case 'requested':
      if (isOver(state, about)) throw refuse('approval.expired', `nobody decided before ${state.expires}`);
      throw refuse(
        'approval.undecided',
        `${about.subject} waits for ${state.approvers.join(', ') || 'whoever may decide'} until ${state.expires}`,
      );
    case 'denied':
      throw refuse('approval.denied', `${state.by} denied it`);
    case 'expired':
      throw refuse('approval.expired', `nobody decided before ${state.expires}`);
    case 'withdrawn':
      throw refuse('approval.withdrawn', `${about.subject} was withdrawn before anybody decided`);
    case 'consumed':
      // The same effect again: its first attempt may have died right after this. Whether it acted is for its own ledger to say.
      if (state.effectId === command.effectId) return [];
      throw refuse('approval.already_consumed', `it was used by ${state.effectId}`);
    case 'approved':
      if (isOver(state, about)) throw refuse('approval.expired', `it was good until ${state.expires}`);
      return [{ type: 'approval.consumed.v1', data: { effectId: command.effectId } }];
  }
}

function mustBeFor(command: ConsumeApproval, state: Asked, { subject, actor }: About): void {
  if (state.agent !== actor.principal) throw refuse('approval.not_yours', `${subject} was asked for by another agent`);
  const { action, resource, argumentsDigest, policyVersion } = command;
  if (state.action !== action || state.resource?.type !== resource.type || state.resource.id !== resource.id) {
    throw refuse(
      'approval.arguments_changed',
      `${subject} is about ${state.action ?? 'a question'} on ${state.resource?.id ?? 'nothing'}`,
    );
  }
  if (state.argumentsDigest !== argumentsDigest)
    throw refuse('approval.arguments_changed', `${subject} was given for other arguments`);
  if (state.policyVersion !== policyVersion)
    throw refuse('approval.policy_changed', `${subject} was asked under another version of the policies`);
}
