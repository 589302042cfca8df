import { encodeBytes } from '../codec/codec.js';
import { WritError } from '../errors/errors.js';
import type { Timers } from './effects.js';
import type { Bytes } from './record.js';

/** Of what a step says about itself. */
const maxProgressBytes = 4 * 1024;
/** How often a step without a limit of silence is heard of. */
const everyMs = 1_000;

/** Signs of life of one attempt: told at once, and then as often as the one who listens needs. */
export class Pulse {
  /** What was said last. */
  progress: Bytes;
  #tell: ((progress: Bytes) => void) | undefined;
  #stopSilence = () => {};
  #stopNext: (() => void) | undefined;
  #untold = false;
  #over = false;

  /** @param limitMs the longest silence; 0 is none */
  constructor(
    private readonly timers: Timers,
    readonly limitMs: number,
    private readonly silent: () => void,
  ) {}

  /** Who is told from now on. A run that came back to its worker has another executor. */
  to(tell: (progress: Bytes) => void): void {
    this.#tell = tell;
    if (this.limitMs > 0 || this.progress) this.#say();
  }

  /** @throws WritError `input.invalid` for progress that is too large, `codec.unsupported` */
  beat(progress?: unknown): void {
    if (this.#over) return;
    if (progress !== undefined) this.progress = small(encodeBytes(progress));
    this.listen();
    if (this.#stopNext) this.#untold = true;
    else this.#say();
  }

  /** The limit of silence begins anew. */
  listen(): void {
    if (this.limitMs === 0) return;
    this.#stopSilence();
    this.#stopSilence = this.timers.after(this.limitMs, this.silent);
  }

  stop(): void {
    this.#over = true;
    this.#stopSilence();
    this.#stopNext?.();
  }

  #say(): void {
    this.#untold = false;
    this.#tell?.(this.progress);
    this.#stopNext?.();
    this.#stopNext = this.timers.after(this.limitMs > 0 ? this.limitMs / 4 : everyMs, () => {
      this.#stopNext = undefined;
      if (this.#untold) this.#say();
    });
  }
}

function small(progress: Uint8Array): Uint8Array {
  if (progress.length <= maxProgressBytes) return progress;
  throw new WritError(`the progress of a step has at most ${maxProgressBytes} bytes, not ${progress.length}`, {
    code: 'input.invalid',
    hint: 'say where the step is, not what it has: a page, a cursor, a count',
  });
}
