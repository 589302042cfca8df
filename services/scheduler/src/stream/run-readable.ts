import type { Readable, StreamPage, StreamRecord, StreamState } from '@writ/streams';
import type { Scheduler } from '../scheduler.js';
import { endOf, settleAll } from './run-end.js';

/** A run whose steps have written nothing yet. */
const silent: StreamState = { type: 'application/json', createdMs: 0 };

/**
 * What the steps of a run write, as a stream of the open protocol: it is there as long as the run is known, and closed when the run has ended. That comes from
 * the ledger; the store knows nothing of it.
 */
export class RunReadable implements Readable {
  constructor(
    private readonly scheduler: Pick<Scheduler, 'deltas' | 'lookup' | 'owners'>,
    private readonly tenant: string,
    private readonly run: string,
  ) {}

  /** @throws DomainError `run.not_found` */
  async head(signal: AbortSignal): Promise<StreamRecord> {
    const { end } = await this.scheduler.lookup.end(this.tenant, this.run, 0, signal);
    if (end) await settleAll(this.scheduler, this.tenant, this.run);
    const subject = this.scheduler.deltas.subject(this.tenant, this.run);
    const { seq = 0, state = silent } = (await this.scheduler.deltas.store.head(subject)) ?? {};
    return { seq, state: end ? { ...state, closed: true } : state, data: new Uint8Array() };
  }

  read(subject: string, head: StreamRecord, after: number): Promise<StreamPage> {
    return this.scheduler.deltas.store.read(subject, head, after);
  }

  async *follow(
    subject: string,
    after: number,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<StreamPage, void, undefined> {
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    let ended = false;
    const told = endOf(this.scheduler, this.tenant, this.run, until).then((type) => {
      ended = type !== undefined;
      over.abort();
    });
    let next = after;
    for await (const page of this.scheduler.deltas.store.follow(subject, after, { signal: until, mayCome: true })) {
      next = page.next;
      yield page;
    }
    await told;
    if (!ended) return;
    const head = await this.head(signal);
    for (let page: StreamPage | undefined; !page?.upToDate; next = page.next)
      yield (page = await this.read(subject, head, next));
  }
}
