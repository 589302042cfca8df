import { formatPosition, type LedgerEvent } from '@writ/ledger/domain';
import type { Follower, Ledger, Logger } from '@writ/ledger';

/** Lets calls wait for the end of an approval, on every replica: fed by policy's ledger, not by polling the view. */
export class ApprovalEnds {
  private readonly news = new Map<string, Set<(position: string) => void>>();
  private readonly waiting = new Map<string, Set<(position: string) => void>>();
  private follower: Follower | undefined;

  /** Begins behind what is there now: a caller reads the view after it has begun to wait. */
  async start(ledger: Pick<Ledger, 'follow' | 'last'>, log: Logger): Promise<void> {
    this.follower = await ledger.follow({
      service: 'policy',
      partition: 0,
      from: await ledger.last('policy', 0),
      onCommit: ({ commit, events }) =>
        events.forEach((event, index) =>
          this.take(event, formatPosition({ service: 'policy', partition: 0, commit, index })),
        ),
    });
    this.follower.closed.catch((error: unknown) => log.error({ err: error }, 'approvals are not followed any more'));
  }

  /** The position of the event that ended it; undefined when nothing ended it in time. */
  end(tenant: string, id: string, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    return next(this.waiting, `${tenant}/${id}`, timeoutMs, signal);
  }

  /** The position of the next event that puts something into an inbox of the tenant; undefined when none came in time. */
  arrival(tenant: string, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    return next(this.news, tenant, timeoutMs, signal);
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
  }

  private take({ tenant, subject, type }: LedgerEvent, position: string): void {
    if (arrivals.has(type)) for (const resolve of this.news.get(tenant) ?? []) resolve(position);
    if (!ends.has(type)) return;
    for (const resolve of this.waiting.get(`${tenant}/${subject}`) ?? []) resolve(position);
  }
}

const ends = new Set(['approval.decided.v1', 'approval.expired.v1', 'approval.withdrawn.v1']);
const arrivals = new Set(['approval.requested.v1', 'approval.escalated.v1', 'approval.delegated.v1']);

async function next(
  all: Map<string, Set<(position: string) => void>>,
  key: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const waiters = all.get(key) ?? new Set();
  all.set(key, waiters);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(resolve, timeoutMs, undefined);
  const aborted = () => resolve(undefined);
  signal.addEventListener('abort', aborted, { once: true });
  waiters.add(resolve);
  try {
    return signal.aborted ? undefined : await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', aborted);
    waiters.delete(resolve);
    if (waiters.size === 0) all.delete(key);
  }
}
