import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  Evict_Reason,
  Kind,
  type ActivateSchema,
  type ChildEndSchema,
  type EntrySchema,
  type FailureSchema,
  type ReplaySchema,
  type RunInfoSchema,
  type TaskSchema,
  type ValueSchema,
} from '@writ/proto/worker/v1/worker';
import { lifeOf } from '../run/life.js';
import type { ReplayTask, WorkerTask } from '../partition/outlet.js';
import type { Question } from './consults.js';
import type { Entry, EvictReason } from '../run/entry.js';
import type { Content, Failure, RunEventData } from '../run/run.events.js';

type EntryInit = MessageInitShape<typeof EntrySchema>;

const kinds: Record<Entry['kind'], Kind> = {
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
const reasons: Record<EvictReason, Evict_Reason> = {
  ended: Evict_Reason.ENDED,
  stale: Evict_Reason.STALE,
  paused: Evict_Reason.PAUSED,
  bad_report: Evict_Reason.BAD_REPORT,
  moved: Evict_Reason.MOVED,
  revoked: Evict_Reason.REVOKED,
  lost: Evict_Reason.STALE,
};
/** A task as it goes to the worker, with its size, roughly. */
export function wireTask(task: Exclude<WorkerTask, { type: 'unused' }>): [MessageInitShape<typeof TaskSchema>, number] {
  const { attempt } = task;
  if (task.type === 'entry') {
    const [entry, size] = wireEntry(task.entry, true);
    return [{ task: { case: 'resume', value: { attempt, entries: [entry] } } }, size];
  }
  if (task.type === 'evict') {
    const { reason, detail = '' } = task;
    return [{ task: { case: 'evict', value: { attempt, reason: reasons[reason], detail } } }, 64];
  }
  const all = task.entries.map((entry) => wireEntry(entry, false));
  const entries = all.map(([entry]) => entry);
  const size = all.reduce((sum, [, bytes]) => sum + bytes, 256);
  if (task.type === 'journal') return [{ task: { case: 'journal', value: { attempt, entries } } }, size];
  return [{ task: { case: 'activate', value: wireActivate(task, entries) } }, size];
}

/** A strict replay as the worker gets it. Its journal has to fit into one frame. */
export function wireReplay(id: string, task: ReplayTask): [MessageInitShape<typeof ReplaySchema>, number] {
  const [run, size] = wireCopy(task, id);
  return [{ id, run, end: wireEnd(task.journal.end) }, size];
}

/** A run with its whole journal, to be executed from nothing else. */
export function wireCopy({ run, journal }: ReplayTask, id = ''): [MessageInitShape<typeof ActivateSchema>, number] {
  const { started, startedMs, trace, entries, kept } = journal;
  const pending = journal.pending.map((open) => ({ ...open, failures: open.trying?.failures ?? 0, due: false }));
  const all = entries.map((entry) => wireEntry(entry, false));
  const size = all.reduce((sum, [, bytes]) => sum + bytes, 0);
  const activation = { attempt: id, run, started, startedMs, trace, length: entries.length, pending, kept };
  const activate = wireActivate(
    activation,
    all.map(([entry]) => entry),
  );
  return [activate, size];
}

/** A question to a run that the worker has, or to a copy of one. */
export function wireConsult(
  id: string,
  { name, update, content }: Question,
  of: { attempt: string } | { run: MessageInitShape<typeof ActivateSchema> },
): [MessageInitShape<typeof TaskSchema>, number] {
  const data = wireValue(content);
  return [{ task: { case: 'consult', value: { id, name, update, ...of, ...(data && { data }) } } }, 256];
}

function wireEnd(end: ReplayTask['journal']['end']): Exclude<MessageInitShape<typeof ReplaySchema>['end'], undefined> {
  if (end?.state === 'succeeded') return { case: 'completed', value: wireValue(end.content) ?? {} };
  if (end?.state === 'failed') return { case: 'failed', value: wireFailure(end.error) };
  return end ? { case: 'cancelled', value: end.returned } : { case: undefined };
}

function wireActivate(
  task: Omit<Extract<WorkerTask, { type: 'activate' }>, 'type' | 'partition' | 'entries'>,
  journal: EntryInit[],
): MessageInitShape<typeof ActivateSchema> {
  const { attempt, run, started, startedMs, length, pending, trace, progress = [], kept = [] } = task;
  const input = wireValue(started);
  return {
    attempt,
    runId: run,
    workflow: started.workflow,
    ...(input && { input }),
    startedAtMs: BigInt(startedMs),
    journal,
    journalLength: length,
    pending: pending.map(({ kind, name, occurrence, failures, due }) => ({
      kind: kinds[kind],
      name,
      occurrence,
      failures,
      due,
    })),
    info: runInfo(started, trace),
    kept: kept.map(({ life, entries, untilMs }) => ({ life, entries, untilMs: BigInt(untilMs) })),
    ...(started.restarts && { life: lifeOf(run, started) }),
    progress: progress.map(({ name, occurrence, value }) => ({ name, occurrence, value: wireValue({ value }) ?? {} })),
  };
}

function runInfo(
  started: RunEventData<'run.started.v1'>,
  trace: string | undefined,
): MessageInitShape<typeof RunInfoSchema> {
  const { queue, agent, onBehalfOf = [], parent = '', depth, grant } = started;
  return {
    queue,
    principal: agent,
    onBehalfOf,
    parent,
    depth,
    ...(grant && { grant: { capabilities: grant.map(({ actions, resources = [] }) => ({ actions, resources })) } }),
    ...(trace !== undefined && { trace }),
  };
}

/** Commands without a value: that they are recorded is all there is to say of them. */
const recordedOnly: ReadonlySet<Entry['kind']> = new Set(['emit', 'patch', 'set']);

/** @param live what the worker itself reported is not sent back to it */
function wireEntry({ kind, name, occurrence, timeMs, outcome }: Entry, live: boolean): [EntryInit, number] {
  const wire = wireOutcome(outcome, live || recordedOnly.has(kind), timeMs);
  const value = wire.case === 'completed' ? wire.value.value : undefined;
  const size = 32 + name.length + (value?.case === 'json' ? value.value.length : 0);
  return [{ kind: kinds[kind], name, occurrence, timeMs: BigInt(timeMs), outcome: wire }, size];
}

type Wire =
  | { case: 'completed'; value: { value?: WireContent } }
  | Exclude<NonNullable<EntryInit['outcome']>, { case: 'completed' }>;
export type WireContent =
  { case: 'json'; value: Uint8Array } | { case: 'blob'; value: { hash: string; sizeBytes: bigint } };

function wireOutcome(outcome: Entry['outcome'], recorded: boolean, timeMs: number): Wire {
  switch (outcome.type) {
    case 'own':
      if (recorded) return { case: 'recorded', value: true };
      return { case: 'completed', value: wireValue(outcome.content) ?? {} };
    case 'completed':
      return { case: 'completed', value: wireValue(outcome.content) ?? {} };
    case 'failed':
      return { case: 'failed', value: wireFailure(outcome.error) };
    case 'fired':
      return { case: 'fired', value: true };
    case 'timedOut':
      return { case: 'timedOut', value: true };
    case 'retry':
      return { case: 'retry', value: outcome.attempt };
    case 'started':
      return { case: 'started', value: outcome.child };
    case 'loop':
      if (recorded) return { case: 'recorded', value: true };
      return { case: 'loop', value: { turn: outcome.turn, state: wireValue(outcome.content) ?? {} } };
    case 'cancel':
      return { case: 'cancel', value: outcome.reason };
    case 'joined':
      return { case: 'joined', value: { children: outcome.ends.map((end) => ({ end: wireChildEnd(end) })) } };
    case 'accepted': {
      const data = wireValue(outcome.content);
      return { case: 'accepted', value: { update: outcome.update, ...(data && { data }) } };
    }
    case 'answered': {
      const { approval: approvalId, approved, by, reason, content } = outcome;
      const value = wireValue(content);
      return {
        case: 'answered',
        value: { approvalId, approved, by, reason, atMs: BigInt(timeMs), ...(value && { value }) },
      };
    }
  }
}

/** Only how it ended: what it gave, or failed with, is had by its `result`. */
function wireChildEnd(
  end: 'succeeded' | 'failed' | 'cancelled' | null,
): NonNullable<MessageInitShape<typeof ChildEndSchema>['end']> {
  if (end === 'succeeded') return { case: 'completed', value: {} };
  return end === null ? { case: undefined } : { case: 'failed', value: { code: `run.${end}` } };
}

export function wireFailure({ code, message, details, stack = '' }: Failure): MessageInitShape<typeof FailureSchema> {
  const more = details === undefined ? undefined : wireValue({ value: details });
  return { code, message, stack, ...(more && { details: more }) };
}

/** Undefined for `undefined`. */
export function wireValue({
  value,
  blob,
}: Content): ({ value: WireContent } & MessageInitShape<typeof ValueSchema>) | undefined {
  if (blob) return { value: { case: 'blob', value: { hash: blob.hash, sizeBytes: BigInt(blob.sizeBytes) } } };
  if (value === undefined) return undefined;
  return { value: { case: 'json', value: Buffer.from(JSON.stringify(value)) } };
}
