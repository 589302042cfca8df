import { refuse } from '@writ/ledger/domain';
import { offsetOf, parseOffset, type StreamPage } from '@writ/streams';
import type { Scheduler } from '../scheduler.js';
import type { DeltaMessage, DeltaWriter } from './delta.js';
import { endOf, settleAll } from './run-end.js';

/** A part of a run's stream. */
export interface RunPart {
  readonly messages: readonly DeltaMessage[];
  readonly cursor: string;
  /** So many before these are not held any more. */
  readonly missed: number;
  /** How the run has ended; in the last part. */
  readonly ended?: string;
}

/** Where a reader is: behind a record of the stream, and how many messages there are up to it. */
interface Place {
  readonly offset: number;
  readonly sent: number;
}

/**
 * What the steps of a run write, from a cursor on, until the run has ended and all of it is told. The end comes from the ledger, so it is told also where
 * nothing was ever written, or nothing is held any more.
 * @throws DomainError `run.not_found`, `run.bad_cursor`; `ledger.unavailable` where nobody knows the run at the moment
 */
export async function* runStream(
  { deltas, lookup, owners }: Pick<Scheduler, 'deltas' | 'lookup' | 'owners'>,
  { tenant, run, after }: { tenant: string; run: string; after: string },
  signal: AbortSignal,
): AsyncGenerator<RunPart, void, undefined> {
  let place = parseCursor(after);
  const { end } = await lookup.end(tenant, run, 0, signal);
  const subject = deltas.subject(tenant, run);
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  let state = end?.type;
  // A space that was made anew counts from the start.
  if (place.offset > ((await deltas.store.head(subject))?.seq ?? Infinity)) place = parseCursor('');
  if (state === undefined) {
    void endOf({ lookup, owners }, tenant, run, stop).then((type) => {
      state = type;
      over.abort();
    });
    for await (const page of deltas.store.follow(subject, place.offset, { signal: stop, mayCome: true })) {
      const part = partOf(page, place);
      place = part.place;
      if (part.messages.length > 0 || part.missed > 0) yield part;
    }
  }
  signal.throwIfAborted();
  if (state !== undefined) await settleAll({ deltas, lookup }, tenant, run);
  for (let page: StreamPage | undefined; !page?.upToDate;) {
    const head = await deltas.store.head(subject);
    if (!head) break;
    page = await deltas.store.read(subject, head, place.offset);
    const part = partOf(page, place);
    place = part.place;
    if (part.messages.length > 0 || part.missed > 0) yield part;
  }
  // Who comes again behind the cursor loses nothing.
  if (state === undefined) throw refuse('ledger.unavailable', `nobody knows whether run ${run} goes on`);
  yield { messages: [], cursor: formatCursor(place), missed: 0, ended: state };
}

function partOf({ records, next }: StreamPage, from: Place): RunPart & { place: Place } {
  const messages: DeltaMessage[] = [];
  let missed = 0;
  let { sent } = from;
  for (const { data, state } of records) {
    const those = JSON.parse(`[${Buffer.from(data).toString()}]`) as DeltaMessage[];
    const upto = (state.writer as DeltaWriter).sent;
    const ahead = sent - (upto - those.length);
    missed += Math.max(0, -ahead);
    messages.push(...those.slice(Math.max(0, ahead)));
    sent = Math.max(sent, upto);
  }
  const place = { offset: next, sent };
  return { messages, missed, place, cursor: formatCursor(place) };
}

const formatCursor = ({ offset, sent }: Place): string => `${offsetOf(offset)}-${sent}`;

/** `<offset>-<messages>`, or nothing for the start; with `+<n>`, so many messages behind it. */
function parseCursor(cursor: string): Place {
  const match = /^(?:(\d{16}_\d{16})-(\d{1,15}))?(?:\+(\d{1,9}))?$/.exec(cursor);
  if (!match) throw refuse('run.bad_cursor', `'${cursor}' is no cursor of a run's stream`);
  const [, offset, sent = 0, more = 0] = match;
  return { offset: parseOffset(offset ?? '') ?? 0, sent: Number(sent) + Number(more) };
}
