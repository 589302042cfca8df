import type { EntityManager } from 'typeorm';
import type { LedgerEvent } from '../domain/events.js';
import type { Position } from '../domain/positions.js';
import type { Checkpoints, Move } from './checkpoints.js';
import { mayHeal } from './database-errors.js';
import type { Projection } from './projection.js';

/** What the next commits of one partition have for a projection. */
export interface Share extends Move {
  readonly rows: readonly { readonly event: LedgerEvent; readonly position: Position }[];
}

interface Waiting extends Share {
  written(events: number): void;
  failed(error: unknown): void;
}

/**
 * Writes one projection, for all of its partitions that are owned here. What comes while a transaction is under way goes into
 * the next one, whatever partition it is of: beginning and ending a transaction costs more than a few rows.
 */
export class ProjectionWriter {
  private waiting: Waiting[] = [];
  private busy = false;

  constructor(
    readonly projection: Projection,
    readonly checkpoints: Checkpoints,
  ) {}

  /**
   * Its rows and its checkpoint, at once. One share of a partition at a time.
   * @returns how many events its transaction had
   * @throws CheckpointMoved; what `apply` threw for this share alone
   */
  async write(share: Share): Promise<number> {
    const written = new Promise<number>((resolve, reject) =>
      this.waiting.push({ ...share, written: resolve, failed: reject }),
    );
    if (!this.busy) void this.work();
    return written;
  }

  private async work(): Promise<void> {
    this.busy = true;
    await new Promise(setImmediate); // those who woke with the first are here now
    while (this.waiting.length > 0) await this.together(this.waiting.splice(0));
    this.busy = false;
  }

  /** Where one of them makes all fail, each goes alone. */
  private async together(shares: readonly Waiting[]): Promise<void> {
    try {
      const events = await this.transaction(shares);
      for (const share of shares) share.written(events);
    } catch (error) {
      if (shares.length === 1 || mayHeal(error)) for (const share of shares) share.failed(error);
      else for (const share of shares) await this.together([share]);
    }
  }

  private async transaction(shares: readonly Share[]): Promise<number> {
    const rows = shares.flatMap((share) => share.rows);
    const apply = (manager: EntityManager) => this.projection.apply(rows, manager);
    await this.checkpoints.advance(this.projection.name, shares, rows.length === 0 ? undefined : apply);
    return rows.length;
  }
}
