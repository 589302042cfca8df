export { actionErrors } from './action/action.errors.js';
export type { ActionEvent, Asked, Completed, Intended, Outcome, Refused, ResourceRef } from './action/action.events.js';
export { actionAggregate, type Action, type ActionCommand } from './action/action.js';
export type {
  ApprovalCommand,
  ConsumeApproval,
  DecideApproval,
  DelegateApproval,
  Escalation,
  RequestApproval,
  TickApproval,
} from './approvals/approval.commands.js';
export { approvalErrors } from './approvals/approval.errors.js';
export { approvalOf } from './approvals/approvals.js';
export { actorOf, tenantHeader, TokenAuthenticator, type RefusedCall } from './authenticator.js';
export { canonicalJson, NotCanonical } from './canonical-json.js';
export { argumentsOfSchema, type ArgumentsType } from './cedar/argument-type.js';
export { checkPolicies, type Check } from './cedar/check.js';
export { Evaluator } from './cedar/evaluator.js';
export type { Finding, PolicyFile } from './cedar/policy-files.js';
export type { PolicyRequest, Principal, RequestContext, Resource } from './cedar/request.js';
export type { Reason, ReasonCode, Verdict } from './cedar/verdict.js';
export { resourceTypes, type PrincipalType, type ResourceType } from './cedar/vocabulary.js';
export { decisionDetails, type DecisionRecord } from './decision.js';
export { digestOf } from './digest.js';
export { Enforcement, type EnforcementOptions, type Watched } from './enforcement.js';
export {
  CannotSay,
  refusalOf,
  valueOf,
  type ActContext,
  type ActingCaller,
  type ActionRequest,
  type Begun,
  type Performed,
} from './pipeline/request.js';
export { principalOf } from './pipeline/call.js';
export type { PolicyMode, PolicySetEvent, ToolSchemaCommand, ToolSchemaEvent } from './policies/policy.events.js';
export { bounded, redact, REDACTED } from './redact.js';
export { firstCommitSince } from './revocations.history.js';
export { rememberedMs, type Revoked } from './revocations.js';
export { isRunId } from './run-id.js';
export { TokenVerifier, type VerifiedToken } from './tokens.js';
export { KeySet } from './tokens.keys.js';
export { heartbeatEveryMs, heartbeatSubject, staleAfterMs, type Heartbeat } from './revocations.freshness.js';
