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
}

const bold = (text: string) => styleText('bold', text);
const dim = (text: string) => styleText('dim', text);
const mark = (good: boolean) => (good ? styleText('green', '✓') : styleText('red', '✗'));

/** @returns the page, with a line feed at its end */
export function page(outcome: Outcome, events: readonly RecordedEvent[]): string {
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
    ...timeline(events),
    '',
    bold('  What can be shown'),
    `  ${mark(steps.reexecuted === 0)} its worker was killed; ${steps.executed} steps ran to their end, ${steps.reexecuted} of them again, on ${outcome.workers} workers`,
    `  ${mark(decisions.deny > 0)} ${decisions.permit} actions permitted, ${decisions.deny} denied, ${decisions.approval} approved by a person`,
    `  ${mark(denied.tool !== '')} ${denied.tool} elsewhere was denied: ${denied.reason}`,
    `  ${mark(audit.verified)} ${audit.events} events of the agent verified offline against the signed checkpoint of ${audit.treeSize} leaves`,
    `  ${mark(replay.identical)} the run was replayed from its record: ${replay.identical ? 'the same way' : 'ANOTHER way'}, ${replay.liveCalls} live calls`,
    `  ${mark(revocation.acceptedAfter === 0)} the agent was revoked while it held a valid token: refused ${refusedWhen(revocation.latencyMs)}, ${revocation.acceptedAfter} calls accepted later`,
    '',
    dim(
      `  durability ${outcome.durability} · nats-server ${outcome.natsServer} · boot ${seconds(timings.bootMs)}, run ${seconds(timings.runMs)}, all ${seconds(timings.totalMs)}`,
    ),
    dim(`  the record with its proofs: ${outcome.record}`),
    '',
  ].join('\n');
}

/** Zero: a call was refused before the acknowledgement of the revocation had arrived. */
const refusedWhen = (latencyMs: number) =>
  latencyMs === 0 ? 'before the acknowledgement arrived' : `${latencyMs} ms after the acknowledgement`;

interface Line {
  readonly at: string;
  /** The reviewer, or the sub-agent by its name. */
  readonly who: string;
  readonly what: string;
  readonly why: string;
  times: number;
}

/** How far back the same line is counted instead of repeated: sub-agents work side by side. */
const LOOK_BACK = 10;
const SHOWN = 44;

/** One line for each act that was decided and each turn of a run; the same line within a few is counted. */
function timeline(events: readonly RecordedEvent[]): string[] {
  const lines: Line[] = [];
  for (const event of events) {
    const told = lineOf(event);
    if (!told) continue;
    const again = lines
      .slice(-LOOK_BACK)
      .find(({ who, what, why }) => who === told.who && what === told.what && why === told.why);
    if (again) again.times++;
    else lines.push({ ...told, at: event.time.slice(11, 23), times: 1 });
  }
  const hidden = Math.max(0, lines.length - SHOWN);
  const drawn = lines.map(({ at, who, what, why, times }) => {
    const count = times > 1 ? ` ×${times}` : '';
    return `    ${dim(at)}  ${who.padEnd(13)} ${what}${count}${why && dim(`  ${why}`)}`;
  });
  return hidden === 0 ? drawn : [...drawn.slice(0, SHOWN - 10), dim(`    … ${hidden} more`), ...drawn.slice(-10)];
}

const VERBS = {
  allow: 'permitted',
  deny: styleText('red', 'denied'),
  ask: styleText('yellow', 'a person is asked for'),
};

function lineOf(event: RecordedEvent): Pick<Line, 'who' | 'what' | 'why'> | undefined {
  const decision = decisionOf(event);
  const { action, resource, kind, name } = event.data as {
    action?: string;
    resource?: { id: string };
    kind?: string;
    name?: string;
  };
  const run = event.type.startsWith('run.') ? event.subject : event.actor.run;
  const who = run.includes('.') ? run.slice(run.lastIndexOf('.') + 1) : 'reviewer';
  if (decision && action !== undefined) {
    const on = action.startsWith('tool.') ? ` ${resource?.id}` : '';
    const why = decision.reasons.map(({ policy, text }) => policy || text).join(', ');
    return { who, what: `${VERBS[decision.outcome]} ${action}${on}`, why };
  }
  switch (event.type) {
    case 'run.started.v1':
      return { who, what: 'started', why: '' };
    case 'run.succeeded.v1':
      return { who, what: 'succeeded', why: '' };
    case 'run.step_completed.v1':
      return kind === 'step' ? { who, what: `step '${name}' is in the ledger`, why: '' } : undefined;
    default:
      return undefined;
  }
}
