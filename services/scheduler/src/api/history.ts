import type { JsonObject } from '@bufbuild/protobuf';
import { refuse, type Json } from '@writ/ledger/domain';
import type { Entry } from '../run/entry.js';
import { lifeOf } from '../run/life.js';
import type { Journal } from '../run/journal.js';
import type { Content, Failure } from '../run/run.events.js';
import type { Values } from '../values/value-store.js';

/** An answer has to fit into a message of gRPC. */
const mostBytes = 3 * 1024 * 1024;

/** A value in the form of the document: the JSON that the SDK's codec made stands under `json`; absent is `undefined`. */
type Value = { json: Json } | undefined;
type ReadValue = (content: Content) => Promise<Value>;

/**
 * What is recorded of a run as the document that replays are made from, here and elsewhere: the one that the SDK's tests keep and read, too.
 * @throws DomainError `run.history_too_large`
 */
export async function historyOf(
  values: Pick<Values, 'text'>,
  tenant: string,
  run: string,
  { started, startedMs, entries, pending, kept, end }: Journal,
): Promise<JsonObject> {
  const read: ReadValue = async ({ value, blob }) => {
    if (!blob) return value === undefined ? undefined : { json: value };
    const text = await values.text(tenant, blob, mostBytes);
    if (text === undefined) throw tooLarge(run, `one value has ${blob.sizeBytes} bytes`);
    return { json: JSON.parse(text) as Json };
  };
  const journal: object[] = [];
  let bytes = 0;
  for (const { kind, name, occurrence, timeMs, outcome } of entries) {
    const entry = { kind, name, occurrence, timeMs, outcome: await outcomeOf(kind, outcome, timeMs, read) };
    bytes += JSON.stringify(entry).length;
    if (bytes > mostBytes) throw tooLarge(run, `its first ${journal.length + 1} entries have ${bytes} bytes`);
    journal.push(entry);
  }
  const input = await read(started);
  const document = {
    format: 'writ-history/1',
    run,
    workflow: started.workflow,
    ...(started.version !== undefined && { version: started.version }),
    startedAt: new Date(startedMs).toISOString(),
    ...(input && { input }),
    ...(kept.length > 0 && { kept }),
    ...(started.restarts && { life: lifeOf(run, started) }),
    journal,
    pending: pending.map(({ kind, name, occurrence, trying }) => ({
      kind, name, occurrence, failures: trying?.failures ?? 0, due: false,
    })), // prettier-ignore
    ...(end && { end: await endOf(end, read) }),
  };
  return JSON.parse(JSON.stringify(document)) as JsonObject; // what is undefined is not in it
}

async function outcomeOf(kind: Entry['kind'], outcome: Entry['outcome'], atMs: number, read: ReadValue) {
  switch (outcome.type) {
    case 'own':
      if (kind === 'emit' || kind === 'patch' || kind === 'set') return { type: 'recorded' };
      return { type: 'completed', value: await read(outcome.content) };
    case 'completed':
      return { type: 'completed', value: await read(outcome.content) };
    case 'failed':
      return { type: 'failed', error: failureOf(outcome.error) };
    case 'timedOut':
      return { type: 'timed_out' };
    case 'started':
      return { type: 'started', runId: outcome.child };
    case 'answered': {
      const { approval: approvalId, approved, by, reason, content } = outcome;
      return { type: 'answered', answer: { approved, by, atMs, approvalId, reason, value: await read(content) } };
    }
    case 'loop':
    case 'accepted': {
      const { content, ...rest } = outcome;
      return { ...rest, value: await read(content) };
    }
    default:
      return outcome;
  }
}

async function endOf(end: NonNullable<Journal['end']>, read: ReadValue) {
  if (end.state === 'succeeded') return { type: 'completed', value: await read(end.content) };
  if (end.state === 'failed') return { type: 'failed', error: failureOf(end.error) };
  if (!end.returned) return { type: 'terminated' };
  return { type: 'cancelled', receipt: { stopped: [], undone: [], outcomeUnknown: [] } };
}

function failureOf({ code, message, details, stack }: Failure) {
  return { code, message, stack, ...(details !== undefined && { details: { json: details } }) };
}

function tooLarge(run: string, why: string): Error {
  return refuse('run.history_too_large', `the history of ${run} has more than ${mostBytes} bytes: ${why}`, { run });
}
