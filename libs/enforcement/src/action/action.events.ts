import type { EventDraft, Json } from '@writ/ledger/domain';
import type { DecisionRecord } from '../decision.js';

/** What an action is done to. */
export interface ResourceRef {
  readonly type: string;
  readonly id: string;
}

/** What stands in an event about an action; secrets have been taken out and large values cut before it is written. */
export interface ActionRecord {
  readonly effectId: string;
  /** Who acts; the effect id is theirs from here on. */
  readonly principal: string;
  readonly action: string;
  readonly resource: ResourceRef;
  /** `sha256:…` over the exact arguments (RFC 8785), before redaction. */
  readonly argumentsDigest: string;
  readonly arguments: Json;
  readonly decision: DecisionRecord;
}

/** Written before the act: from here on it may have happened. */
export interface Intended extends ActionRecord {
  /** The approval that was consumed for it. */
  readonly approval?: string;
  /** Who performs it: an enforcement point, or the token of a worker. */
  readonly holder: string;
  /** Doing it twice does no harm, so an unfinished one may be done again. */
  readonly repeatable: boolean;
  /** It is done again: the holder before did not come back, or failed for the moment. */
  readonly again?: true;
}

/** The outcome as the act told it. */
export type Outcome =
  | { readonly ok: true; readonly summary: Json }
  | { readonly ok: false; readonly error: Failed; readonly summary?: Json };

/** `code` is permanent, `detail` says what went wrong. */
export interface Failed {
  readonly code: string;
  readonly detail: string;
  /** Of the moment only, and a repeat does no harm: the effect stays open, and its repeat is performed. */
  readonly mayRetry?: true;
}

export type Completed = Outcome & { readonly effectId: string; readonly durationMs: number };

/** An act that began and of which nobody can say whether it happened. */
export interface OutcomeUnknown {
  readonly effectId: string;
  readonly reason: string;
}

/** A refusal. Refusals before the action was understood (a bad token) have no effect id, resource or decision. */
export interface Refused {
  readonly code: string;
  /** One sentence. */
  readonly detail: string;
  readonly effectId?: string;
  readonly action?: string;
  readonly resource?: ResourceRef;
  readonly argumentsDigest?: string;
  readonly arguments?: Json;
  readonly decision?: DecisionRecord;
  /** More than one when a flood without valid tokens was counted together. */
  readonly count?: number;
}

/** The policy wants a person's approval. */
export interface Asked extends ActionRecord {
  readonly approval: string;
}

export type ActionEvent =
  | EventDraft<'action.intended.v1', Intended>
  | EventDraft<'action.completed.v1', Completed>
  | EventDraft<'action.outcome_unknown.v1', OutcomeUnknown>
  | EventDraft<'action.refused.v1', Refused>
  | EventDraft<'action.asked.v1', Asked>;
