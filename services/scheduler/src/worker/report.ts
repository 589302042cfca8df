import { derivedId, refuse, type Capability, type Json } from '@writ/ledger/domain';
import { checkedAttributes, checkedChanges } from '../run/attributes.js';
import {
  Kind,
  type CancelReceipt,
  type Command,
  type Grant,
  type Report,
  type StartChild,
  type StepFailure,
  type WaitResults,
} from '@writ/proto/worker/v1/worker';
import { mostKey, mostPriority } from '../queue/ticket.js';
import type { Beat, End, Receipt, ReportItem, RetryPolicy, WorkerCommand } from '../run/run.commands.js';
import { childId } from '../run/run-id.js';
import type { CommandKind, Content, Difference } from '../run/run.events.js';
import { limitsOf } from '../api/limits.js';
import { isRunId } from '@writ/enforcement';
import { fitsInline, maxInlineBytes, maxInlineDepth } from '../values/inline.js';
import type { Divergence, Divergence_Step, Failure as WireFailure, Value } from '@writ/proto/worker/v1/worker';

const kindNames: Record<Kind, CommandKind | undefined> = {
  [Kind.UNSPECIFIED]: undefined,
  [Kind.STEP]: 'step',
  [Kind.CALL]: 'call',
  [Kind.SLEEP]: 'sleep',
  [Kind.MESSAGE]: 'message',
  [Kind.APPROVAL]: 'approval',
  [Kind.CHILD]: 'child',
  [Kind.RESULT]: 'result',
  [Kind.EMIT]: 'emit',
  [Kind.CANCEL]: undefined,
  [Kind.UPDATE]: 'update',
  [Kind.PATCH]: 'patch',
  [Kind.SET]: 'set',
  [Kind.LOOP]: 'loop',
};
const mostText = 8 * 1024;
/** Children that are waited for together: their ids stand in one event. */
const mostJoined = 2_000;
/** Of what a step says about itself; more is not kept. */
const mostProgress = 4 * 1024;

/** The run that a report is of. */
interface Reported {
  run: string;
  /** What it starts and asks is not what an earlier life of it has started and asked. */
  life: string;
  partition: number;
}

/**
 * Reads a worker's report on one run.
 * @throws DomainError `run.bad_report` for what no correct worker sends
 */
export function reportItem(report: Report, of: Reported): ReportItem {
  const commands: WorkerCommand[] = [];
  let beats: Beat[] | undefined;
  for (const command of report.commands)
    if (command.what.case === 'beat' || command.what.case === 'heartbeat') (beats ??= []).push(beatOf(command));
    else commands.push(commandOf(command, of));
  const end = endOf(report);
  const { attempt, idle, entries } = report;
  return {
    run: of.run,
    attempt,
    commands,
    ...(end && { end }),
    idle,
    entries,
    ...(beats && { beats }),
    ...(report.undoing.length > 0 && { undoing: report.undoing.map(short) }),
  };
}

function beatOf(command: Command): Beat {
  const { what } = command;
  const key = { kind: performed(command), ...keyOf(command) };
  if (what.case !== 'beat') return { ...key, attempt: 1, leaseMs: 0, policy: policyOf({}) };
  const { attempt, leaseMs, progress, policy } = what.value;
  const said = progress?.value.case === 'json' && progress.value.value.length <= mostProgress ? progress : undefined;
  const { value } = contentOf(said);
  const beat = { ...key, attempt, leaseMs: wholeMs(leaseMs), policy: policyOf({ policy }) };
  return value === undefined ? beat : { ...beat, progress: value };
}

function commandOf(command: Command, of: Reported): WorkerCommand {
  const { what } = command;
  const key = keyOf(command);
  const { name, occurrence } = key;
  switch (what.case) {
    case 'completed':
      if (command.kind === Kind.UPDATE)
        return { type: 'answer', kind: 'update', ...key, content: contentOf(what.value) };
      return { type: 'completed', kind: performed(command), ...key, content: contentOf(what.value), ...wrote(command) };
    case 'failed':
      if (command.kind === Kind.UPDATE)
        return { type: 'answer', kind: 'update', ...key, content: {}, error: errorOf(what.value.error) };
      return { type: 'failed', kind: performed(command), ...key, ...failureOf(what.value), ...wrote(command) };
    case 'sleep': {
      const { until } = what.value;
      const when = until.case === 'atMs' ? { atMs: wholeMs(until.value) } : { durationMs: wholeMs(until.value ?? 0n) };
      return { type: 'sleep', kind: agreed(command, 'sleep'), ...key, ...when };
    }
    case 'wait': {
      const message = what.value.message || name;
      return { type: 'wait', kind: agreed(command, 'message'), ...key, message, ...timeoutOf(what.value) };
    }
    case 'ask':
      return askOf(command, of);
    case 'start':
      return { type: 'child', kind: agreed(command, 'child'), ...key, ...childOf(key, what.value, of) };
    case 'result':
      return {
        type: 'result',
        kind: agreed(command, 'result'),
        ...key,
        child: what.value.runId,
        ...timeoutOf(what.value),
      };
    case 'join':
      return { type: 'join', kind: agreed(command, 'result'), ...key, ...joinedOf(command, what.value) };
    case 'emit':
      return { type: 'emit', kind: agreed(command, 'emit'), ...key, content: contentOf(what.value) };
    case 'set':
      return { type: 'set', kind: agreed(command, 'set'), ...key, attributes: checkedChanges(what.value as Json) };
    case 'patch':
      return { type: 'patch', kind: agreed(command, 'patch'), ...key };
    case 'loop': {
      const { turn, state } = what.value;
      return { type: 'loop', kind: agreed(command, 'loop'), ...key, turn, content: contentOf(state) };
    }
    case 'abort': {
      const kind = kindNames[command.kind];
      if (!kind) throw bad(`${name}/${occurrence} is given up and is of no kind`);
      return { type: 'abort', kind, ...key, error: errorOf(what.value) };
    }
    default:
      throw bad(`the command ${name}/${occurrence} says nothing`);
  }
}

