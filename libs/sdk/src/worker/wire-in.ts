import {
  Kind,
  type Activate,
  type ChildEnd as WireChildEnd,
  type Entry as WireEntry,
  type Failure as WireFailure,
  type Replay,
  type Value,
} from '@writ/proto/worker/v1/worker';
import { WritError } from '../errors/errors.js';
import {
  keyText,
  type Activation,
  type Bytes,
  type ChildEnd,
  type Entry,
  type Failure,
  type Key,
  type Outcome,
  type Pending,
  type RecordedEnd,
} from '../run/record.js';
import type { Reference } from './blobs.js';

/** Gets a value that did not fit into its frame. */
export type Fetch = (blob: Reference) => Promise<Uint8Array>;

const kinds: Readonly<Partial<Record<Kind, Key['kind']>>> = {
  [Kind.STEP]: 'step',
  [Kind.CALL]: 'call',
  [Kind.SLEEP]: 'sleep',
  [Kind.MESSAGE]: 'message',
  [Kind.APPROVAL]: 'approval',
  [Kind.CHILD]: 'child',
  [Kind.RESULT]: 'result',
  [Kind.EMIT]: 'emit',
  [Kind.CANCEL]: 'cancel',
  [Kind.UPDATE]: 'update',
  [Kind.PATCH]: 'patch',
  [Kind.SET]: 'set',
  [Kind.LOOP]: 'loop',
};

const unknown = (what: string) =>
  new WritError(`the scheduler sent ${what} that this version of the SDK does not know`, {
    code: 'protocol.unknown',
    hint: 'upgrade @writ/sdk',
  });

function keyIn({ kind, name, occurrence }: { kind: Kind; name: string; occurrence: number }): Key {
  const known = kinds[kind];
  if (!known) throw unknown(`a command of kind ${kind}`);
  return { kind: known, name, occurrence };
}

/** The bytes of a value. */
type Read = (value: Value | undefined) => Bytes;

/** Makes something of what is in a frame. Few values are in the store: only where one is, it is fetched, and the thing made again with it. */
async function fetching<T>(fetch: Fetch, make: (read: Read) => T): Promise<T> {
  let stored: Map<Reference, Bytes> | undefined;
  const read: Read = (value) => {
    if (value?.value.case !== 'blob') return value?.value.value;
    stored ??= new Map();
    if (!stored.has(value.value.value)) stored.set(value.value.value, undefined);
    return stored.get(value.value.value);
  };
  const made = make(read);
  if (!stored) return made;
  const known = stored;
  await Promise.all([...known.keys()].map(async (blob) => known.set(blob, await fetch(blob))));
  return make(read);
}

/** The bytes of a value; from the store where it is a reference. */
export function valueIn(value: Value | undefined, fetch: Fetch): Promise<Bytes> {
  return fetching(fetch, (read) => read(value));
}

function failureIn({ code, message, details, stack }: WireFailure, read: Read): Failure {
  const bytes = read(details);
  return { code, message, ...(bytes ? { details: bytes } : {}), ...(stack ? { stack } : {}) };
}

/** Entries that came true together. */
export function entriesIn(entries: readonly WireEntry[], fetch: Fetch): Promise<Entry[]> {
  return fetching(fetch, (read) => entries.map((entry) => entryIn(entry, read)));
}

function entryIn(entry: WireEntry, read: Read): Entry {
  const { kind, name, occurrence } = keyIn(entry);
  return { kind, name, occurrence, timeMs: Number(entry.timeMs), outcome: outcomeIn(entry.outcome, read) };
}

function outcomeIn(outcome: WireEntry['outcome'], read: Read): Outcome {
  switch (outcome.case) {
    case 'recorded':
      return { type: 'recorded' };
    case 'completed':
      return { type: 'completed', value: read(outcome.value) };
    case 'failed':
      return { type: 'failed', error: failureIn(outcome.value, read) };
    case 'fired':
      return { type: 'fired' };
    case 'timedOut':
      return { type: 'timed_out' };
    case 'retry':
      return { type: 'retry', attempt: outcome.value };
    case 'started':
      return { type: 'started', runId: outcome.value };
    case 'answered': {
      const { approved, value, by, atMs, approvalId, reason } = outcome.value;
      return {
        type: 'answered',
        answer: { approved, value: read(value), by, atMs: Number(atMs), approvalId, reason },
      };
    }
    case 'loop':
      return { type: 'loop', turn: outcome.value.turn, value: read(outcome.value.state) };
    case 'cancel':
      return { type: 'cancel', reason: outcome.value };
    case 'joined':
      return {
        type: 'joined',
        ends: outcome.value.children.map(({ end }) => childEndIn(end, read)),
      };
    case 'accepted':
      return { type: 'accepted', update: outcome.value.update, value: read(outcome.value.data) };
    case undefined:
      throw unknown('an entry');
  }
}

function childEndIn(end: WireChildEnd['end'], read: Read): ChildEnd | undefined {
  if (end.case === 'failed') return { type: 'failed', error: failureIn(end.value, read) };
  return end.case && { type: 'completed', value: read(end.value) };
}

/** A run with its whole journal. */
export async function activationIn(run: Activate, rest: readonly WireEntry[], fetch: Fetch): Promise<Activation> {
  const journal: Entry[] = [];
  for (const entry of [...run.journal, ...rest]) journal.push(...(await entriesIn([entry], fetch)));
  return {
    attempt: run.attempt,
    runId: run.runId,
    workflow: run.workflow,
    input: await valueIn(run.input, fetch),
    startedAtMs: Number(run.startedAtMs),
    journal,
    pending: run.pending.map((pending): Pending => ({
      ...keyIn(pending),
      failures: pending.failures,
      due: pending.due,
    })),
    progress: await progressIn(run, fetch),
    queue: run.info?.queue ?? '',
    ...(run.life !== '' && { life: run.life }),
    ...(run.kept.length > 0 && {
      kept: run.kept.map(({ life, entries, untilMs }) => ({ life, entries, untilMs: Number(untilMs) })),
    }),
  };
}

async function progressIn({ progress }: Activate, fetch: Fetch): Promise<ReadonlyMap<string, Bytes>> {
  const known = new Map<string, Bytes>();
  for (const each of progress) known.set(keyText(each), await valueIn(each.value, fetch));
  return known;
}

/** How a run ended that is replayed; undefined where it goes on. */
export async function replayEndIn(end: Replay['end'], fetch: Fetch): Promise<RecordedEnd | undefined> {
  switch (end.case) {
    case 'completed':
      return { type: 'completed', value: await valueIn(end.value, fetch) };
    case 'failed':
      return { type: 'failed', error: await fetching(fetch, (read) => failureIn(end.value, read)) };
    case 'cancelled':
      if (!end.value) return { type: 'terminated' };
      return { type: 'cancelled', receipt: { stopped: [], undone: [], outcomeUnknown: [] } };
    case undefined:
      return undefined;
  }
}
