import type { DecideApproval, Escalation, ResourceRef } from '@writ/enforcement';
import { permits, refuse, type Json } from '@writ/ledger/domain';

/** One question to people: asked, decided or expired, and, when it was about an action, used up by one effect. */
export type Approval =
  | { readonly status: 'none' }
  | ({ readonly status: 'requested' } & Question)
  | ({ readonly status: 'approved' | 'denied'; readonly by: string } & Question)
  | ({ readonly status: 'consumed'; readonly by: string; readonly effectId: string } & Question)
  | ({ readonly status: 'expired' | 'withdrawn' } & Question);

/** What binds it. Title and detail are for people and stay in the event. */
export interface Question {
  readonly kind: 'action' | 'question';
  readonly agent: string;
  readonly approvers: readonly string[];
  readonly expires: string;
  readonly schema?: Json;
  /** What is still to come of these two. */
  readonly remind?: readonly string[];
  readonly escalate?: readonly Escalation[];
  readonly delegations?: number;
  readonly action?: string;
  readonly resource?: ResourceRef;
  readonly argumentsDigest?: string;
  readonly policyVersion?: string;
}
export type Asked = Exclude<Approval, { status: 'none' }>;

/** What the decider reads of the command's envelope. */
export interface About {
  readonly subject: string;
  readonly time: string;
  readonly actor: { readonly principal: string; readonly run?: string; readonly onBehalfOf?: readonly string[] };
}

/** The timer may be late; the time in the command is not. */
export function isOver(state: Asked, { time }: About): boolean {
  return Date.parse(time) >= Date.parse(state.expires);
}

/** A person, never an agent; one of those who were named or, when nobody was, whoever holds the right to decide. */
export function mayDecide(
  { by, grant }: Pick<DecideApproval, 'by' | 'grant'>,
  { agent, approvers }: Asked,
  { subject, actor }: About,
): void {
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
