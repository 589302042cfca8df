import { offsetOf } from '../offset.js';
import { tailOf, type StreamRecord } from '../record.js';

/** A request, as far as the protocol looks at it. */
export interface StreamRequest {
  readonly method: 'PUT' | 'POST' | 'GET' | 'HEAD' | 'DELETE';
  /** Of the stream, below the path of all streams. */
  readonly name: string;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  readonly body: Uint8Array;
}

export interface StreamAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<string>;
}

/** A refusal that the protocol has a status and headers for. */
export class StreamRefusal extends Error {
  override readonly name = 'StreamRefusal';

  constructor(
    readonly status: 400 | 403 | 404 | 405 | 409 | 410 | 413 | 507,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** On every answer: what a stream holds is one tenant's, and nothing that a page may be made of. */
export const always = { 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' };

/** What is told of a stream with every answer about it. */
export function about(head: StreamRecord): Record<string, string> {
  const { type, closed } = head.state;
  return {
    'content-type': type,
    'stream-next-offset': offsetOf(tailOf(head)),
    ...(closed && { 'stream-closed': 'true' }),
  };
}

/** Media types are the same in any case; JSON also with parameters, which mean nothing to it. */
export function sameType(one: string, other: string): boolean {
  const [a, b] = [one, other].map((type) => type.toLowerCase().replace(/\s*;\s*/g, ';'));
  return a === b || (isJson(one) && isJson(other));
}

export const isJson = (type: string): boolean => /^application\/json\s*(?:;|$)/i.test(type);
export const isText = (type: string): boolean => isJson(type) || /^(?:text\/|application\/ndjson)/i.test(type);

/** `Stream-Closed: true`, in any case. */
export const asksToClose = (request: StreamRequest): boolean =>
  request.header('stream-closed')?.toLowerCase() === 'true';

/** @throws StreamRefusal where it is no JSON, or too large for one record */
export const bad = (message: string): StreamRefusal => new StreamRefusal(400, message);
