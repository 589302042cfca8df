import type { LedgerEvent } from '@writ/ledger/domain';
import { stateOfUpdate } from '../run/decide-update.js';
import type { RunModel } from '../run/run-model.js';
import type { ControlAnswers, ControlRequest } from './control.js';
import { endTypes } from './end-waiters.js';
import type { PartitionOwner } from './partition-owner.js';

type Wanted = Extract<ControlRequest, { type: 'update' }>;

/** Who waits here for what becomes of updates. One that nobody waits for costs nothing. */
export class UpdateAnswers {
  /** By run. */
  private readonly waiting = new Map<string, Set<(event: LedgerEvent) => void>>();

  /** What became of an update, at the latest after `waitMs`. */
  async serve(owner: PartitionOwner, wanted: Wanted, signal?: AbortSignal): Promise<ControlAnswers['update']> {
    const { tenant, run: id, name, waitMs } = wanted;
    const state = () => {
      const run = (owner.handle.model as RunModel).index.get(tenant, id);
      if (!run) return 'no run';
      return run.ended ? 'ended' : stateOfUpdate(run, name);
    };
    if (state() !== 'accepted' || waitMs === 0) return { state: state() };
    const event = await this.next(`${tenant}\n${id}`, name, waitMs, signal);
    return event ? { state: 'answered', event } : { state: state() };
  }

  /** Looks through the events of a commit that was acknowledged. */
  committed(events: readonly LedgerEvent[]): void {
    if (this.waiting.size === 0) return;
    for (const event of events) {
      if (event.type !== 'run.update_answered.v1' && !endTypes.has(event.type)) continue;
      for (const tell of this.waiting.get(`${event.tenant}\n${event.subject}`) ?? []) tell(event);
    }
  }

  /** The answer; nothing where the run has ended without one, or it takes longer. */
  private next(key: string, name: string, waitMs: number, signal?: AbortSignal): Promise<LedgerEvent | undefined> {
    return new Promise((resolve) => {
      const there = this.waiting.get(key) ?? new Set();
      this.waiting.set(key, there);
      const tell = (event: LedgerEvent) => {
        if (endTypes.has(event.type)) finish();
        else if ((event.data as { name?: string }).name === name) finish(event);
      };
      const stop = () => finish();
      const finish = (event?: LedgerEvent) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
        if (there.delete(tell) && there.size === 0) this.waiting.delete(key);
        resolve(event);
      };
      const timer = setTimeout(stop, waitMs).unref();
      there.add(tell);
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) finish();
    });
  }
}
