export { argumentsOfSchema, type ArgumentsType, type ArgumentType, type Property } from './argument-type.js';
export { checkPolicies, type Check } from './check.js';
export { CedarError } from './engine.js';
export { Evaluator } from './evaluator.js';
export { DEFAULT_EXPIRY_MS, type Ask, type Policy } from './policy.js';
export { readPolicies, type Finding, type PolicyFile } from './policy-files.js';
export type { PolicyRequest, Principal, RequestContext, Resource } from './request.js';
export type { Reason, ReasonCode, Verdict } from './verdict.js';
export { fixedActions, principalTypes, resourceTypes, TOOL_CALL, type PrincipalType, type ResourceType } from './vocabulary.js';
