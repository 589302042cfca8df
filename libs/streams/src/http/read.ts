import { createHash } from 'node:crypto';
import { fromStart, offsetOf, parseOffset } from '../offset.js';
import { tailOf, type StreamRecord } from '../record.js';
import type { StreamPage } from '../store.js';
import { bad, isJson, type StreamAnswer, type StreamRequest } from './exchange.js';

/** What a request wants to read. */
export interface Reading {
  readonly live: 'no' | 'long-poll' | 'sse';
  /** `now`: behind all that is there. */
  readonly from: number | 'now';
  readonly cursor: number | undefined;
}

/** @throws StreamRefusal 400 */
export function readReading({ query }: Pick<StreamRequest, 'query'>): Reading {
  const offsets = query.getAll('offset');
  const live = query.get('live') ?? 'no';
  if (offsets.length > 1) throw bad('there are several offsets');
  if (live !== 'no' && live !== 'long-poll' && live !== 'sse')
    throw bad(`live is long-poll or sse, not '${live.slice(0, 40)}'`);
  const [offset] = offsets;
  if (offset === undefined && live !== 'no') throw bad('live reading begins at an offset');
  const cursor = query.get('cursor');
  return { live, from: startOf(offset), cursor: /^\d{1,15}$/.test(cursor ?? '') ? Number(cursor) : undefined };
}

function startOf(offset: string | undefined): number | 'now' {
  if (offset === undefined || offset === '-1') return fromStart;
  if (offset === 'now') return 'now';
  const seq = parseOffset(offset);
  if (seq === undefined) throw bad(`'${offset.slice(0, 60)}' is no offset`);
  return seq;
}

/** The data of a page as the body of an answer. */
export function bodyOf({ records, state }: Pick<StreamPage, 'records' | 'state'>): Buffer {
  const all = records.map(({ data }) => data);
  if (!isJson(state.type)) return Buffer.concat(all);
  return Buffer.from(`[${all.map((data) => Buffer.from(data).toString()).join(',')}]`);
}

/** A part of a stream as an answer, or 304 for who has it. */
export function pageAnswer(
  page: StreamPage,
  { from, subject, request }: { from: number; subject: string; request: StreamRequest },
  cursor: string,
): StreamAnswer {
  const closed = page.upToDate && page.state.closed === true;
  const etag = `"${tag(subject)}:${from}:${page.next}${closed ? ':closed' : ''}"`;
  const headers = {
    'content-type': page.state.type,
    'cache-control': 'private, no-cache', // its end moves: who has it asks again, with the tag
    'stream-next-offset': offsetOf(page.next),
    'stream-cursor': cursor,
    etag,
    ...(page.upToDate && { 'stream-up-to-date': 'true' }),
    ...(closed && { 'stream-closed': 'true' }),
  };
  if (
    request
      .header('if-none-match')
      ?.split(/\s*,\s*/)
      .includes(etag)
  )
    return { status: 304, headers };
  return { status: 200, headers, body: bodyOf(page) };
}

/** Nothing has come. */
export function nothingAnswer(head: StreamRecord, status: 200 | 204, cursor: string): StreamAnswer {
  const { state } = head;
  return {
    status,
    headers: {
      ...(status === 200 && { 'content-type': state.type }),
      'cache-control': 'no-store',
      'stream-next-offset': offsetOf(tailOf(head)),
      'stream-cursor': cursor,
      'stream-up-to-date': 'true',
      ...(state.closed && { 'stream-closed': 'true' }),
    },
    ...(status === 200 && { body: bodyOf({ records: [], state }) }),
  };
}

const intervalMs = 20_000;
const epochMs = Date.UTC(2024, 9, 9);

/** A number for an interval of time, so that what waits for the same can share an answer; always greater than the one that was given. */
export function cursorOf(given: number | undefined, nowMs: number): string {
  const now = Math.floor((nowMs - epochMs) / intervalMs);
  return String(given === undefined || given < now ? now : given + 1 + Math.floor(Math.random() * 180));
}

const tag = (subject: string): string => createHash('sha256').update(subject).digest('hex').slice(0, 16);
