import type { LedgerEvent } from '@writ/ledger/domain';

/** Who waits for the end of a run of this process. A run that nobody waits for costs nothing. */
export class EndWaiters {
  private readonly waiters = new Map<string, Set<(end: LedgerEvent) => void>>();

  /** Calls back once, when the run ends. @returns how to stop waiting */
  add(tenant: string, run: string, ended: (end: LedgerEvent) => void): () => void {
    const key = `${tenant}\n${run}`;
    let all = this.waiters.get(key);
    if (!all) this.waiters.set(key, (all = new Set()));
    all.add(ended);
    return () => {
      all.delete(ended);
      if (all.size === 0 && this.waiters.get(key) === all) this.waiters.delete(key);
    };
  }

  /** Looks through the events of a commit that was acknowledged. */
  committed(events: readonly LedgerEvent[]): void {
    if (this.waiters.size === 0) return;
    for (const event of events) {
      if (!endTypes.has(event.type)) continue;
      const key = `${event.tenant}\n${event.subject}`;
      const all = this.waiters.get(key);
      if (!all) continue;
      this.waiters.delete(key);
      for (const ended of all) ended(event);
    }
  }
}

/** The events that end a run. */
export const endTypes: ReadonlySet<string> = new Set(['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1']);
