export { argumentsOfSchema, type ArgumentsType, type ArgumentType, type Property } from './cedar/argument-type.js';
export { checkPolicies, type Check } from './cedar/check.js';
export { CedarError } from './cedar/engine.js';
export { Evaluator } from './cedar/evaluator.js';
export { DEFAULT_EXPIRY_MS, type Ask, type Policy } from './cedar/policy.js';
export { readPolicies, type Finding, type PolicyFile } from './cedar/policy-files.js';
export type { PolicyRequest, Principal, RequestContext, Resource } from './cedar/request.js';
export type { Reason, ReasonCode, Verdict } from './cedar/verdict.js';
export {
  fixedActions,
  principalTypes,
  resourceTypes,
  TOOL_CALL,
  type PrincipalType,
  type ResourceType,
} from './cedar/vocabulary.js';
