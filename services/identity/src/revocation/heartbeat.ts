import { randomUUID } from 'node:crypto';
import { heartbeatEveryMs, heartbeatSubject, type Heartbeat } from '@writ/enforcement';
import { every as everyMs, type Commit, type Ledger, type Logger, type PartitionHandle } from '@writ/ledger';
import type { IdentityModel } from '../identity.model.js';
import { Floor } from './floor.js';

/** If the broker has not said by then what its last commit is, this heartbeat is left out. */
const patienceMs = 1_500;

/**
 * Tells every enforcement point that identity lives and how far its ledger has come. Only the owner of the partition
 * speaks, and each time only after the broker has said what the last commit is: an owner that cannot reach the broker,
 * or one whose commits it would not take, falls silent, and two seconds later everything is refused.
 */
export class HeartbeatSender {
  private readonly clock = randomUUID();
  private owned: { handle: PartitionHandle; epoch: number; floor: Floor } | undefined;
  private silence: (() => void) | undefined;
  private busy = false;

  constructor(
    private readonly ledger: Ledger,
    private readonly log: Logger,
    private readonly every: typeof everyMs = everyMs,
  ) {}

  /** The hooks of a host. */
  readonly onOwned = async (_partition: number, handle: PartitionHandle): Promise<void> => {
    const floor = await Floor.find(this.ledger, handle.commit());
    this.owned = { handle, epoch: (handle.model as IdentityModel).revocations(), floor };
    this.silence ??= this.every(heartbeatEveryMs, () => void this.beat());
    void this.beat();
  };

  readonly onLost = (): void => {
    this.stop();
  };

  readonly onCommit = (commit: Commit): void => {
    for (const event of commit.events)
      if (event.type === 'revocation.issued.v1' && this.owned)
        this.owned.epoch = (event.data as { epoch: number }).epoch;
  };

  stop(): void {
    this.owned = undefined;
    this.silence?.();
    this.silence = undefined;
  }

  private async beat(): Promise<void> {
    if (this.busy || !this.owned) return;
    this.busy = true;
    const { handle, epoch, floor } = this.owned;
    // Before the broker is asked: what it answers is true of now or later, so age is never understated.
    const sentMs = performance.now();
    try {
      // The client's own patience is 5 s: a request that was lost with the broker would silence the next ones too.
      const commit = await within(patienceMs, this.ledger.last('identity', 0));
      floor.passed(commit, Date.now());
      // An owner that was deposed in the meantime must not speak for commits that it does not know.
      if (this.owned?.handle !== handle || commit < handle.commit()) return;
      const heartbeat: Heartbeat = {
        commit,
        sentMs,
        clock: this.clock,
        claim: handle.epoch,
        epoch,
        floor: floor.commit,
      };
      this.ledger.nc.publish(heartbeatSubject, JSON.stringify(heartbeat));
    } catch (error) {
      this.log.warn({ err: error }, 'no heartbeat: the broker does not say what the last commit is');
    } finally {
      this.busy = false;
    }
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
