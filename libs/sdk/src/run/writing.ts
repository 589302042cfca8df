import { encodeBytes } from '../codec/codec.js';
import { WritError } from '../errors/errors.js';
import { rest } from './rest.js';

/** Some chunks of one attempt, in order. */
export interface Chunks {
  /** Names this making of the attempt: who makes it anew has another one. */
  readonly making: string;
  /** How many it wrote before these. */
  readonly from: number;
  readonly chunks: readonly Uint8Array[];
}

/** Takes chunks on their way; `written` says that they have left this process. */
export type SendChunks = (chunks: Chunks, written: () => void) => void;

/** Of one chunk. */
const mostChunkBytes = 64 * 1024;
/** Of what goes out at once. */
const batchBytes = 64 * 1024;
/** On its way at the same time. As much of what has left is kept, for a scheduler that did not live to store it. */
const windowBytes = 256 * 1024;
/** What waits for its turn. Beyond it the oldest is dropped: who watches is told how many. */
const waitingBytes = 1024 * 1024;

interface Batch extends Chunks {
  readonly bytes: number;
  left: boolean;
}

/**
 * What one attempt of a step writes for who watches. Never holds up the step: what waits is bounded. Like the attempt it outlives a connection: what may not
 * have got through is sent again over the next one, and counted, so that nothing is there twice.
 */
export class Writing {
  /** How many were written, also of those that are dropped. */
  count = 0;
  readonly #making = Math.random().toString(36).slice(2, 10);
  #send: SendChunks | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** The number of the first that waits. */
  #next = 0;
  #sent: Batch[] = [];
  #over = false;
  #soon = false;
  #blocked: (() => void)[] = [];

  /** Where it goes from now on; undefined while the connection is lost. */
  to(send: SendChunks | undefined): void {
    this.#send = send;
    if (!send) return;
    for (const batch of this.#sent.splice(0)) this.#out(batch);
    this.#flush();
  }

  /**
   * @returns when there is room for more; whoever does not wait loses the oldest chunks above 1 MiB
   * @throws WritError `input.invalid` for a chunk that is too large, `codec.unsupported`
   */
  write(chunk: unknown): Promise<void> {
    if (this.#over) return Promise.resolve();
    const bytes = small(encodeBytes(chunk));
    this.count++;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    while (this.#waitingBytes > waitingBytes) this.#drop();
    if (!this.#soon) {
      this.#soon = true;
      void rest().then(() => {
        this.#soon = false;
        this.#flush();
      });
    }
    if (this.#waitingBytes < windowBytes) return Promise.resolve();
    return new Promise((resolve) => this.#blocked.push(resolve));
  }

  /** The attempt is over: all that waits goes out before its outcome does. */
  end(): void {
    this.#over = true;
    this.#flush();
    this.#unblock();
  }

  #flush(): void {
    while (this.#send && this.#waiting.length > 0 && (this.#over || this.#underWay() < windowBytes))
      this.#out(this.#take());
  }

  #out(batch: Batch): void {
    batch.left = false;
    this.#sent.push(batch);
    const { making, from, chunks } = batch;
    const send = this.#send;
    send?.({ making, from, chunks }, () => {
      if (this.#send !== send) return; // it went out over a connection that was lost since
      batch.left = true;
      this.#forget();
      this.#flush();
      if (this.#waitingBytes < windowBytes) this.#unblock();
    });
  }

  #take(): Batch {
    let [count, bytes] = [0, 0];
    for (const chunk of this.#waiting) {
      if (count > 0 && bytes + chunk.length > batchBytes) break;
      bytes += chunk.length;
      count++;
    }
    const batch = {
      making: this.#making,
      from: this.#next,
      chunks: this.#waiting.splice(0, count),
      bytes,
      left: false,
    };
    this.#next += count;
    this.#waitingBytes -= bytes;
    return batch;
  }

  #drop(): void {
    this.#waitingBytes -= (this.#waiting.shift() as Uint8Array).length;
    this.#next++;
  }

  /** Of what has left only the newest is kept. */
  #forget(): void {
    let kept = this.#sent.reduce((sum, { bytes }) => sum + bytes, 0);
    while (kept > windowBytes && this.#sent[0]?.left) kept -= (this.#sent.shift() as Batch).bytes;
  }

  #underWay(): number {
    return this.#sent.reduce((sum, { left, bytes }) => (left ? sum : sum + bytes), 0);
  }

  #unblock(): void {
    for (const resolve of this.#blocked.splice(0)) resolve();
  }
}

function small(chunk: Uint8Array): Uint8Array {
  if (chunk.length <= mostChunkBytes) return chunk;
  throw new WritError(`a chunk has at most ${mostChunkBytes} bytes, not ${chunk.length}`, {
    code: 'input.invalid',
    hint: 'write it in parts; what is large belongs into the result of the step',
  });
}