/** Of the version of a workflow. */
const mostVersion = 100;

function childOf(key: { name: string; occurrence: number }, start: StartChild, of: Reported) {
  const { runId, workflow, input, queue, grant, attach, cancelWithParent, limits } = start;
  const child = runId || childId(of, key);
  if (!isRunId(child)) throw bad(`'${child.slice(0, 80)}' cannot be the id of a run`);
  return {
    child, workflow, input: contentOf(input), attach, cancelWithParent,
    ...(queue !== '' && { queue }),
    ...(start.version !== '' && { version: start.version.slice(0, mostVersion), pinned: start.pinned }),
    ...inLine(start),
    ...(grant && { grant: grantOf(grant) }),
    ...(limits && { limits: boundedLimits(limits) }),
    ...(start.attributes && { attributes: checkedAttributes(start.attributes as Json) }),
  }; // prettier-ignore
}

function joinedOf({ name, occurrence }: Command, { runIds: children, need, timeoutMs }: WaitResults) {
  if (children.length > mostJoined || need > children.length || new Set(children).size < children.length)
    throw bad(
      `${name}/${occurrence} waits for ${need} of ${children.length} children, of at most ${mostJoined}, each once`,
    );
  return { children, need, ...timeoutOf({ timeoutMs }) };
}

const wrote = ({ streamed }: Command) => (streamed > 0n ? { streamed: Number(streamed) } : {});

function keyOf({ name, occurrence }: Command): { name: string; occurrence: number } {
  if (name.length === 0 || name.length > 256) throw bad(`the name of a command has ${name.length} characters`);
  if (occurrence === 0) throw bad(`the occurrence of ${name} is 0; occurrences count from 1`);
  return { name, occurrence };
}

function boundedLimits(limits: Parameters<typeof limitsOf>[0]) {
  const read = limitsOf(limits);
  if (Object.values(read).every((each) => Number.isSafeInteger(each) && Number(each) >= 0)) return read;
  throw bad('a limit is below 0, or too large');
}

/** Of one question. */
const mostReminders = 50;

function askOf(command: Command, { life }: Reported): WorkerCommand {
  const { name, occurrence, what } = command;
  if (what.case !== 'ask') throw bad('not a question');
  const { about } = what.value;
  const key = { type: 'ask' as const, kind: agreed(command, 'approval'), name, occurrence, ...timeoutOf(what.value) };
  if (about.case === 'approvalId') return { ...key, approval: about.value };
  if (about.case !== 'question') throw bad(`the question ${name}/${occurrence} asks nothing`);
  const { title, detail, schema, approvers, remindMs, escalate } = about.value;
  if (remindMs.length + escalate.length > mostReminders)
    throw bad(`the question ${name}/${occurrence} has more than ${mostReminders} reminders and escalations`);
  const json = (value: Value | undefined) => contentOf(inline(value)).value;
  const [shown, wanted] = [json(detail), json(schema)];
  const question = {
    title,
    approvers,
    ...(shown !== undefined && { detail: shown }),
    ...(wanted !== undefined && { schema: wanted }),
    ...(remindMs.length > 0 && { remindMs: remindMs.map(Number) }),
    ...(escalate.length > 0 && { escalate: escalate.map(({ afterMs, to }) => ({ afterMs: Number(afterMs), to })) }),
  };
  return { ...key, approval: derivedId('apr', life, name, String(occurrence)), question };
}

/** A step or call: what the worker performs itself. */
function performed({ kind, name, occurrence }: Command): 'step' | 'call' {
  if (kind === Kind.STEP) return 'step';
  if (kind === Kind.CALL) return 'call';
  throw bad(`${name}/${occurrence} has an outcome, but is no step and no call`);
}

function agreed<K extends CommandKind>({ kind, name, occurrence }: Command, expected: K): K {
  const said = kindNames[kind];
  if (said !== undefined && said !== expected) throw bad(`${name}/${occurrence} is called ${said} and is ${expected}`);
  return expected;
}

function timeoutOf({ timeoutMs }: { timeoutMs: bigint }): { timeoutMs?: number } {
  return timeoutMs > 0n ? { timeoutMs: wholeMs(timeoutMs) } : {};
}

