/** The outcome of the demo as a page that one would show to a colleague. */
import { styleText } from 'node:util';
import { decisionOf, type RecordedEvent } from './afterwards.js';

export interface Outcome {
  readonly ok: boolean;
  readonly repository: string;
  readonly commit: string;
  readonly run: string;
  readonly workers: number;
  readonly steps: { executed: number; reexecuted: number };
  readonly subagents: number;
  readonly findings: { new: number; known: number; gone: number };
  readonly decisions: { permit: number; deny: number; approval: number };
  readonly denied: { tool: string; reason: string; policies: string[] };
  readonly audit: { events: number; treeSize: number; checkpoint: string; verified: boolean };
  readonly replay: { identical: boolean; liveCalls: number };
  readonly revocation: { latencyMs: number; acceptedAfter: number };
  readonly durability: string;
  readonly natsServer: string;
  readonly timings: { bootMs: number; runMs: number; totalMs: number };
  /** Where the report lies. */
  readonly report: string;
  /** Where the exported record lies. */
  readonly record: string;
  readonly events: readonly RecordedEvent[];
}

const bold = (text: string) => styleText('bold', text);
const dim = (text: string) => styleText('dim', text);
const mark = (good: boolean) => (good ? styleText('green', '✓') : styleText('red', '✗'));

/** @returns the page, with a line feed at its end */
export function page(outcome: Outcome): string {
  const { audit, replay, revocation, steps, findings, decisions, denied, timings } = outcome;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return [
    '',
    bold(`  ${outcome.repository} was reviewed at ${outcome.commit.slice(0, 12)}`),
    dim(
      `  run ${outcome.run} · ${outcome.subagents} sub-agents · the reviewers are ordinary code, no language model is involved`,
    ),
    '',
    `  findings    ${findings.new} new, ${findings.known} known from earlier reviews, ${findings.gone} gone`,
    `  report      ${outcome.report}`,
    '',
    bold('  What happened'),
    ...timeline(outcome.events),
    '',
    bold('  What can be shown'),
    `  ${mark(steps.reexecuted === 0)} its worker was killed; ${steps.executed} steps ran to their end, ${steps.reexecuted} of them again, on ${outcome.workers} workers`,
    `  ${mark(decisions.deny > 0)} ${decisions.permit} actions permitted, ${decisions.deny} denied, ${decisions.approval} approved by a person`,
    `  ${mark(denied.tool !== '')} ${denied.tool} elsewhere was denied: ${denied.reason}`,
    `  ${mark(audit.verified)} ${audit.events} events of the agent verified offline against the signed checkpoint of ${audit.treeSize} leaves`,
    `  ${mark(replay.identical)} the run was replayed from its record: ${replay.identical ? 'the same way' : 'ANOTHER way'}, ${replay.liveCalls} live calls`,
    `  ${mark(revocation.acceptedAfter === 0)} the agent was revoked while it held a valid token: refused after ${revocation.latencyMs} ms, ${revocation.acceptedAfter} calls accepted later`,
    '',
    dim(
      `  durability ${outcome.durability} · nats-server ${outcome.natsServer} · boot ${seconds(timings.bootMs)}, run ${seconds(timings.runMs)}, all ${seconds(timings.totalMs)}`,
    ),
    dim(`  the record with its proofs: ${outcome.record}`),
    '',
  ].join('\n');
}

/** One line for each act that was decided and each turn of a run; repeats in a row are counted. */
function timeline(events: readonly RecordedEvent[]): string[] {
  const lines: { text: string; why: string; at: string; times: number }[] = [];
  for (const event of events) {
    const line = lineOf(event);
    if (!line) continue;
    const last = lines.at(-1);
    if (last?.text === line.text && last.why === line.why) last.times++;
    else lines.push({ ...line, at: event.time.slice(11, 23), times: 1 });
  }
  const shown = lines.length > 40 ? [...lines.slice(0, 30), undefined, ...lines.slice(-9)] : lines;
  return shown.map((line) =>
    line === undefined
      ? dim(`    … ${lines.length - 39} more`)
      : `    ${dim(line.at)}  ${line.text}${line.times > 1 ? ` ×${line.times}` : ''}${line.why && dim(`  ${line.why}`)}`,
  );
}

function lineOf(event: RecordedEvent): { text: string; why: string } | undefined {
  const decision = decisionOf(event);
  const { action, resource } = event.data as { action?: string; resource?: { id: string } };
  if (decision && action !== undefined) {
    const verb = { allow: 'permitted', deny: styleText('red', 'denied'), ask: styleText('yellow', 'asked') }[
      decision.outcome
    ];
    const why = decision.reasons.map((reason) => [reason.policy, reason.text].filter(Boolean).join(': ')).join('; ');
    return { text: `${verb} ${action} ${resource?.id.slice(0, 60) ?? ''}`, why: why.slice(0, 100) };
  }
  if (event.type.startsWith('run.'))
    return { text: event.type.replace(/\.v\d+$/, '').replace(/[._]/g, ' '), why: event.subject.slice(-24) };
  return undefined;
}
