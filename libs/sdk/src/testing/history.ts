import type { ReplayReport } from '../client/run.js';
import { WritError } from '../errors/errors.js';
import type { Activation, Bytes, KeptEntries, Entry, Outcome, Pending, RecordedEnd } from '../run/record.js';
import type { Rehearsal } from '../run/strict-replay.js';
import { endOf, type TestRun } from './test-run.js';

/** What happened in a run, as plain JSON: to be kept beside the code and replayed on later versions of it. */
export interface History {
  readonly format: 'writ-history/1';
  readonly run: string;
  readonly workflow: string;
  /** Of the code that it was started for, where that has one. */
  readonly version?: string;
  readonly startedAt: string;
  readonly input?: unknown;
  /** Where it was restarted or forked: whose the first entries are. */
  readonly kept?: readonly KeptEntries[];
  readonly life?: string;
  readonly journal: readonly unknown[];
  readonly pending: readonly Pending[];
  readonly end?: unknown;
}

/** Bytes are JSON text: in a file they stand as that JSON. */
function jsonOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return { json: JSON.parse(new TextDecoder().decode(value)) as unknown };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(jsonOf);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, jsonOf(each)]));
}

const bytesOf = (value: unknown): Bytes =>
  value === undefined ? undefined : new TextEncoder().encode(JSON.stringify((value as { json: unknown }).json));

type Stored<T> = T & { value?: unknown; error?: { details?: unknown }; answer?: { value?: unknown } };

/** Puts the bytes back where a recorded outcome or end has some. */
function revived<T extends Outcome | RecordedEnd>(stored: Stored<T>): T {
  const copy = { ...stored };
  if ('value' in copy) copy.value = bytesOf(copy.value);
  if (copy.error?.details !== undefined) copy.error = { ...copy.error, details: bytesOf(copy.error.details) };
  if (copy.answer?.value !== undefined) copy.answer = { ...copy.answer, value: bytesOf(copy.answer.value) };
  return copy;
}

/** The history of a run of the in-process scheduler. */
export function historyOf(run: TestRun): History {
  const end = endOf(run.end);
  const history = {
    format: 'writ-history/1',
    run: run.id,
    workflow: run.workflow,
    startedAt: new Date(run.startedAtMs).toISOString(),
    ...(run.input === undefined ? {} : { input: run.input }),
    ...(run.kept.length > 0 && { kept: run.kept }),
    ...(run.life !== run.id && { life: run.life }),
    journal: run.journal,
    pending: run.end ? [] : run.pending,
    ...(end ? { end } : {}),
  };
  return jsonOf(history) as History;
}

/** What a replay is made from. @throws WritError `input.invalid` */
export function openHistory(history: History): { activation: Activation; end: RecordedEnd | undefined } {
  if (history.format !== 'writ-history/1')
    throw new WritError(`'${String(history.format)}' is no history that this version reads`, { code: 'input.invalid' });
  const journal = (history.journal as Stored<Entry>[]).map((entry) => ({
    ...entry,
    outcome: revived(entry.outcome as Stored<Outcome>),
  }));
  const activation = {
    attempt: 'replay',
    runId: history.run,
    workflow: history.workflow,
    input: bytesOf(history.input),
    startedAtMs: Date.parse(history.startedAt),
    journal,
    pending: history.pending,
    queue: 'default',
    ...(history.kept && { kept: history.kept }),
    ...(history.life !== undefined && { life: history.life }),
  };
  return { activation, end: history.end === undefined ? undefined : revived(history.end as Stored<RecordedEnd>) };
}

/** A rehearsal, in the words of the public report. */
export function reportOf({ same, firstDifference }: Rehearsal): ReplayReport {
  if (!firstDifference) return { same };
  const { text, expected, actual, diff } = firstDifference;
  return { same, firstDifference: { event: text, expected, actual }, ...(diff !== undefined && { diff }) };
}