/** Times beyond the year 5138 are cut there: a date of JavaScript has its limits. */
function wholeMs(ms: bigint): number {
  return Number(ms > 100_000_000_000_000n ? 100_000_000_000_000n : ms < 0n ? 0n : ms);
}

function failureOf(failure: StepFailure) {
  const { attempt, error, retryable, retryAfterMs } = failure;
  return {
    attempt,
    error: errorOf(error),
    retryable,
    policy: policyOf(failure),
    ...(retryAfterMs > 0n && { retryAfterMs: wholeMs(retryAfterMs) }),
  };
}

function policyOf({ policy }: Pick<StepFailure, 'policy'>): RetryPolicy {
  return {
    attempts: policy?.attempts || 5,
    delayMs: wholeMs(policy?.delayMs ?? 0n) || 1000,
    factor: policy?.factor || 2,
    maxDelayMs: wholeMs(policy?.maxDelayMs ?? 0n) || 60_000,
    ...(policy?.jitter && { jitter: Math.min(Math.max(policy.jitter, 0), 1) || 0 }),
    ...(policy?.incrementMs && { incrementMs: wholeMs(policy.incrementMs) }),
    ...(policy?.totalMs && { totalMs: wholeMs(policy.totalMs) }),
    ...(policy?.pause && { pause: true }),
  };
}

export function errorOf(error: WireFailure | undefined) {
  const details = fits(error?.details) ? contentOf(error?.details).value : leftOut;
  return {
    code: error?.code.slice(0, 200) || 'error',
    message: (error?.message ?? '').slice(0, mostText),
    ...(details !== undefined && { details }),
    ...(error?.stack && { stack: error.stack.slice(0, mostText) }),
  };
}

function endOf({ end, receipt }: Report): End | undefined {
  switch (end.case) {
    case 'completed':
      return { type: 'completed', content: contentOf(end.value) };
    case 'failed':
      return { type: 'failed', error: errorOf(end.value), ...(receipt && { receipt: receiptOf(receipt) }) };
    case 'cancelled':
      return { type: 'cancelled', ...receiptOf(end.value) };
    case 'diverged':
      return { type: 'diverged', difference: differenceOf(end.value) };
    default:
      return undefined;
  }
}

function receiptOf({ stopped, outcomeUnknown, undone }: CancelReceipt): Receipt {
  return { stopped, outcomeUnknown, ...(undone.length > 0 && { undone }) };
}

/** A command has such a name. */
const short = (name: string) => name.slice(0, 256);

export function differenceOf({ position, expected, actual, text, diff }: Divergence): Difference {
  const step = (said: Divergence_Step | undefined) =>
    said && {
      kind: kindNames[said.kind] ?? ('step' as const),
      name: said.name,
      occurrence: said.occurrence,
      ...(said.detail !== '' && { detail: said.detail.slice(0, mostText) }),
    };
  const [there, asked] = [step(expected), step(actual)];
  return {
    position,
    ...(there && { expected: there }),
    ...(asked && { actual: asked }),
    text: text.slice(0, mostText),
    ...(diff !== '' && { diff: diff.slice(0, mostText) }),
  };
}

/** In the place of details that do not fit into an event: an error has to be recorded, whatever comes with it. */
const leftOut = { leftOut: `larger than ${maxInlineBytes} bytes, or nested deeper than ${maxInlineDepth}` };

function fits(value: Value | undefined): boolean {
  return value?.value.case !== 'json' || fitsInline(value.value.value);
}

/** What people are shown of a question stands in the event itself. */
function inline(value: Value | undefined): Value | undefined {
  if (!fits(value)) throw bad(`a question shows what is ${leftOut.leftOut}`);
  return value;
}

/** @throws DomainError `run.bad_report` when it is not JSON */
export function contentOf(value: Value | undefined): Content {
  const is = value?.value;
  if (is?.case === 'blob') return { blob: { hash: is.value.hash, sizeBytes: Number(is.value.sizeBytes) } };
  if (is?.case !== 'json') return {};
  const { buffer, byteOffset, byteLength } = is.value;
  try {
    return { value: JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString('utf8')) as Json };
  } catch (error) {
    throw bad(`a value is not JSON: ${String(error)}`);
  }
}

function grantOf({ capabilities }: Grant): Capability[] {
  return capabilities.map(({ actions, resources }) => ({
    type: 'writ',
    actions,
    ...(resources.length > 0 && { resources }),
  }));
}

function bad(detail: string): Error {
  return refuse('run.bad_report', detail);
}

/** The place of a child in its queue. */
function inLine({ key, priority }: Pick<StartChild, 'key' | 'priority'>) {
  if (key.length > mostKey) throw bad(`the key of a run has ${mostKey} characters at most, not ${key.length}`);
  if (Math.abs(priority) > mostPriority)
    throw bad(`a priority is from -${mostPriority} to ${mostPriority}, not ${priority}`);
  return { ...(key !== '' && { key }), ...(priority !== 0 && { priority }) };
}
