import type { Logger } from '../ledger.js';
import type { PartitionAddress } from '../log/commit.js';
import type { Owner } from '../owner/owner.js';
import { capture, type Captured } from '../owner/snapshot-format.js';
import type { Snapshots } from '../owner/snapshots.js';

/** Events between two snapshots: reading them back takes well under a second. */
const everyEvents = 25_000;
/** And more where the state is large: a snapshot is written once for each this many of its bytes. */
const bytesPerEvent = 100;
/** At a hand-over one is taken when this much would have to be read back. */
const atLeaveEvents = 1_000;

/** Takes snapshots of one owned partition, one at a time, at commit boundaries. */
export class Snapshooter {
  private readonly owner: Owner;
  private readonly address: PartitionAddress;
  private readonly snapshots: Snapshots;
  private readonly log: Logger;
  private takenAt: number;
  private lastBytes = 0;
  private saving: Promise<void> | undefined;

  /** @param replayed events that were read from the log to get here */
  constructor(
    owner: Owner,
    context: { address: PartitionAddress; snapshots: Snapshots; log: Logger },
    replayed: number,
  ) {
    this.owner = owner;
    this.address = context.address;
    this.snapshots = context.snapshots;
    this.log = context.log;
    this.takenAt = owner.state.events - replayed;
    owner.onBoundary = (commit, hash) => this.boundary(commit, hash);
  }

  private get due(): boolean {
    const since = this.owner.state.events - this.takenAt;
    return this.saving === undefined && since >= Math.max(everyEvents, this.lastBytes / bytesPerEvent);
  }

  /** The state is exactly the log up to `commit`, if that is stored. */
  private boundary(commit: number, hash: string): ((stored: boolean) => void) | undefined {
    if (!this.due) return undefined;
    const captured = capture(this.owner.state, { commit, hash, epoch: this.owner.epoch });
    return (stored) => {
      if (stored) this.saving ??= this.save(captured);
    };
  }

  private async save(captured: Captured): Promise<void> {
    try {
      this.lastBytes = await this.snapshots.save(this.address, captured);
      this.takenAt = captured.header.events;
    } catch (error) {
      this.log.warn({ ...this.address, err: error }, 'a snapshot could not be written');
    } finally {
      this.saving = undefined;
    }
  }

  /** After the owner has drained: the next one shall start quickly. */
  async leave(): Promise<void> {
    await this.saving;
    const { state, epoch, commit, settled } = this.owner;
    if (!settled || state.events - this.takenAt < atLeaveEvents) return;
    await this.save(capture(state, { commit, hash: state.hash, epoch }));
  }
}
