import type { RequestApproval } from '@writ/enforcement';
import type { EventDraft, Json } from '@writ/ledger/domain';

/** What was asked, by whom, of whom, and until when. */
export type Requested = Omit<RequestApproval, 'type'>;

export interface Decided {
  readonly verdict: 'approve' | 'deny';
  /** The person who decided. */
  readonly by: string;
  readonly reason?: string;
  /** The answer to a question. */
  readonly value?: Json;
}

export interface Delegated {
  readonly by: string;
  readonly to: string;
  readonly reason?: string;
  /** Who may decide from now on. */
  readonly approvers: readonly string[];
}

export interface Escalated {
  /** When it was to be. */
  readonly at: string;
  readonly to: readonly string[];
  /** Who may decide from now on; empty: whoever holds `approval.decide`. */
  readonly approvers: readonly string[];
}

/** Whoever waits for an approval, and whoever notifies people, follows these; the subject is its id. */
export type ApprovalEvent =
  | EventDraft<'approval.requested.v1', Requested>
  /** Nobody has decided by `at`, and these may. */
  | EventDraft<'approval.reminded.v1', { readonly at: string; readonly approvers: readonly string[] }>
  | EventDraft<'approval.escalated.v1', Escalated>
  | EventDraft<'approval.delegated.v1', Delegated>
  | EventDraft<'approval.decided.v1', Decided>
  /** Used up, by this effect. */
  | EventDraft<'approval.consumed.v1', { readonly effectId: string }>
  /** Nobody decided in time. That is a third outcome, not a denial. */
  | EventDraft<'approval.expired.v1', { readonly expires: string }>
  /** Nobody waits for it any more. */
  | EventDraft<'approval.withdrawn.v1', { readonly reason: string }>;
