import type { LedgerEvent } from '@writ/ledger/domain';

/** Told of a run's end, once; without one where its owner does not know the run. */
export type EndListener = (run: string, end: LedgerEvent | undefined, tenant: string) => void;

/** Who waits for the ends of runs in this process: an entry of a map for each run. A run that nobody waits for costs nothing. */
export class EndWaiters {
  private readonly waiters = new Map<string, EndListener | Set<EndListener>>();

  /** Calls back once, when the run ends. @returns how to stop waiting */
  add(tenant: string, run: string, ended: (end: LedgerEvent | undefined) => void): () => void {
    const listener: EndListener = (_run, end) => ended(end);
    this.watch(tenant, run, listener);
    return () => this.unwatch(tenant, run, listener);
  }

  /** Many runs may have one listener. */
  watch(tenant: string, run: string, listener: EndListener): void {
    const key = `${tenant}\n${run}`;
    const there = this.waiters.get(key);
    if (there === undefined || there === listener) this.waiters.set(key, listener);
    else if (typeof there === 'function') this.waiters.set(key, new Set([there, listener]));
    else there.add(listener);
  }

  unwatch(tenant: string, run: string, listener: EndListener): void {
    const key = `${tenant}\n${run}`;
    const there = this.waiters.get(key);
    if (there === listener) this.waiters.delete(key);
    else if (there instanceof Set && there.delete(listener) && there.size === 0) this.waiters.delete(key);
  }

  /** The runs that somebody waits for. */
  *runs(): Iterable<readonly [tenant: string, run: string]> {
    for (const key of this.waiters.keys()) yield key.split('\n') as [string, string];
  }

  has(tenant: string, run: string): boolean {
    return this.waiters.has(`${tenant}\n${run}`);
  }

  /** Forgets a listener altogether. */
  forget(listener: EndListener): void {
    for (const [tenant, run] of this.runs()) this.unwatch(tenant, run, listener);
  }

  tell(tenant: string, run: string, end: LedgerEvent | undefined): void {
    const key = `${tenant}\n${run}`;
    const there = this.waiters.get(key);
    if (there === undefined) return;
    this.waiters.delete(key);
    if (typeof there === 'function') there(run, end, tenant);
    else for (const listener of there) listener(run, end, tenant);
  }

  /** Looks through the events of a commit that was acknowledged. */
  committed(events: readonly LedgerEvent[]): void {
    if (this.waiters.size === 0) return;
    for (const event of events) if (endTypes.has(event.type)) this.tell(event.tenant, event.subject, event);
  }
}

/** The events that end a run. */
export const endTypes: ReadonlySet<string> = new Set(['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1']);
