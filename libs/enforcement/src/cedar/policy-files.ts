import {
  policySetTextToParts,
  policyToJson,
  type DetailedError,
  type PolicyToJsonAnswer,
} from '@cedar-policy/cedar-wasm/nodejs';
import { readPolicy, UnusablePolicy, type Policy } from './policy.js';

/** One file of Cedar text. */
export interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

/** What is wrong, or doubtful, and where. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** Id of the policy; empty when it could not be read. */
  readonly policy: string;
  /** Starts with `line:column` where that is known. */
  readonly message: string;
}

/** Reads the policies of a set. A file with an error gives findings and no policies; the others are read all the same. */
export function readPolicies(files: readonly PolicyFile[]): { policies: Policy[]; findings: Finding[] } {
  const policies: Policy[] = [];
  const findings: Finding[] = [];
  const seen = new Map<string, string>();
  for (const file of files) {
    for (const result of readFile(file)) {
      if ('severity' in result) {
        findings.push(result);
      } else if (seen.has(result.id)) {
        findings.push(
          error(file.name, result.id, `${result.line}:1 @id("${result.id}") stands already in ${seen.get(result.id)}`),
        );
      } else {
        seen.set(result.id, `${file.name}:${result.line}`);
        policies.push(result);
      }
    }
  }
  return { policies, findings };
}

function readFile(file: PolicyFile): (Policy | Finding)[] {
  const parts = policySetTextToParts(file.text);
  if (parts.type === 'failure')
    return parts.errors.map((problem) => error(file.name, '', `${placeOf(problem, file.text)}${describe(problem)}`));
  if (parts.policy_templates.length > 0)
    return [error(file.name, '', 'templates (?principal, ?resource) are not supported: write the entity')];
  // Cedar sorts the parts by name ("policy10" before "policy2"); their place in the text is the order that people see.
  const placed = place(parts.policies, file.text);
  return placed.map(({ text, line }, index) => read(file.name, index + 1, text, line));
}

function place(texts: readonly string[], whole: string): { text: string; line: number }[] {
  const taken = new Set<number>();
  const found = texts.map((text) => {
    let start = whole.indexOf(text);
    while (start >= 0 && taken.has(start)) start = whole.indexOf(text, start + 1);
    taken.add(start);
    return { text, start };
  });
  return found.sort((a, b) => a.start - b.start).map(({ text, start }) => ({ text, line: lineOf(whole, start) }));
}

function read(file: string, number: number, text: string, line: number): Policy | Finding {
  const answer = jsonOf(text);
  if (answer.type === 'failure') return error(file, '', `${line}:1 ${answer.errors.map(describe).join('; ')}`);
  try {
    return readPolicy(answer.json, { file, number, text, line });
  } catch (problem) {
    if (!(problem instanceof UnusablePolicy)) throw problem;
    return error(file, answer.json.annotations?.['id'] ?? '', `${line}:1 ${problem.message}`);
  }
}

/** Parsed policies that are kept. */
const KEPT = 4_096;
const parsed = new Map<string, PolicyToJsonAnswer>();

/**
 * A set is read by whoever checks it and by each follower of a process, and most of it stays when it changes; parsing is
 * most of what that costs. The last used stand last.
 */
function jsonOf(text: string): PolicyToJsonAnswer {
  const answer = parsed.get(text) ?? policyToJson(text);
  parsed.delete(text);
  parsed.set(text, answer);
  if (parsed.size > KEPT) parsed.delete(parsed.keys().next().value as string);
  return answer;
}

function error(file: string, policy: string, message: string): Finding {
  return { severity: 'error', file, policy, message };
}

/** Cedar's message with its hint. */
export function describe(problem: Pick<DetailedError, 'message' | 'help'>): string {
  return problem.help === null ? problem.message : `${problem.message} (${problem.help})`;
}

/** `line:column ` of an error in `text`, whose first line is line `first` of its file; empty when Cedar gave no place. */
export function placeOf(problem: DetailedError, text: string, first = 1): string {
  const start = problem.sourceLocations?.[0]?.start;
  if (start === undefined) return '';
  // Cedar counts bytes of UTF-8.
  const before = new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, start));
  const line = lineOf(before, before.length);
  return `${first + line - 1}:${before.length - before.lastIndexOf('\n')} `;
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, Math.max(0, offset)).split('\n').length;
}
