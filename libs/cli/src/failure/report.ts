import { plain, styled } from '../output/text.js';
import type { Problem } from './refused.js';

const docsBase = 'https://writ.dev/errors/';

/** A problem for people: what, why, what to try, where to read. With `json` the document itself, on one line. */
export function report(problem: Problem, json: boolean): void {
  process.stderr.write(json ? `${JSON.stringify(problem)}\n` : forPeople(problem));
}

function forPeople(problem: Problem): string {
  const { code, detail, hint, request_id: requestId } = problem;
  const dim = (text: string) => styled('dim', text, process.stderr);
  const lines = [`${styled(['bold', 'red'], 'error:', process.stderr)} ${plain(detail)} ${dim(`(${code})`)}`];
  for (const why of reasonsOf(problem)) lines.push(`  ${dim('why ')}  ${plain(why)}`);
  if (hint) lines.push(`  ${dim('try ')}  ${plain(hint)}`);
  const request = requestId ? `   request ${plain(requestId)}` : '';
  if (!code.startsWith('cli.')) lines.push(dim(`  docs  ${docsBase}${code}${request}`));
  return `${lines.join('\n')}\n`;
}

/** What the document says about causes: the policies that decided, the fields that break a rule. */
function reasonsOf({ details, errors }: Problem): string[] {
  const told = (errors ?? []).map(({ pointer, detail }) => `${pointer.replace(/^#\//, '')}: ${detail}`);
  const decision = details?.['decision'] as { reasons?: unknown } | undefined;
  const reasons = details?.['reasons'] ?? decision?.reasons;
  if (!Array.isArray(reasons)) return told;
  for (const reason of reasons as { text?: string; policy?: string; code?: string }[])
    told.push([reason.text || reason.code, reason.policy && `policy ${reason.policy}`].filter(Boolean).join('   '));
  return told;
}
