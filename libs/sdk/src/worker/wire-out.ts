import { limitsOut } from '../define/limits.js';
import { plain } from '../codec/plain.js';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  Kind,
  type CommandSchema,
  type ConsultResultSchema,
  type DivergenceSchema,
  type FailureSchema,
  type ReportSchema,
  type RetryPolicySchema,
  type ValueSchema,
} from '@writ/proto/worker/v1/worker';
import { WritError } from '../errors/errors.js';
import type { Verdict } from '../run/consult.js';
import { failureOf } from '../run/failure.js';
import type {
  Bytes,
  Command,
  Divergence,
  DivergentStep,
  Failure,
  Key,
  Receipt,
  RetryPolicy,
  RunEnd,
  RunReport,
} from '../run/record.js';

type Value = MessageInitShape<typeof ValueSchema>;
type Out = MessageInitShape<typeof CommandSchema>;
type Report = MessageInitShape<typeof ReportSchema>;

/** A report with more is split. */
const partBytes = 1024 * 1024;

/** Puts a value into a frame, or into the store where it is too large for one. */
export type Place = (bytes: Uint8Array) => Promise<Value>;

const kinds: Readonly<Record<Key['kind'], Kind>> = {
  step: Kind.STEP,
  call: Kind.CALL,
  sleep: Kind.SLEEP,
  message: Kind.MESSAGE,
  approval: Kind.APPROVAL,
  child: Kind.CHILD,
  result: Kind.RESULT,
  emit: Kind.EMIT,
  cancel: Kind.CANCEL,
  update: Kind.UPDATE,
  patch: Kind.PATCH,
  set: Kind.SET,
  loop: Kind.LOOP,
};

const valueOf = async (bytes: Bytes, place: Place): Promise<Value> => (bytes === undefined ? {} : place(bytes));
const inline = (json: Bytes): Value => (json === undefined ? {} : { value: { case: 'json', value: json } });

/** A report as frames carry it: in parts, where it is large; `idle` and the end are in the last. */
export async function reportsOut(
  attempt: string,
  report: RunReport,
  place: Place,
): Promise<{ report: Report; bytes: number }[]> {
  const parts: { report: Report & { commands: Out[] }; bytes: number }[] = [];
  for (const command of report.commands) {
    const out = await commandOut(command, place);
    const bytes = 300 + sizeOf(out.what);
    const last = parts.at(-1);
    if (last && last.bytes + bytes <= partBytes) {
      last.report.commands.push(out);
      last.bytes += bytes;
    } else parts.push({ report: { attempt, commands: [out], idle: false, entries: report.entries }, bytes });
  }
  const last = parts.at(-1) ?? { report: { attempt, commands: [], entries: report.entries }, bytes: 100 };
  last.report.idle = report.idle;
  if (report.undoing) (parts[0] ?? last).report.undoing = [...report.undoing];
  if (report.end) last.report.end = await endOut(report.end, place);
  if (report.end?.type === 'failed' && report.end.receipt) last.report.receipt = receiptOut(report.end.receipt);
  return parts.length > 0 ? parts : [last];
}

function sizeOf(what: Out['what']): number {
  const value = what?.case === 'completed' || what?.case === 'emit' ? what.value.value : undefined;
  return value?.case === 'json' ? value.value!.length : 0;
}

async function commandOut({ kind, name, occurrence, what }: Command, place: Place): Promise<Out> {
  const key = { kind: kinds[kind], name, occurrence };
  try {
    const streamed = 'streamed' in what && what.streamed ? { streamed: BigInt(what.streamed) } : {};
    return { ...key, what: await whatOut(what, place), ...streamed };
  } catch (error) {
    // Too large a value is an error of its command, and trying again makes it no smaller.
    if (!WritError.is(error, 'run.value_too_large')) throw error;
    const failed: Command['what'] =
      what.type === 'completed'
        ? { type: 'failed', attempt: what.attempt, error: failureOf(error), retryable: false, policy: {} }
        : { type: 'abort', error: failureOf(error) };
    return { ...key, what: await whatOut(failed, place) };
  }
}

async function whatOut(what: Command['what'], place: Place): Promise<NonNullable<Out['what']>> {
  switch (what.type) {
    case 'completed':
      return { case: 'completed', value: await valueOf(what.value, place) };
    case 'failed': {
      const { attempt, error, retryable, policy, retryAfterMs } = what;
      const value = {
        attempt,
        error: failureOut(error),
        retryable,
        policy: policyOut(policy),
        retryAfterMs: BigInt(Math.round(retryAfterMs ?? 0)),
      };
      return { case: 'failed', value };
    }
    case 'sleep':
      return { case: 'sleep', value: { until: { case: 'durationMs', value: ms(what.durationMs) } } };
    case 'sleep-until':
      return { case: 'sleep', value: { until: { case: 'atMs', value: ms(what.atMs) } } };
    case 'wait':
      return { case: 'wait', value: { message: what.message, timeoutMs: ms(what.timeoutMs) } };
    case 'ask': {
      const question = await questionOut(what.question, place);
      return { case: 'ask', value: { about: { case: 'question', value: question }, timeoutMs: ms(what.timeoutMs) } };
    }
    case 'approval':
      return {
        case: 'ask',
        value: { about: { case: 'approvalId', value: what.approvalId }, timeoutMs: ms(what.timeoutMs) },
      };
    case 'start':
      return { case: 'start', value: await startOut(what, place) };
    case 'result':
      return { case: 'result', value: { runId: what.runId, timeoutMs: ms(what.timeoutMs) } };
    case 'join': {
      const { runIds, need, timeoutMs } = what;
      return { case: 'join', value: { runIds: [...runIds], need, timeoutMs: ms(timeoutMs) } };
    }
    case 'abort':
      return { case: 'abort', value: failureOut(what.error) };
    case 'beat': {
      const { attempt, leaseMs, policy, progress } = what;
      const value = { attempt, leaseMs: ms(leaseMs), policy: policyOut(policy) };
      return { case: 'beat', value: progress ? { ...value, progress: inline(progress) } : value };
    }
    case 'emit':
      return { case: 'emit', value: await valueOf(what.value, place) };
    case 'set':
      return { case: 'set', value: { ...what.attributes } };
    case 'patch':
      return { case: 'patch', value: true };
    case 'loop':
      return { case: 'loop', value: { turn: what.turn, state: await valueOf(what.value, place) } };
  }
}

