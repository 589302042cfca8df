import type { Ledger, Logger, PartitionHandle } from '@writ/ledger';
import type { Checkpoints } from '../checkpoint/checkpoints.js';
import type { TileStore } from '../tree/tile-store.js';
import { RecordBroken } from './record-broken.js';
import type { RecordModel } from './record-model.js';
import { SealedCommits } from './sealed-commits.js';
import { Sequencer } from './sequencer.js';

const RESTART_MS = 1_000;
/** What is broken is looked at again, in case that it was mended meanwhile. */
const BROKEN_MS = 30_000;

/** Keeps a sequencer running as long as this process owns the audit partition, and starts it again when it fails. */
export class RecordKeeper {
  /** For the index, which follows. */
  readonly sealed = new SealedCommits();
  private handle: PartitionHandle | undefined;
  private sequencer: Sequencer | undefined;
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly parts: { ledger: Ledger; tiles: TileStore; checkpoints: Checkpoints; log: Logger }) {}

  /** The partition is ours. */
  owned(handle: PartitionHandle): void {
    this.handle = handle;
    this.next(() => this.run(handle));
  }

  /** The partition is not ours any more. */
  lost(): void {
    this.handle = undefined;
    this.next(async () => this.sequencer?.stop());
  }

  /** How long the oldest commit has waited to be sealed; 0 where none waits, undefined where another process seals. */
  get lagMs(): number | undefined {
    if (!this.handle) return undefined;
    const oldest = this.sequencer?.oldestWaitingMs;
    return oldest === undefined ? 0 : Math.max(0, Date.now() - oldest);
  }

  /** Seals what waits and stops. */
  async stop(): Promise<void> {
    await this.sequencer?.seal();
    this.lost();
    await this.work;
  }

  private next(step: () => Promise<void>): void {
    this.work = this.work.then(step, step);
  }

  private async run(handle: PartitionHandle): Promise<void> {
    if (this.handle !== handle) return;
    const again = (error: unknown) => {
      this.parts.checkpoints.failed(error);
      this.parts.log.error({ err: error }, 'the record stands still; it is taken up again');
      const delayMs = error instanceof RecordBroken ? BROKEN_MS : RESTART_MS;
      setTimeout(() => this.next(() => this.run(handle)), delayMs).unref();
    };
    const sequencer = new Sequencer({ ...this.parts, sealed: this.sealed, handle, onFailure: again });
    this.sequencer = sequencer;
    await sequencer.start((handle.model as RecordModel).record).catch(async (error: unknown) => {
      await sequencer.stop(); // or what it follows already would gather commits for nobody
      again(error);
    });
  }
}
