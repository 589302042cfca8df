import { validate, type Schema, type ValidationError } from '@cedar-policy/cedar-wasm/nodejs';
import { noArguments, type ArgumentsType } from './argument-type.js';
import { cedarSchema } from './cedar-schema.js';
import { concerns, type Policy } from './policy.js';
import { describe, placeOf, readPolicies, type Finding, type PolicyFile } from './policy-files.js';
import { fixedActions, TOOL_CALL } from './vocabulary.js';

/** A policy set as Cedar and the tenant's tools judge it; without errors it may become active. */
export interface Check {
  readonly policies: readonly Policy[];
  readonly findings: readonly Finding[];
  readonly ok: boolean;
}

/**
 * Parses a set and type-checks it: every policy against the fixed actions and, where it looks at arguments, against the arguments
 * of each tool that its scope can reach. What cannot be typed because no such tool is registered is a warning, not an error.
 */
export function checkPolicies(files: readonly PolicyFile[], tools: ReadonlyMap<string, ArgumentsType>): Check {
  const { policies, findings } = readPolicies(files);
  const all = [
    ...findings,
    ...checkHeads(policies),
    ...checkArguments(policies, tools),
    ...policies.flatMap((policy) => unknownTool(policy, tools)),
  ];
  return { policies, findings: all, ok: all.every(({ severity }) => severity === 'warning') };
}

function speaksOfTools({ scope }: Policy): boolean {
  return scope.actions === undefined || scope.actions.includes(TOOL_CALL);
}

function looksAtArguments({ mentions }: Policy): boolean {
  return mentions === 'all' || mentions.size > 0;
}

/** Against the fixed actions. A policy about the arguments of tools has its types elsewhere, unless it speaks of other actions as well. */
function checkHeads(policies: readonly Policy[]): Finding[] {
  const schema = cedarSchema([
    ...Object.entries(fixedActions).map(([action, type]) => ({ action, ...type })),
    { action: TOOL_CALL, resources: ['Tool'], arguments: noArguments },
  ]);
  return run(
    schema,
    policies.filter((policy) => !(speaksOfTools(policy) && looksAtArguments(policy))),
    true,
    '',
  );
}

function checkArguments(policies: readonly Policy[], tools: ReadonlyMap<string, ArgumentsType>): Finding[] {
  const relevant = policies.filter((policy) => speaksOfTools(policy) && looksAtArguments(policy));
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const [tool, type] of relevant.length === 0 ? [] : tools) {
    const resource = {
      type: 'Tool',
      id: tool,
      parent: { type: 'Server', id: tool.slice(0, Math.max(0, tool.indexOf('/'))) },
    };
    const concerned = relevant.filter(({ scope }) => concerns(scope, TOOL_CALL, resource));
    // Many tools have the same arguments; one of them stands for all.
    const key = JSON.stringify([type, concerned.map(({ id }) => id)]);
    if (concerned.length === 0 || seen.has(key)) continue;
    seen.add(key);
    const actions = [
      ...Object.entries(fixedActions).map(([action, fixed]) => ({ action, ...fixed })),
      { action: TOOL_CALL, resources: ['Tool'] as const, arguments: type },
    ];
    findings.push(...run(cedarSchema(actions), concerned, false, ` (for tool ${tool})`));
  }
  return findings;
}

/** `warnings`: whether Cedar's are wanted; "impossible for this tool" is no news for a policy about many. */
function run(schema: Schema, policies: readonly Policy[], warnings: boolean, suffix: string): Finding[] {
  if (policies.length === 0) return [];
  const byId = new Map(policies.map((policy) => [policy.id, policy]));
  const answer = validate({
    schema,
    policies: { staticPolicies: Object.fromEntries(policies.map(({ id, text }) => [id, text])) },
  });
  if (answer.type === 'failure') {
    return answer.errors.map((problem) => ({ severity: 'error', file: '', policy: '', message: describe(problem) }));
  }
  const finding = (severity: Finding['severity'], { policyId, error }: ValidationError): Finding => {
    const policy = byId.get(policyId);
    const place = policy === undefined ? '' : placeOf(error, policy.text, policy.line);
    return { severity, file: policy?.file ?? '', policy: policyId, message: `${place}${describe(error)}${suffix}` };
  };
  return [
    ...answer.validationErrors.map((each) => finding('error', each)),
    ...(warnings ? answer.validationWarnings.map((each) => finding('warning', each)) : []),
  ];
}

function unknownTool(policy: Policy, tools: ReadonlyMap<string, ArgumentsType>): Finding[] {
  const { equals, within } = policy.scope;
  const warn = (message: string): Finding[] => [
    { severity: 'warning', file: policy.file, policy: policy.id, message: `${policy.line}:1 ${message}` },
  ];
  if (equals?.type === 'Tool' && !tools.has(equals.id))
    return warn(`no tool ${equals.id} is registered: the arguments are not checked`);
  if (within?.type === 'Server' && ![...tools.keys()].some((tool) => tool.startsWith(`${within.id}/`))) {
    return warn(`no tool of server ${within.id} is registered: the arguments are not checked`);
  }
  return [];
}
