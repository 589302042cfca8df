import type { Ask } from './policy.js';

/** Why a decision came out as it did; one entry per policy that determined it. */
export interface Reason {
  readonly code: ReasonCode;
  /** Id of the policy; empty when none decided. */
  readonly policy: string;
  /** One sentence for people. */
  readonly text: string;
}

export type ReasonCode =
  | 'policy.permitted'
  /** No policy says anything, and the caller runs the installation. */
  | 'policy.operator'
  | 'policy.approval_required'
  | 'policy.approved'
  | 'policy.forbidden'
  /** No permit matched: the default. */
  | 'policy.not_permitted'
  /** The tenant has no active policy set. */
  | 'policy.no_policies'
  /** The arguments do not have the types that the action declares. */
  | 'policy.arguments_invalid'
  /** A policy, or the whole request, could not be evaluated; that never permits. */
  | 'policy.evaluation_failed';

/** What the policies say. `ask` is set exactly when the outcome is `ask`. */
export type Verdict =
  | { readonly outcome: 'allow' | 'deny'; readonly reasons: readonly Reason[] }
  | { readonly outcome: 'ask'; readonly reasons: readonly Reason[]; readonly ask: Ask };

export function denied(code: ReasonCode, text: string, policy = ''): Verdict {
  return { outcome: 'deny', reasons: [{ code, policy, text }] };
}
