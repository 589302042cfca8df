import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRequestSchema } from '@writ/proto/worker/v1/worker';
import { rest } from '../run/rest.js';

type Frame = MessageInitShape<typeof ConnectRequestSchema>;
type Report = NonNullable<Frame['reports']>[number];
type Item =
  | { report: Report; bytes: number }
  | { deltas: NonNullable<Frame['deltas']>[number]; bytes: number; written: () => void }
  | { release: string }
  | { replay: NonNullable<Frame['replays']>[number] }
  | { consulted: NonNullable<Frame['consulted']>[number] };

/** gRPC's limit is 4 MiB a message. */
const frameBytes = 2 * 1024 * 1024;
const frameItems = 1_000;

/** What waits to be written. While one frame is being written the next one fills; nothing waits to fill a frame. */
export class Outgoing {
  #items: Item[] = [];
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(private readonly write: (frame: Frame) => Promise<void>) {}

  add(item: Item): void {
    if (this.#closed) return;
    this.#items.push(item);
    // One turn later, so that what happens in the same turn of the event loop goes into the same frame.
    this.#writing ??= rest()
      .then(() => this.#drain())
      .catch(() => this.close()) // the reading side of the stream reports why
      .finally(() => (this.#writing = undefined));
  }

  /** A frame of its own, behind what waits. */
  async send(frame: Frame): Promise<void> {
    await this.written();
    if (!this.#closed) await this.write(frame);
  }

  /** Resolves when nothing waits any more. */
  async written(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** The stream is over: what waits has no way to go, and the runs come again by replay. */
  close(): void {
    this.#closed = true;
    this.#items = [];
  }

  async #drain(): Promise<void> {
    while (this.#items.length > 0) {
      const items = this.#take();
      await this.write(frameOf(items));
      for (const item of items) if ('written' in item) item.written();
    }
  }

  #take(): Item[] {
    let [count, bytes] = [0, 0];
    for (const item of this.#items) {
      bytes += 'bytes' in item ? item.bytes : 100;
      if (count > 0 && (bytes > frameBytes || count === frameItems)) break;
      count++;
    }
    return this.#items.splice(0, count);
  }
}

/** In a frame deltas come before reports, reports before releases: none is ahead of what its run had to say before. */
function frameOf(items: readonly Item[]): Frame {
  return {
    deltas: items.flatMap((item) => ('deltas' in item ? [item.deltas] : [])),
    reports: items.flatMap((item) => ('report' in item ? [item.report] : [])),
    release: items.flatMap((item) => ('release' in item ? [item.release] : [])),
    replays: items.flatMap((item) => ('replay' in item ? [item.replay] : [])),
    consulted: items.flatMap((item) => ('consulted' in item ? [item.consulted] : [])),
  };
}