async function questionOut(asked: Extract<Command['what'], { type: 'ask' }>['question'], place: Place) {
  const { title, detail, schema, approvers, remindMs = [], escalate = [] } = asked;
  return {
    title: plain(title),
    approvers: [...approvers],
    remindMs: remindMs.map(ms),
    escalate: escalate.map(({ afterMs, to }) => ({ afterMs: ms(afterMs), to: [...to] })),
    detail: await valueOf(detail, place),
    schema: inline(schema),
  };
}

async function startOut(
  {
    runId,
    workflow,
    input,
    queue,
    version = '',
    pinned = false,
    key,
    priority,
    grant,
    limits,
    attributes,
    attach,
    cancelWithParent = false,
  }: Extract<Command['what'], { type: 'start' }>,
  place: Place,
) {
  const capabilities = grant?.map(({ actions, resources }) => ({
    actions: [...actions],
    resources: [...(resources ?? [])],
  }));
  return {
    runId,
    workflow,
    input: await valueOf(input, place),
    queue,
    version,
    pinned,
    key,
    priority,
    attach,
    cancelWithParent,
    ...(capabilities ? { grant: { capabilities } } : {}),
    ...(limits ? { limits: limitsOut(limits) } : {}),
    ...(attributes ? { attributes: { ...attributes } } : {}),
  };
}

async function endOut(end: RunEnd, place: Place): Promise<NonNullable<Report['end']>> {
  switch (end.type) {
    case 'completed':
      return completedOut(end.value, place);
    case 'failed':
      return { case: 'failed', value: failureOut(end.error) };
    case 'cancelled':
      return { case: 'cancelled', value: receiptOut(end.receipt) };
    case 'diverged':
      return { case: 'diverged', value: divergenceOut(end.divergence) };
  }
}

const receiptOut = ({ stopped, undone, outcomeUnknown }: Receipt) => ({
  stopped: [...stopped],
  undone: [...undone],
  outcomeUnknown: [...outcomeUnknown],
});

async function completedOut(value: Bytes, place: Place): Promise<NonNullable<Report['end']>> {
  try {
    return { case: 'completed', value: await valueOf(value, place) };
  } catch (error) {
    if (!WritError.is(error, 'run.value_too_large')) throw error;
    return { case: 'failed', value: failureOut(failureOf(error)) };
  }
}

const ms = (value: number) => BigInt(Math.round(value));

function failureOut({ code, message, details, stack }: Failure): MessageInitShape<typeof FailureSchema> {
  return { code, message, stack: stack ?? '', ...(details ? { details: inline(details) } : {}) };
}

function policyOut(policy: RetryPolicy): MessageInitShape<typeof RetryPolicySchema> {
  const { attempts = 0, delayMs = 0, factor = 0, maxDelayMs = 0 } = policy;
  const { jitter = 0, incrementMs = 0, totalMs = 0, pause = false } = policy;
  return {
    attempts, delayMs: ms(delayMs), factor, maxDelayMs: ms(maxDelayMs),
    jitter, incrementMs: ms(incrementMs), totalMs: ms(totalMs), pause,
  }; // prettier-ignore
}

/** What a run said to a question, as a frame carries it. */
export async function consultOut(
  id: string,
  verdict: Verdict | undefined,
  place: Place,
): Promise<MessageInitShape<typeof ConsultResultSchema>> {
  if (verdict?.type === 'failed') return { id, result: { case: 'failed', value: failureOut(verdict.error) } };
  if (verdict?.type !== 'completed') return { id, result: { case: 'gone', value: true } };
  try {
    return { id, result: { case: 'completed', value: await valueOf(verdict.value, place) }, entries: verdict.entries };
  } catch (error) {
    return { id, result: { case: 'failed', value: failureOut(failureOf(error)) } };
  }
}

/** A divergence as a frame carries it. */
export function divergenceOut({
  position,
  expected,
  actual,
  text,
  diff = '',
}: Divergence): MessageInitShape<typeof DivergenceSchema> {
  return {
    position,
    text,
    diff,
    ...(expected ? { expected: stepOut(expected) } : {}),
    ...(actual ? { actual: stepOut(actual) } : {}),
  };
}

const stepOut = ({ kind, name, occurrence, detail }: DivergentStep) => ({
  kind: kinds[kind],
  name,
  occurrence,
  detail: detail ?? '',
});
