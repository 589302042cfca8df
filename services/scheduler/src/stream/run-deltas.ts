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
import type { StreamMetrics } from './stream.metrics.js';

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

  constructor(
    readonly store: StreamStore,
    private readonly log: Logger,
    readonly metrics: StreamMetrics,
  ) {}

  subject(tenant: string, run: string): string {
    return this.store.subject(tenant, run);
  }

  write(tenant: string, run: string, deltas: Deltas): void {
    const subject = this.subject(tenant, run);
    const bytes = sizeOf([deltas]);
    let waiting = this.waiting.get(subject);
    if (!waiting) this.waiting.set(subject, (waiting = { deltas: [], bytes: 0, storing: undefined }));
    if (waiting.bytes + bytes > mostWaiting) {
      this.metrics.dropped(deltas.chunks.length);
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
        this.metrics.stored(countOf(batch), sizeOf(batch));
      } catch (error) {
        this.metrics.dropped(countOf(batch));
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
      return { state, data };
    };
    await this.store.change(subject, decide);
  }
}

const countOf = (batch: readonly Deltas[]): number => batch.reduce((sum, { chunks }) => sum + chunks.length, 0);
/** In characters, with what stands around them. */
const sizeOf = (batch: readonly Deltas[]): number =>
  batch.reduce((sum, { chunks }) => sum + chunks.reduce((size, chunk) => size + chunk.length, 100), 0);

function take(waiting: Waiting): Deltas[] {
  let [count, bytes] = [0, 0];
  for (const deltas of waiting.deltas) {
    bytes += sizeOf([deltas]);
    if (count > 0 && bytes > recordBytes) break;
    count++;
  }
  const batch = waiting.deltas.splice(0, count);
  waiting.bytes -= sizeOf(batch);
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
