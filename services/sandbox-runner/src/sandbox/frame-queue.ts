/** Hands frames from a writer to one reader, and makes the writer wait while the reader is behind. */
export class FrameQueue<T> implements AsyncIterable<T> {
  private readonly frames: T[] = [];
  private ended: { error?: unknown } | undefined;
  private wakeReader: () => void = () => undefined;
  private wakeWriter: () => void = () => undefined;

  constructor(private readonly room: number) {}

  /** Resolves once the reader has caught up; at once when nobody reads any more. */
  async push(frame: T): Promise<void> {
    if (this.ended !== undefined) return;
    this.frames.push(frame);
    this.wakeReader();
    while (this.frames.length >= this.room && this.ended === undefined)
      await new Promise<void>((resolve) => (this.wakeWriter = resolve));
  }

  /** The reader gets what is there, then the end, or the error. */
  end(error?: unknown): void {
    this.ended ??= error === undefined ? {} : { error };
    this.wakeReader();
    this.wakeWriter();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        const frame = this.frames.shift();
        if (frame !== undefined) {
          this.wakeWriter();
          yield frame;
        } else if (this.ended !== undefined) {
          if ('error' in this.ended) throw this.ended.error;
          return;
        } else await new Promise<void>((resolve) => (this.wakeReader = resolve));
      }
    } finally {
      this.end();
    }
  }
}
