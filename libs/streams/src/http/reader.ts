import { tailOf, type StreamRecord } from '../record.js';
import type { StreamPage } from '../store.js';
import { eventsOf } from './events.js';
import { isText, type StreamAnswer, type StreamRequest } from './exchange.js';
import { cursorOf, nothingAnswer, pageAnswer, type Reading } from './read.js';

/** What can be read: a store, or something that looks like one. */
export interface Readable {
  read(subject: string, head: StreamRecord, after: number): Promise<StreamPage>;
  follow(subject: string, after: number, until: { signal: AbortSignal }): AsyncIterable<StreamPage>;
}

export interface ReaderOptions {
  readonly longPollMs?: number | undefined;
  readonly eventsMs?: number | undefined;
}

/** One stream that is read, by which request. */
export interface StreamToRead {
  readonly subject: string;
  readonly head: StreamRecord;
  readonly reading: Reading;
  readonly request: StreamRequest;
}

const longPollMs = 25_000;
const eventsMs = 60_000;

/** The reading half of the protocol: what is there, what comes next, and what comes as it comes. */
export class StreamReader {
  constructor(
    private readonly store: Readable,
    private readonly options: ReaderOptions = {},
  ) {}

  async read(stream: StreamToRead, signal: AbortSignal): Promise<StreamAnswer> {
    const { subject, head, reading, request } = stream;
    const from = reading.from === 'now' ? tailOf(head) : reading.from;
    if (reading.live === 'sse') return this.events(stream, from, signal);
    const cursor = cursorOf(reading.cursor, Date.now());
    if (reading.live === 'no' && reading.from === 'now') return nothingAnswer(head, 200, cursor);
    const page = await this.store.read(subject, head, from);
    if (reading.live === 'no' || page.records.length > 0) return pageAnswer(page, { from, subject, request }, cursor);
    if (head.state.closed) return nothingAnswer(head, 204, cursor);
    return this.wait(stream, from, signal);
  }

  /** Until something comes, or time is over. */
  private async wait({ subject, head, reading, request }: StreamToRead, from: number, signal: AbortSignal) {
    const late = AbortSignal.timeout(this.options.longPollMs ?? longPollMs);
    const cursor = cursorOf(reading.cursor, Date.now());
    let newest = head;
    for await (const page of this.store.follow(subject, from, { signal: AbortSignal.any([signal, late]) })) {
      if (page.records.length > 0) return pageAnswer(page, { from, subject, request }, cursor);
      newest = { ...head, state: { ...page.state, tail: page.next } };
      if (page.state.closed) break;
    }
    return nothingAnswer(newest, 204, cursor);
  }

  private events({ subject, head, reading }: StreamToRead, from: number, signal: AbortSignal): StreamAnswer {
    const late = AbortSignal.timeout(this.options.eventsMs ?? eventsMs);
    const pages = this.store.follow(subject, from, { signal: AbortSignal.any([signal, late]) });
    const headers = {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      ...(!isText(head.state.type) && { 'stream-sse-data-encoding': 'base64' }),
    };
    return { status: 200, headers, body: eventsOf(pages, reading.cursor) };
  }
}
