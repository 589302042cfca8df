import type { DomainError } from '@writ/ledger/domain';
import type { PolicyRequest } from '../cedar/request.js';
import type { Verdict } from '../cedar/verdict.js';
import type { ActingCaller } from './request.js';

/** What the pipeline asks of the followers of identity's ledger. */
export interface Trust {
  /** Number of the last revocation that is known. */
  readonly epoch: number;
  /** @throws DomainError `auth.revoked`, `auth.token_expired`, or `auth.revocation_unknown` when nothing was heard from identity for too long. */
  check(caller: ActingCaller): Promise<Authority>;
}

/** What a token gave its holder, as long as nobody takes it away. */
export interface Authority {
  /** The run whose budget pays for what is done with the token. */
  readonly budget?: string | undefined;
  /** The refusal, once it was revoked. Neither expiry nor silence of identity ends what has begun. */
  lost(): DomainError | undefined;
}

/** What the pipeline asks of the follower of policy's ledger. */
export interface Policies {
  /** The verdicts without and with a person's approval, by the tenant's active set. @throws DomainError `policy.unavailable` until they are known */
  decide(tenant: string, request: PolicyRequest): Decided;
}

export interface Decided {
  readonly verdict: Verdict;
  /** What would be decided once a person approved; computed when asked for. */
  approved(): Verdict;
  readonly version: string;
  readonly mode: 'enforce' | 'log-only';
}
