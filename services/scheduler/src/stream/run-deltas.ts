import { StreamStore, type StreamRecord, type StreamSpace } from '@writ/streams';
import type { Logger } from '@writ/ledger';
import {
  newWriter,
  settleStep,
  writeDeltas,
  type Deltas,
  type DeltaWriter,
  type Settled,
  type Written,
} from './delta.js';

/** Where what steps write is held: beside the ledger, bounded, the oldest goes first. */
export const deltaSpace = (limits: { hours: number; mib: number }): StreamSpace => ({
  name: 'DELTAS',
  subject: 'deltas',
  maxAgeMs: limits.hours * 3_600_000,
  maxBytes: limits.mib * 1024 ** 2,
  full: 'drop',
});

/** Of one run, not stored yet: more is dropped, and counted by whoever watches. */
const mostWaiting = 1024 * 1024;
/** What goes into one record. */
const recordBytes = 256 * 1024;

interface Waiting {
  deltas: Deltas[];
  bytes: number;
  storing: Promise<void> | undefined;
}

/**
 * Stores what steps write. One append of a run is under way at a time; what comes meanwhile goes into the next. Nobody waits for it but the outcome of the
 * step, so that its deltas are there when it is. What cannot be stored is lost: the step goes on.
 */
export class RunDeltas {
  private readonly waiting = new Map<string, Waiting>();
  /** For the metrics. */
  readonly counts = { stored: 0, bytes: 0, dropped: 0 };

  constructor(
    readonly store: StreamStore,
    private readonly log: Logger,
  ) {}

  subject(tenant: string, run: string): string {
    return this.store.subject(tenant, run);
  }

  write(tenant: string, run: string, deltas: Deltas): void {
    const subject = this.subject(tenant, run);
    const bytes = deltas.chunks.reduce((sum, chunk) => sum + chunk.length, 100);
    let waiting = this.waiting.get(subject);
    if (!waiting) this.waiting.set(subject, (waiting = { deltas: [], bytes: 0, storing: undefined }));
    if (waiting.bytes + bytes > mostWaiting) {
      this.counts.dropped += deltas.chunks.length;
      return;
    }
    waiting.deltas.push(deltas);
    waiting.bytes += bytes;
    waiting.storing ??= this.drain(subject, waiting);
  }

  /** Resolves when all that was written of a run is stored, or given up. */
  async stored(tenant: string, run: string): Promise<void> {
    await this.waiting.get(this.subject(tenant, run))?.storing;
  }

  /** Says in a run's stream how an attempt of a step ended. Said again it changes nothing. */
  async settle(tenant: string, run: string, settled: Settled): Promise<void> {
    await this.append(this.subject(tenant, run), (writer) => settleStep(writer, settled));
  }

  private async drain(subject: string, waiting: Waiting): Promise<void> {
    // One turn later: what comes in one frame is stored together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.deltas.length > 0) {
      const batch = take(waiting);
      try {
        await this.append(subject, (writer) => inOrder(writer, batch));
        this.counts.stored += batch.reduce((sum, { chunks }) => sum + chunks.length, 0);
      } catch (error) {
        this.counts.dropped += batch.reduce((sum, { chunks }) => sum + chunks.length, 0);
        this.log.warn({ err: error }, 'what a step wrote could not be stored; who watches is told of a gap');
      }
    }
    this.waiting.delete(subject);
  }

  private async append(subject: string, write: (writer: DeltaWriter) => Written | undefined): Promise<void> {
    const decide = (head: StreamRecord | undefined) => {
      const written = write((head?.state.writer as DeltaWriter | undefined) ?? newWriter);
      if (!written) return undefined;
      const state = {
        type: 'application/json',
        createdMs: head?.state.createdMs ?? Date.now(),
        writer: written.writer,
      };
      const data = Buffer.from(written.messages.join(','));
      this.counts.bytes += data.length;
      return { state, data };
    };
    await this.store.change(subject, decide);
  }
}

function take(waiting: Waiting): Deltas[] {
  let [count, bytes] = [0, 0];
  for (const { chunks } of waiting.deltas) {
    bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 100);
    if (count > 0 && bytes > recordBytes) break;
    count++;
  }
  const batch = waiting.deltas.splice(0, count);
  for (const { chunks } of batch) waiting.bytes -= chunks.reduce((sum, chunk) => sum + chunk.length, 100);
  return batch;
}

function inOrder(writer: DeltaWriter, batch: readonly Deltas[]): Written | undefined {
  let written: Written = { writer, messages: [] };
  for (const deltas of batch) {
    const more = writeDeltas(written.writer, deltas);
    if (more) written = { writer: more.writer, messages: [...written.messages, ...more.messages] };
  }
  return written.messages.length > 0 ? written : undefined;
}
