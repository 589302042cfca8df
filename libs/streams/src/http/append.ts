import { offsetOf } from '../offset.js';
import { tailOf, type ProducerState, type StreamRecord, type StreamState } from '../record.js';
import type { StreamChange } from '../store.js';
import {
  asksToClose,
  bad,
  isJson,
  sameType,
  StreamRefusal,
  type StreamAnswer,
  type StreamRequest,
} from './exchange.js';
import { messagesOf } from './messages.js';

/** A producer that is heard of no more is forgotten when so many others came after it. */
const mostProducers = 256;

/** What a request appends, read before it is known whether it may. */
export interface Append {
  readonly data: Uint8Array;
  readonly type: string;
  readonly close: boolean;
  readonly seq: string | undefined;
  readonly producer: Producer | undefined;
}

interface Producer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** @throws StreamRefusal 400 */
export function readAppend(request: StreamRequest): Append {
  const { body } = request;
  const close = asksToClose(request);
  const type = request.header('content-type') ?? '';
  if (body.length === 0 && !close) throw bad('there is nothing to append');
  if (body.length > 0 && type === '') throw bad('the content type is missing');
  const data = body.length > 0 && isJson(type) ? jsonData(body) : body;
  return { data, type, close, seq: request.header('stream-seq'), producer: producerOf(request) };
}

/** The messages of a JSON body as they are stored. @throws StreamRefusal 400 */
export function jsonData(body: Uint8Array, mayBeEmpty = false): Uint8Array {
  let messages: string[];
  try {
    messages = messagesOf(body);
  } catch {
    throw bad('the body is no JSON');
  }
  if (messages.length === 0 && !mayBeEmpty) throw bad('the array is empty: there is nothing to append');
  return Buffer.from(messages.join(','));
}

/**
 * Pure: what an append does to a stream, and what is answered once that is stored.
 * @throws StreamRefusal
 */
export function decideAppend(
  head: StreamRecord,
  { data, type, close, seq, producer }: Append,
  nowMs: number,
): { change: StreamChange | undefined; answer(after: StreamRecord): StreamAnswer } {
  const { state } = head;
  if (data.length > 0 && !sameType(type, state.type)) throw new StreamRefusal(409, `the stream holds ${state.type}`);
  const before = producer && state.producers?.[producer.id];
  const repeated = producer !== undefined && isRepeat(producer, before);
  const told = (status: number, upto: Producer | undefined) => (after: StreamRecord) => ({
    status,
    headers: {
      'stream-next-offset': offsetOf(tailOf(after)),
      ...(after.state.closed && { 'stream-closed': 'true' }),
      ...(upto && { 'producer-epoch': String(upto.epoch), 'producer-seq': String(upto.seq) }),
    },
  });
  if (repeated || (state.closed && close && data.length === 0 && !producer)) {
    const upto = producer && before && { ...producer, epoch: before[0], seq: before[1] };
    return { change: undefined, answer: told(204, upto) };
  }
  if (state.closed) throw closed(head);
  if (producer) mustFollow(producer, before);
  if (seq !== undefined && state.seq !== undefined && Buffer.compare(Buffer.from(seq), Buffer.from(state.seq)) <= 0)
    throw new StreamRefusal(409, `the sequence ${seq} is not behind ${state.seq}`);
  const change = { state: stateAfter(head, { data, close, seq, producer }, nowMs), data };
  return { change, answer: told(producer && data.length > 0 ? 200 : 204, producer) };
}

function stateAfter(
  head: StreamRecord,
  { data, close, seq, producer }: Pick<Append, 'data' | 'close' | 'seq' | 'producer'>,
  nowMs: number,
): StreamState {
  const { tail: _tail, ...state } = head.state;
  return {
    ...state,
    ...(data.length === 0 && { tail: tailOf(head) }),
    ...(close && { closed: true }),
    ...(seq !== undefined && { seq }),
    ...(state.ttlSeconds !== undefined && { touchedMs: nowMs }),
    ...(producer && { producers: withProducer(state.producers ?? {}, producer) }),
  };
}

/** The newest stand last. */
function withProducer(
  known: Readonly<Record<string, ProducerState>>,
  { id, epoch, seq }: Producer,
): Record<string, ProducerState> {
  const others = Object.entries(known).filter(([other]) => other !== id);
  return Object.fromEntries([...others.slice(-mostProducers + 1), [id, [epoch, seq]]]);
}

/** Said before, and stored. @throws StreamRefusal 403 for a producer that another one of its name has taken over from */
function isRepeat({ epoch, seq }: Producer, before: ProducerState | undefined): boolean {
  if (!before) return false;
  if (epoch < before[0])
    throw new StreamRefusal(403, `epoch ${epoch} is over: the producer is in ${before[0]}`, {
      'producer-epoch': String(before[0]),
    });
  return epoch === before[0] && seq <= before[1];
}

/** @throws StreamRefusal 400 for a new epoch that does not begin at 0, 409 for a gap */
function mustFollow({ epoch, seq }: Producer, before: ProducerState | undefined): void {
  if (before && epoch > before[0] && seq !== 0) throw bad('a new epoch of a producer begins with the sequence 0');
  const expected = before?.[0] === epoch ? before[1] + 1 : 0;
  if (seq !== expected)
    throw new StreamRefusal(409, `the producer has skipped from ${expected} to ${seq}`, {
      'producer-expected-seq': String(expected),
      'producer-received-seq': String(seq),
    });
}

function closed(head: StreamRecord): StreamRefusal {
  return new StreamRefusal(409, 'the stream is closed', {
    'stream-closed': 'true',
    'stream-next-offset': offsetOf(tailOf(head)),
  });
}

function producerOf(request: StreamRequest): Producer | undefined {
  const [id, epoch, seq] = ['producer-id', 'producer-epoch', 'producer-seq'].map((name) => request.header(name));
  if (id === undefined && epoch === undefined && seq === undefined) return undefined;
  if (!id || id.length > 200 || epoch === undefined || seq === undefined)
    throw bad('a producer says Producer-Id, Producer-Epoch and Producer-Seq');
  return { id, epoch: wholeNumber('Producer-Epoch', epoch), seq: wholeNumber('Producer-Seq', seq) };
}

/** @throws StreamRefusal 400 */
export function wholeNumber(name: string, text: string): number {
  const value = /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw bad(`${name} is a whole number, not '${text.slice(0, 40)}'`);
  return value;
}
