import { ApprovalWaits } from './approval-waits.js';
import type { Entry, EvictReason } from './entry.js';
import { madeAtMs } from './run-id.js';
import type { Attempt, RunRecord, RunState } from './run-record.js';
import { Queues, type Holding } from '../queue/queues.js';
import { Ramps } from '../ramp/ramps.js';
import { TimerHeap } from './timer-heap.js';

/** Finished runs stay this long, so that a repeated start or a late message meets them. Later the view knows them. */
const keepEndedMs = 15 * 60_000;
const keepEnded = 20_000;
/** Inputs that are kept for runs no worker has had. An input may have 64 KiB. */
const mostFresh = 256;

/** What is to be done when a commit is acknowledged; made while its events are applied. */
export type Note =
  | { commit: number; type: 'entry'; run: RunRecord; live: Attempt; entry: Entry }
  | { commit: number; type: 'evict'; run: RunRecord; live: Attempt; reason: EvictReason }
  /** It can go on, and no worker has it. */
  | { commit: number; type: 'ready'; run: RunRecord }
  /** It has less of its queue than before. */
  | { commit: number; type: 'gives'; run: RunRecord; holding: Holding; standing: 'parked' | 'gone' };

/** Every run of a partition that has not ended, and those that ended lately. */
export class RunIndex {
  readonly timers = new TimerHeap<RunRecord>();
  /** What runs have of queues with limits. */
  readonly queues = new Queues();
  /** Which version new runs go to. */
  readonly ramps = new Ramps();
  readonly approvals = new ApprovalWaits();
  /** How many are in each state; of those that have ended, all that ever did. */
  readonly states: Record<RunState, number> = {
    queued: 0,
    running: 0,
    waiting: 0,
    succeeded: 0,
    failed: 0,
    cancelled: 0,
  };
  /** In the order of the ledger. */
  notes: Note[] = [];
  /** False while the past is read: nothing is to be done about it. */
  noting = false;
  private readonly tenants = new Map<string, Map<string, RunRecord>>();
  private readonly strings = new Map<string, string>();
  /** When the youngest id was made of all that were forgotten, by tenant: what is younger is new. */
  private readonly forgotten = new Map<string, number>();
  private fresh = 0;
  private ended: RunRecord[] = [];
  private endedFrom = 0;

  get(tenant: string, id: string): RunRecord | undefined {
    return this.tenants.get(tenant)?.get(id);
  }

  add(run: RunRecord): void {
    let runs = this.tenants.get(run.tenant);
    if (!runs) this.tenants.set(run.tenant, (runs = new Map()));
    runs.set(run.id, run);
    this.states[run.state]++;
  }

  /** An event has brought a run from one state to another. */
  moved(from: RunState, to: RunState): void {
    this.states[from]--;
    this.states[to]++;
  }

  *all(): Iterable<RunRecord> {
    for (const runs of this.tenants.values()) yield* runs.values();
  }

  *ofTenant(tenant: string): Iterable<RunRecord> {
    yield* this.tenants.get(tenant)?.values() ?? [];
  }

  /** One copy of what many runs say: workflow, queue, tenant, agent. */
  intern(text: string): string {
    const known = this.strings.get(text);
    if (known !== undefined) return known;
    // A tenant that makes up names must not fill the memory with them.
    if (this.strings.size > 10_000) this.strings.clear();
    this.strings.set(text, text);
    return text;
  }

  /** Keeps what a run was started with until a worker has it; of a long line only the first, the others are read. */
  keepFresh(run: RunRecord, fresh: RunRecord['fresh']): void {
    if (run.fresh) this.fresh--;
    run.fresh = this.fresh < mostFresh ? fresh : undefined;
    if (run.fresh) this.fresh++;
  }

  /** Whether no run of this id was forgotten. Certain only of ids that say when they were made; of others it is not known. */
  neverHad(tenant: string, id: string): boolean {
    const madeMs = madeAtMs(id);
    return madeMs !== undefined && madeMs > (this.forgotten.get(tenant) ?? 0);
  }

  /** For a snapshot: by tenant, when the youngest id was made of all that were forgotten. */
  youngest(): [tenant: string, madeMs: number][] {
    return [...this.forgotten];
  }

  restoreYoungest(rows: readonly [tenant: string, madeMs: number][]): void {
    for (const [tenant, madeMs] of rows) this.forgotten.set(this.intern(tenant), madeMs);
  }

  private outlived({ tenant, id }: RunRecord): void {
    const madeMs = madeAtMs(id);
    if (madeMs !== undefined && madeMs > (this.forgotten.get(tenant) ?? 0)) this.forgotten.set(tenant, madeMs);
  }

  /** Files a run that has ended; it is forgotten by the time of later events, so that every replay forgets alike. */
  end(run: RunRecord): void {
    this.ended.push(run);
  }

  /** It was deleted: of the owner's index it is gone as if it had ended long ago. */
  remove(tenant: string, id: string): void {
    const run = this.get(tenant, id);
    if (!run?.ended) return;
    this.outlived(run);
    this.tenants.get(tenant)?.delete(id);
  }

  forget(nowMs: number): void {
    const { ended } = this;
    while (this.endedFrom < ended.length) {
      const run = ended[this.endedFrom] as RunRecord;
      if (run.endedMs + keepEndedMs > nowMs && ended.length - this.endedFrom <= keepEnded) break;
      this.endedFrom++;
      this.outlived(run);
      const runs = this.tenants.get(run.tenant);
      if (runs?.get(run.id) === run) runs.delete(run.id);
      if (runs?.size === 0) this.tenants.delete(run.tenant);
    }
    if (this.endedFrom > 1024 && this.endedFrom * 2 > ended.length) {
      this.ended = ended.slice(this.endedFrom);
      this.endedFrom = 0;
    }
  }
}
