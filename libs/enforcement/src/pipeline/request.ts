import type { Caller } from '@writ/api';
import { DomainError, refuse, type Json } from '@writ/ledger/domain';
import type { RequestContext, Resource } from '../cedar/request.js';
import type { Cost } from './budgets.js';
import { decisionDetails, type DecisionRecord } from '../decision.js';

/** Who acts, as the pipeline needs it: every verified caller is one. */
export type ActingCaller = Pick<Caller, 'tenant' | 'principal' | 'kind' | 'actor' | 'grant' | 'tokenId' | 'rawToken'> &
  Partial<Pick<Caller, 'run' | 'trace' | 'signal' | 'requestId'>>;

/** One action that an agent wants done. */
export interface ActionRequest<T = unknown> {
  readonly caller: ActingCaller;
  /** Also the capability that the caller's grant must hold on `resource.id`. */
  readonly action: string;
  readonly resource: Resource;
  /** The exact arguments: policies see them, approvals and retries are bound to their digest. */
  readonly arguments: Json;
  readonly context?: RequestContext;
  /**
   * `<run>/<name>#<occurrence>/<attempt>`, only in that run; or the caller's idempotency key, without a slash. Performed once for 24 hours. At most
   * 300 characters.
   */
  readonly effectId: string;
  /** The approval to use. Default: the one that this very effect asked for, if a person has decided it. */
  readonly approval?: string;
  /** JSON Pointers (RFC 6901, `*` for any member) of arguments that must not be in an event. */
  readonly redact?: readonly string[];
  /** `read` and `idempotent` may be done again when an earlier holder did not come back; others then end as `unknown`. Default `write`. */
  readonly effect?: 'read' | 'idempotent' | 'write' | 'irreversible';
  /** What it takes out of the budget of the run in which it is done; counted once for each effect id. Default: nothing. */
  readonly cost?: Cost;
  /** What is recorded of the outcome and handed out when the effect is asked for again, up to 64 KiB. Default: null. */
  readonly summary?: (value: T) => Json;
}

/** What `act` is given. */
export interface ActContext {
  /** Aborted when the caller goes away or its authority is revoked; `reason` is a DomainError in the second case. */
  readonly signal: AbortSignal;
  readonly effectId: string;
  readonly decision: DecisionRecord;
}

/** How an action ended, where it did not end in an error. `position` is empty where nothing was written. */
export type Performed<T> = Done<T> | Denied | AskFirst | Replayed | UnknownOutcome;

export interface Done<T> {
  readonly outcome: 'done';
  readonly value: T;
  readonly decision: DecisionRecord;
  readonly position: string;
}
export interface Denied {
  readonly outcome: 'denied';
  readonly decision: DecisionRecord;
  readonly position: string;
}
/** Wait until the approval is decided, then ask for the same effect again. */
export interface AskFirst {
  readonly outcome: 'ask';
  readonly decision: DecisionRecord;
  readonly approvalId: string;
  /** Until when people may decide, ISO 8601; known to the call that asked first. */
  readonly expires?: string;
  readonly position: string;
}
/** It was done before: `value` is the summary that was recorded then. */
export interface Replayed {
  readonly outcome: 'replayed';
  readonly value: Json;
  readonly decision: DecisionRecord;
  readonly position: string;
}
/** It was begun before and nobody can say whether it happened. */
export interface UnknownOutcome {
  readonly outcome: 'unknown';
  readonly reason: string;
  readonly decision: DecisionRecord;
  readonly position: string;
}
/** The first half of an action whose code runs elsewhere; `end` is the second. */
export interface Begun {
  readonly outcome: 'begun';
  readonly decision: DecisionRecord;
  readonly position: string;
}

/** Thrown by an `act` that cannot say whether its effect happened: a time-out after the request was sent, a lost connection. */
export class CannotSay extends Error {
  override readonly name = 'CannotSay';
}

/**
 * The value of an action that must have been done; everything else as the refusal that an API answers with.
 *
 * @throws DomainError `policy.denied`, `policy.approval_required` (details: `approvalId`, `decision`), `action.outcome_unknown`
 */
export function valueOf<T>(performed: Performed<T>): T | Json {
  switch (performed.outcome) {
    case 'done':
    case 'replayed':
      return performed.value;
    default:
      throw refusalOf(performed);
  }
}

/** The refusal that stands for an action that was not done. */
export function refusalOf(performed: Denied | AskFirst | UnknownOutcome): DomainError {
  const { decision } = performed;
  const why = decision.reasons.map(({ text }) => text).join('; ');
  switch (performed.outcome) {
    case 'denied':
      return refuse('policy.denied', why, { decision: decisionDetails(decision) });
    case 'ask':
      return refuse('policy.approval_required', why, {
        approvalId: performed.approvalId,
        decision: decisionDetails(decision),
      });
    case 'unknown':
      return refuse('action.outcome_unknown', performed.reason, { decision: decisionDetails(decision) });
  }
}
