import { parseOffset } from '../offset.js';
import { tailOf, type StreamRecord, type StreamState } from '../record.js';
import { jsonData, wholeNumber } from './append.js';
import { asksToClose, bad, isJson, sameType, type StreamRequest } from './exchange.js';

/** What a request wants to create, without looking at what is there. */
export interface Creation {
  /** Absent: the type of the stream that it begins with, else bytes. */
  readonly type: string | undefined;
  readonly ttlSeconds: number | undefined;
  readonly expiresAt: string | undefined;
  readonly closed: boolean;
  readonly body: Uint8Array;
  readonly fork: Fork | undefined;
}

/** Where it begins: with another stream, up to an offset, and so much of what comes next there. */
export interface Fork {
  readonly source: string;
  readonly offset: string | undefined;
  readonly part: number;
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** @param nameOf the name of a stream, of its path; undefined for what is no stream. @throws StreamRefusal 400 */
export function readCreation(request: StreamRequest, nameOf: (path: string) => string | undefined): Creation {
  const [ttl, expiresAt] = [request.header('stream-ttl'), request.header('stream-expires-at')];
  if (ttl !== undefined && expiresAt !== undefined)
    throw bad('a stream has a Stream-TTL or a Stream-Expires-At, not both');
  if (expiresAt !== undefined && (!rfc3339.test(expiresAt) || Number.isNaN(Date.parse(expiresAt))))
    throw bad('Stream-Expires-At is a time of RFC 3339');
  return {
    type: request.header('content-type'),
    ttlSeconds: ttl === undefined ? undefined : wholeNumber('Stream-TTL', ttl),
    expiresAt,
    closed: asksToClose(request),
    body: request.body,
    fork: forkOf(request, nameOf),
  };
}

function forkOf(request: StreamRequest, nameOf: (path: string) => string | undefined): Fork | undefined {
  const from = request.header('stream-forked-from');
  const [offset, part] = [request.header('stream-fork-offset'), request.header('stream-fork-sub-offset')];
  if (from === undefined) {
    if (offset !== undefined || part !== undefined) throw bad('Stream-Forked-From is missing');
    return undefined;
  }
  const source = nameOf(from);
  if (source === undefined) throw bad('Stream-Forked-From is the path of a stream');
  if (offset !== undefined && parseOffset(offset) === undefined) throw bad('Stream-Fork-Offset is no offset');
  const some = part === undefined ? 0 : wholeNumber('Stream-Fork-Sub-Offset', part);
  if (some > 0 && offset === undefined) throw bad('a Stream-Fork-Sub-Offset counts from a Stream-Fork-Offset');
  return { source, offset, part: some };
}

/** Where it is asked to begin, as a text that two requests for the same share. */
export const askedOf = ({ offset, part }: Fork): string => `${offset ?? 'tail'}+${part}`;

/** The state of a new stream. @param source what it begins with */
export function newState(creation: Creation, source: StreamState | undefined, nowMs: number): StreamState {
  const { ttlSeconds = undefined, expiresAt } = limitsOf(creation, source);
  return {
    type: creation.type ?? source?.type ?? 'application/octet-stream',
    createdMs: nowMs,
    ...(creation.closed && { closed: true }),
    ...(ttlSeconds !== undefined && { ttlSeconds, touchedMs: nowMs }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** A stream that does not say how long it lives lives as long as the one that it begins with. */
function limitsOf(creation: Creation, source: StreamState | undefined): Pick<StreamState, 'ttlSeconds' | 'expiresAt'> {
  const own = creation.ttlSeconds !== undefined || creation.expiresAt !== undefined;
  const { ttlSeconds, expiresAt } = own || !source ? creation : source;
  return { ...(ttlSeconds !== undefined && { ttlSeconds }), ...(expiresAt !== undefined && { expiresAt }) };
}

/** Whether what is there is what was asked for: then it need not be made again. */
export function isSame({ state }: StreamRecord, creation: Creation, source: StreamState | undefined): boolean {
  const wanted = newState(creation, source, 0);
  return (
    sameType(state.type, wanted.type) &&
    state.ttlSeconds === wanted.ttlSeconds &&
    state.expiresAt === wanted.expiresAt &&
    (state.closed ?? false) === (wanted.closed ?? false) &&
    state.fork?.source === creation.fork?.source &&
    state.fork?.asked === (creation.fork && askedOf(creation.fork))
  );
}

/** What a new stream holds at first. @throws StreamRefusal 400 */
export function firstData(type: string, body: Uint8Array, prefix: Uint8Array): Uint8Array {
  const own = body.length > 0 && isJson(type) ? jsonData(body, true) : body;
  if (prefix.length === 0 || own.length === 0) return prefix.length > 0 ? prefix : own;
  return Buffer.concat(isJson(type) ? [prefix, Buffer.from(','), own] : [prefix, own]);
}

/** When it ends by itself; undefined for never. */
export function endMs({ createdMs, ttlSeconds, touchedMs = createdMs, expiresAt }: StreamState): number | undefined {
  if (expiresAt !== undefined) return Date.parse(expiresAt);
  return ttlSeconds === undefined ? undefined : touchedMs + ttlSeconds * 1000;
}

/** The sequence up to which a fork begins with its source. @throws StreamRefusal 400 beyond its end */
export function forkPoint(source: StreamRecord, { offset }: Fork): number {
  const tail = tailOf(source);
  const point = offset === undefined ? tail : (parseOffset(offset) as number);
  if (point > tail) throw bad('Stream-Fork-Offset is behind the end of the stream');
  return point;
}
