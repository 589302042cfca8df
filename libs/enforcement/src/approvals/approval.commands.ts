import type { Capability, Json } from '@writ/ledger/domain';
import type { ResourceRef } from '../action/action.events.js';

/**
 * Commands of the policy service's aggregate `approval` (subject: the approval id), as an enforcement point, the scheduler and the
 * approval API send them.
 */
export type ApprovalCommand =
  RequestApproval | DecideApproval | DelegateApproval | ConsumeApproval | WithdrawApproval | TickApproval;

/** Asks people. A repeat with the same id is a success. */
export interface RequestApproval {
  readonly type: 'request';
  /** `action`: may this be done? `question`: what is the answer? */
  readonly kind: 'action' | 'question';
  readonly title: string;
  /** What is asked, for people: the (redacted) arguments of an action, the detail of a question. */
  readonly detail: Json;
  /** Who asks; never among those who answer. */
  readonly agent: string;
  readonly run?: string;
  /** `psn_…`, `group:…`; empty: whoever holds `approval.decide`. */
  readonly approvers: readonly string[];
  /** ISO 8601. */
  readonly expires: string;
  /** JSON Schema of the answer to a question. */
  readonly schema?: Json;
  /** When those who may decide are reminded, ISO 8601, the earliest first. */
  readonly remind?: readonly string[];
  /** To whom it goes beside them when nobody has decided by then; the earliest first. */
  readonly escalate?: readonly Escalation[];
  /** The four below are set for an action, and bind the approval to it. */
  readonly effectId?: string;
  readonly action?: string;
  readonly resource?: ResourceRef;
  readonly argumentsDigest?: string;
  readonly policyVersion?: string;
}

export interface Escalation {
  /** ISO 8601. */
  readonly at: string;
  readonly to: readonly string[];
}

/** Hands it to another person. Who may decide may do that. */
export interface DelegateApproval extends Pick<DecideApproval, 'by' | 'grant' | 'reason'> {
  readonly type: 'delegate';
  /** `psn_…` */
  readonly to: string;
}

export interface DecideApproval {
  readonly type: 'decide';
  readonly verdict: 'approve' | 'deny';
  /** The verified caller. Whose chain contains an agent or the asking run is not a person who decides. */
  readonly by: { readonly principal: string; readonly kind: string; readonly groups: readonly string[] };
  /** The entries of the caller's grant that concern `approval.decide`. */
  readonly grant: readonly Capability[];
  readonly reason?: string;
  /** The answer to a question. */
  readonly value?: Json;
  /** The digest that the person saw. */
  readonly argumentsDigest?: string;
}

/** Uses it up, for one effect. A repeat for the same effect is a success. */
export interface ConsumeApproval {
  readonly type: 'consume';
  readonly effectId: string;
  readonly action: string;
  readonly resource: ResourceRef;
  readonly argumentsDigest: string;
  readonly policyVersion: string;
}

/** Nobody waits for the answer any more: its run has ended, or has given the question up. What was decided stays decided. */
export interface WithdrawApproval {
  readonly type: 'withdraw';
  readonly reason: string;
}

/** Sent by the timer of the partition's owner: a reminder, an escalation or the end may be due. */
export interface TickApproval {
  readonly type: 'tick';
}
