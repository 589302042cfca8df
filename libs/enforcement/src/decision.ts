import type { Json } from '@writ/ledger/domain';
import type { Reason } from './cedar/verdict.js';

/** A decision as it stands in the ledger, with everything that is needed to take it again. */
export interface DecisionRecord {
  /** `dec_…` */
  readonly id: string;
  /** What the policies say; binding only when `mode` is `enforce`. */
  readonly outcome: 'allow' | 'deny' | 'ask';
  readonly reasons: readonly Reason[];
  /** Content hash of the policy set; empty when the tenant has none. */
  readonly policyVersion: string;
  /** Number of the last revocation that was known when it was taken. */
  readonly revocationEpoch: number;
  /** `log-only`: recorded, and the action was allowed whatever the outcome. */
  readonly mode: 'enforce' | 'log-only';
}

/** A decision as the details of a refusal carry it. */
export function decisionDetails(decision: DecisionRecord): { [key: string]: Json } {
  return { ...decision, reasons: decision.reasons.map((reason) => ({ ...reason })) };
}
