import type { ApprovalCommand, ConsumeApproval, DecideApproval, ResourceRef } from '@writ/enforcement';
import { permits, refuse, type Aggregate } from '@writ/ledger/domain';
import type { ApprovalEvent } from './approval.events.js';

/** One question to people: asked, decided or expired, and, when it was about an action, used up by one effect. */
export type Approval =
  | { readonly status: 'none' }
  | ({ readonly status: 'requested' } & Question)
  | ({ readonly status: 'approved' | 'denied'; readonly by: string } & Question)
  | ({ readonly status: 'consumed'; readonly by: string; readonly effectId: string } & Question)
  | ({ readonly status: 'expired' } & Question);

/** What binds it. Title and detail are for people and stay in the event. */
interface Question {
  readonly kind: 'action' | 'question';
  readonly agent: string;
  readonly approvers: readonly string[];
  readonly expires: string;
  readonly action?: string;
  readonly resource?: ResourceRef;
  readonly argumentsDigest?: string;
  readonly policyVersion?: string;
}
type Asked = Exclude<Approval, { status: 'none' }>;

/** What the decider reads of the command's envelope. */
interface About {
  readonly subject: string;
  readonly time: string;
  readonly actor: { readonly principal: string; readonly run?: string; readonly onBehalfOf?: readonly string[] };
}

/** Subject: the approval id. */
export const approval: Aggregate<Approval, ApprovalCommand, ApprovalEvent> = {
  name: 'approval',
  initial: { status: 'none' },
  events: ['approval.requested.v1', 'approval.decided.v1', 'approval.consumed.v1', 'approval.expired.v1'],

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
      case 'expire':
        if (state.status !== 'requested' || !isOver(state, about)) return [];
        return [{ type: 'approval.expired.v1', data: { expires: state.expires } }];
    }
  },

  evolve(state, event) {
    if (event.type === 'approval.requested.v1') {
      const { title: _, detail: __, run: ___, effectId: ____, ...question } = event.data as Extract<ApprovalEvent, { type: 'approval.requested.v1' }>['data']; // prettier-ignore
      return { status: 'requested', ...question };
    }
    if (state.status === 'none') return state;
    switch (event.type) {
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
    }
  },
};

function asked(state: Approval, { subject }: About): Asked {
  if (state.status === 'none') throw refuse('approval.not_found', `there is no approval ${subject}`);
  return state;
}

/** The timer may be late; the time in the command is not. */
function isOver(state: Asked, { time }: About): boolean {
  return Date.parse(time) >= Date.parse(state.expires);
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
  if (state.status !== 'requested')
    throw refuse('approval.already_decided', `${about.subject} is ${state.status}`, { state: state.status });
  const data = {
    verdict,
    by: by.principal,
    ...(reason === undefined ? {} : { reason }),
    ...(value === undefined ? {} : { value }),
  };
  return [{ type: 'approval.decided.v1', data }];
}

/** A person, never an agent; one of those who were named or, when nobody was, whoever holds the right to decide. */
function mayDecide({ by, grant }: DecideApproval, { agent, approvers }: Asked, { subject, actor }: About): void {
  if (by.kind === 'agent' || by.kind === 'service' || by.principal === agent) {
    throw refuse('approval.agent_cannot_decide', `${by.principal} is not a person`);
  }
  // A workflow that runs as a person, and authority that an agent handed to one, are not that person's own.
  const lent = actor.run ?? actor.onBehalfOf?.find((id) => !id.startsWith('psn_'));
  if (lent !== undefined)
    throw refuse(
      'approval.agent_cannot_decide',
      `${by.principal} decides with a token of their own, not with one of ${lent}`,
    );
  if (!permits(grant, 'approval.decide', subject)) {
    throw refuse('approval.not_entitled', `${by.principal} does not hold approval.decide on ${subject}`);
  }
  const named = approvers.some(
    (each) => each === by.principal || (each.startsWith('group:') && by.groups.includes(each.slice('group:'.length))),
  );
  if (approvers.length > 0 && !named) {
    throw refuse('approval.not_entitled', `${subject} is for ${approvers.join(', ')}`, { approvers: [...approvers] });
  }
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
