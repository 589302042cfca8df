import { steadyNow, type Commit, type Logger, type PartitionHandle } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import type { Approval } from './approval.js';
import type { ApprovalEvent } from './approval.events.js';
import { ExpiryQueue } from './expiry-queue.js';
import { dueTimes } from './hand-over.js';

/** Node's longest timer is 24.8 days; a later expiry is looked at again then. */
const LONGEST_MS = 2_000_000_000;
/** After a failed or too early attempt. */
const AGAIN_MS = 1_000;

interface Open {
  readonly tenant: string;
  readonly id: string;
  /** Reminders, escalations and the end, in milliseconds; the earliest first. */
  readonly times: readonly number[];
}

/**
 * Reminds of, escalates and expires what nobody decided. It lives where the partition is owned: rebuilt from the partition's state when it is taken over,
 * kept by its commits, one timer for the earliest.
 */
export class ApprovalTimer {
  private readonly queue = new ExpiryQueue<Open>();
  private handle: PartitionHandle | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly log: Logger) {}

  /** How many approvals nobody has decided yet. */
  get waiting(): number {
    return this.queue.size;
  }

  /** `onOwned` of the host. */
  owned(handle: PartitionHandle): void {
    this.handle = handle;
    // The model is behind one door for all services; its snapshot is the one way to read all of it.
    const { approval = [] } = handle.model.snapshot() as unknown as { approval?: [string, Approval, number][] };
    for (const [key, state] of approval) {
      if (state.status === 'requested') this.open(...keyParts(key), dueTimes(state));
    }
    this.arm();
  }

  /** `onLost` of the host. */
  lost(): void {
    clearTimeout(this.timer);
    this.handle = undefined;
    for (const { tenant, id } of this.queue.due(Number.POSITIVE_INFINITY)) this.queue.remove(`${tenant}/${id}`);
  }

  /** `onCommit` of the host. */
  committed({ events }: Pick<Commit, 'events'>): void {
    for (const event of events) this.take(event);
    this.arm();
  }

  private take({ tenant, subject, ...event }: LedgerEvent): void {
    const { type, data } = event as unknown as ApprovalEvent;
    const key = `${tenant}/${subject}`;
    if (type === 'approval.requested.v1') this.open(tenant, subject, dueTimes(data));
    if (type === 'approval.reminded.v1' || type === 'approval.escalated.v1') {
      const times = this.queue.get(key)?.times.filter((each) => each > Date.parse(data.at));
      if (times) this.open(tenant, subject, times);
    }
    if (over.has(type)) this.queue.remove(key);
  }

  private open(tenant: string, id: string, times: readonly number[]): void {
    const [next] = times;
    if (next !== undefined) this.queue.add(`${tenant}/${id}`, next, { tenant, id, times });
  }

  private arm(atLeastMs = 0): void {
    clearTimeout(this.timer);
    const { nextMs } = this.queue;
    if (nextMs === undefined || this.handle === undefined) return;
    const delay = Math.min(LONGEST_MS, Math.max(atLeastMs, nextMs - steadyNow()));
    this.timer = setTimeout(() => void this.fire(), delay).unref();
  }

  private async fire(): Promise<void> {
    const { handle } = this;
    if (handle === undefined) return;
    const actor = { principal: 'policy', kind: 'service' } as const;
    for (const { tenant, id } of this.queue.due(steadyNow())) {
      try {
        await handle.execute({ tenant, aggregate: 'approval', subject: id, command: { type: 'tick' }, actor });
      } catch (error) {
        this.log.warn({ err: error, approval: id }, 'what is due of an approval could not be done; trying again');
      }
    }
    // What is still in the queue was not expired: the partition's clock is behind ours, or it was lost.
    this.arm(AGAIN_MS);
  }
}

const over: ReadonlySet<string> = new Set(['approval.decided.v1', 'approval.expired.v1', 'approval.withdrawn.v1']);

function keyParts(key: string): [tenant: string, id: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}
