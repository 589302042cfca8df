import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { SpaceLog, type Broker } from './log.js';
import { decodeRecord, encodeRecord, hasData, tailOf, type StreamRecord, type StreamState } from './record.js';
import { liveSubject, subjectOf, type StreamSpace } from './space.js';
import { LiveQueue } from './live-queue.js';

/** What a writer decided: the state after it, and what it appends. */
export interface StreamChange {
  readonly state: StreamState;
  readonly data?: Uint8Array;
}

/** A part of a stream. */
export interface StreamPage {
  /** The records with data in it, the oldest first. */
  readonly records: readonly StreamRecord[];
  /** Where to go on: the tail where it is up to date. */
  readonly next: number;
  /** Nothing more is there at this moment. */
  readonly upToDate: boolean;
  readonly state: StreamState;
}

const nothing = new Uint8Array();
/** Heads of streams that were written here lately, so that the next append asks nobody. */
const mostHeads = 20_000;
const pageBytes = 1024 * 1024;
/** Somebody who waits looks by themselves after so long: what the broker told may have been lost with a connection. */
const lookMs = 15_000;
const conflictsMost = 100;

/**
 * Append-only streams, each with a name of its own in a tenant. Any process may write any stream: an append is fenced by the newest record that its
 * writer knows, and whoever was too late decides again. Any process may read; what is live is told by the broker as it is stored.
 */
export class StreamStore {
  private readonly heads = new Map<string, StreamRecord>();
  private readonly turns = new Map<string, Promise<unknown>>();

  private readonly log: SpaceLog;

  constructor(
    private readonly nc: NatsConnection,
    space: StreamSpace,
    broker: Broker,
  ) {
    this.log = new SpaceLog(nc, space, broker);
  }

  subject(tenant: string, name: string): string {
    return subjectOf(this.log.space, tenant, name);
  }

  /** The newest record; undefined where there is no such stream. */
  async head(subject: string): Promise<StreamRecord | undefined> {
    const found = await this.log.newest(subject);
    return found?.state.deleted ? undefined : found;
  }

  /**
   * Decides on the newest state and appends. Where another writer was faster it decides again, on what that one wrote.
   * @param decide pure; undefined changes nothing
   * @returns the newest record; undefined where there is none. `full`: the space has no room
   */
  change(
    subject: string,
    decide: (head: StreamRecord | undefined) => StreamChange | undefined,
  ): Promise<StreamRecord | undefined | 'full'> {
    return this.inTurn(subject, async () => {
      for (let conflicts = 0; conflicts < conflictsMost; conflicts++) {
        const known = this.heads.get(subject) ?? (await this.log.newest(subject));
        const head = known?.state.deleted ? undefined : known;
        let change;
        try {
          change = decide(head);
        } catch (error) {
          if (!this.heads.delete(subject)) throw error;
          continue; // what was known here may be old: nobody is refused because of it
        }
        if (!change) return head;
        const data = change.data ?? nothing;
        const published = await this.log.publish(subject, encodeRecord(change.state, data), known?.seq ?? 0);
        if (published === 'full') return 'full';
        this.heads.delete(subject);
        if (published === 'conflict') continue;
        const record = { seq: published.seq, state: change.state, data: nothing };
        this.heads.set(subject, record);
        if (this.heads.size > mostHeads) this.heads.delete(this.heads.keys().next().value as string);
        return record;
      }
      throw new Error(`${subject} was written by others ${conflictsMost} times in a row`);
    });
  }

  /** Decides likewise; where the new state is `deleted` the stream and all it holds is removed. */
  async remove(
    subject: string,
    decide: (head: StreamRecord | undefined) => StreamChange | undefined,
  ): Promise<StreamRecord | undefined> {
    let wanted: StreamChange | undefined;
    const last = await this.change(subject, (head) => (wanted = decide(head)));
    if (wanted?.state.deleted) {
      await this.log.purge(subject);
      this.heads.delete(subject);
    }
    return last === 'full' ? undefined : last;
  }

  /** A part of a stream behind a sequence. */
  async read(subject: string, head: StreamRecord, after: number, mostBytes = pageBytes): Promise<StreamPage> {
    const records: StreamRecord[] = [];
    let bytes = 0;
    let next = after;
    for (const range of [...(head.state.from ?? []), { subject, upto: head.seq }])
      for await (const record of this.log.read(range.subject, next, range.upto)) {
        if (!hasData(record)) continue;
        if (record.data.length > 0) records.push(record);
        next = record.seq;
        bytes += record.data.length;
        if (bytes >= mostBytes) return { records, next, upToDate: next >= tailOf(head), state: head.state };
      }
    return { records, next: Math.max(next, tailOf(head)), upToDate: true, state: head.state };
  }

  /**
   * A stream behind a sequence, and what comes, as it comes. A reader that does not keep up holds nothing here: it is sent back to reading what is
   * stored. Ends with the signal, and where there is no such stream, unless it is one that may still come.
   */
  async *follow(
    subject: string,
    after: number,
    { signal, mayCome = false }: { signal: AbortSignal; mayCome?: boolean },
  ): AsyncGenerator<StreamPage, void, undefined> {
    using live = new LiveQueue(this.nc, liveSubject(this.log.space, subject));
    const stop = () => live.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      let next = after;
      while (!signal.aborted) {
        live.clear();
        const head = await this.head(subject);
        if (!head && !mayCome) return;
        if (!head) {
          await live.take(lookMs);
          continue;
        }
        let page = await this.read(subject, head, next);
        yield page;
        next = page.next;
        let last = head.seq;
        if (!page.upToDate) continue;
        for (;;) {
          const message = await live.take(lookMs);
          const told = message && recordOf(message);
          if (!told || told.before > last) break; // silence, or a gap: look
          if (told.record.seq <= last) continue;
          last = told.record.seq;
          const { state, data } = told.record;
          if (state.deleted) return;
          if (hasData(told.record)) next = last;
          page = { records: data.length > 0 ? [told.record] : [], next, upToDate: true, state };
          yield page;
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  private inTurn<T>(subject: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(subject) ?? Promise.resolve()).then(work, work);
    this.turns.set(subject, turn);
    const over = () => {
      if (this.turns.get(subject) === turn) this.turns.delete(subject);
    };
    turn.then(over, over);
    return turn;
  }
}

/** A record as the broker tells it when it is stored; `before`: the sequence of the record before it in the same stream. */
function recordOf({ headers, data }: Msg): { record: StreamRecord; before: number } {
  const seq = Number(headers?.get('Nats-Sequence'));
  return { record: decodeRecord(seq, data), before: Number(headers?.get('Nats-Last-Sequence')) };
}
