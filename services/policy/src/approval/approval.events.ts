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

/** Whoever waits for an approval follows these; the subject is its id. */
export type ApprovalEvent =
  | EventDraft<'approval.requested.v1', Requested>
  | EventDraft<'approval.decided.v1', Decided>
  /** Used up, by this effect. */
  | EventDraft<'approval.consumed.v1', { readonly effectId: string }>
  /** Nobody decided in time. That is a third outcome, not a denial. */
  | EventDraft<'approval.expired.v1', { readonly expires: string }>;
