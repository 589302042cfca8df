import type { LedgerEvent } from '@writ/ledger/domain';
import type { ControlAnswers, ControlRequest, WatchedRun } from './control.js';
import type { EndListener, EndWaiters } from './end-waiters.js';
import type { PartitionOwner } from './partition-owner.js';

/** A replica that has not asked for so long is gone. */
const goneMs = 30_000;
/** What goes into one answer. */
const answerBytes = 400 * 1024;

interface Watch {
  partition: number;
  listener: EndListener;
  /** Ends that were not yet said to be taken, from `base` on. */
  out: [tenant: string, run: string, end: LedgerEvent | null][];
  base: number;
  wake: (() => void) | undefined;
  askedMs: number;
}

/** What other replicas wait for here: each asks for the ends of all its runs of a partition together, and says how many it has taken. */
export class Watches {
  private readonly watches = new Map<string, Watch>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly waiters: EndWaiters,
    private readonly look: (owner: PartitionOwner, runs: readonly WatchedRun[]) => void,
  ) {
    this.timer = setInterval(() => this.sweep(), goneMs / 3);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  async serve(
    owner: PartitionOwner,
    { watch: id, first, add, from, waitMs }: Extract<ControlRequest, { type: 'watch' }>,
  ): Promise<ControlAnswers['watch']> {
    let watch = this.watches.get(id);
    if (!watch) {
      if (!first) return { known: false, ends: [], next: 0 };
      this.watches.set(id, (watch = this.begin(owner.partition)));
    }
    watch.askedMs = performance.now();
    watch.out.splice(0, Math.max(0, from - watch.base));
    watch.base = Math.max(watch.base, from);
    for (const [tenant, run] of add) this.waiters.watch(tenant, run, watch.listener);
    this.look(owner, add);
    if (watch.out.length === 0 && waitMs > 0) await this.some(watch, waitMs);
    return { known: true, ...taken(watch) };
  }

  /** The partition is not here any more: its new owner is asked by those who wait. */
  drop(partition: number): void {
    for (const [id, watch] of this.watches) if (watch.partition === partition) this.end(id, watch);
  }

  private begin(partition: number): Watch {
    const watch: Watch = {
      partition,
      out: [],
      base: 0,
      wake: undefined,
      askedMs: 0,
      listener: (run, end, tenant) => {
        watch.out.push([tenant, run, end ?? null]);
        watch.wake?.();
      },
    };
    return watch;
  }

  private some(watch: Watch, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => watch.wake?.(), waitMs).unref();
      watch.wake = () => {
        clearTimeout(timer);
        watch.wake = undefined;
        // All the ends of one commit go together.
        queueMicrotask(resolve);
      };
    });
  }

  private end(id: string, watch: Watch): void {
    this.watches.delete(id);
    this.waiters.forget(watch.listener);
    watch.wake?.();
  }

  private sweep(): void {
    const nowMs = performance.now();
    for (const [id, watch] of this.watches)
      if (watch.wake === undefined && watch.askedMs + goneMs < nowMs) this.end(id, watch);
  }
}

/** As many as fit into an answer. */
function taken({ out, base }: Watch): Pick<ControlAnswers['watch'], 'ends' | 'next'> {
  let bytes = 0;
  const most = out.findIndex(([, , end]) => (bytes += end ? JSON.stringify(end).length : 300) > answerBytes);
  const ends = most === -1 ? out.slice() : out.slice(0, Math.max(1, most));
  return { ends, next: base + ends.length };
}
