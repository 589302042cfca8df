import { newId, type Json } from '@writ/ledger/domain';
import type { ResourceRef } from '../action/action.events.js';
import { NotCanonical } from '../canonical-json.js';
import type { Principal } from '../cedar/request.js';
import { denied, type Verdict } from '../cedar/verdict.js';
import type { PrincipalType } from '../cedar/vocabulary.js';
import { isRunId } from '../run-id.js';
import type { DecisionRecord } from '../decision.js';
import { digestOf } from '../digest.js';
import { bounded, redact } from '../redact.js';
import type { Policies } from './ports.js';
import type { ActingCaller, ActionRequest } from './request.js';

/** Bytes of redacted arguments in an event. */
const MAX_ARGUMENTS = 16_384;

/** A request with the decision on it and what its events say. */
export interface Call {
  readonly request: ActionRequest<never>;
  /** Of the exact arguments; empty when they have no canonical form, which is denied in every mode. */
  readonly digest: string;
  readonly arguments: Json;
  readonly decision: DecisionRecord;
  readonly verdict: Verdict;
  /** What would be decided once a person approved. */
  approved(): Verdict;
}

/** Puts the request to the policies. */
export function consult(request: ActionRequest<never>, policies: Policies, revocationEpoch: number): Call {
  const { caller, action, resource, context } = request;
  const decided = policies.decide(caller.tenant, {
    principal: principalOf(caller),
    action,
    resource,
    arguments: request.arguments,
    ...(context === undefined ? {} : { context }),
  });
  const digest = digestOr(request.arguments);
  // Without a canonical form there is nothing to bind an approval or a repeat to, whatever the mode.
  const verdict = digest instanceof NotCanonical ? denied('policy.arguments_invalid', digest.message) : decided.verdict;
  const canonical = !(digest instanceof NotCanonical);
  const decision: DecisionRecord = {
    id: newId('dec'),
    outcome: verdict.outcome,
    reasons: verdict.reasons,
    policyVersion: decided.version,
    revocationEpoch,
    mode: canonical ? decided.mode : 'enforce',
  };
  return {
    request,
    digest: canonical ? digest : '',
    arguments: canonical ? bounded(redact(request.arguments, request.redact ?? []), MAX_ARGUMENTS) : null,
    decision,
    verdict,
    approved: () => decided.approved(),
  };
}

function digestOr(value: Json): string | NotCanonical {
  try {
    return digestOf(value);
  } catch (problem) {
    if (problem instanceof NotCanonical) return problem;
    throw problem;
  }
}

/** The same call under another verdict. */
export function withVerdict(call: Call, { outcome, reasons }: Verdict): Call {
  return { ...call, decision: { ...call.decision, outcome, reasons } };
}

/** What every event about the call carries. */
export function recordOf({ request, digest, decision, arguments: shown }: Call) {
  const { effectId, action, caller } = request;
  return {
    effectId,
    principal: caller.principal,
    action,
    resource: refOf(request),
    argumentsDigest: digest,
    arguments: shown,
    decision,
  };
}

/** Tells two calls under one effect id apart. */
export function whatOf({ request: { action, resource }, digest }: Call): string {
  return `${action} ${resource.type}:${resource.id} ${digest}`;
}

export function refOf({ resource: { type, id } }: Pick<ActionRequest<never>, 'resource'>): ResourceRef {
  return { type, id };
}

const principalTypes: Readonly<Record<ActingCaller['kind'], PrincipalType>> = {
  agent: 'Agent',
  person: 'Person',
  operator: 'Operator',
  service: 'Service',
};

/** The caller as policies see it. Its depth is how many runs it acts for. */
export function principalOf({ kind, principal, tenant, run, actor }: ActingCaller): Principal {
  const depth = (actor.onBehalfOf ?? []).filter(isRunId).length;
  return { type: principalTypes[kind], id: principal, tenant, depth, ...(run === undefined ? {} : { run }) };
}
