import type { RunDelta } from '../client/run.js';
import { decodeBytes } from '../codec/codec.js';
import type { Chunks } from '../run/writing.js';
import type { TestRun } from './test-run.js';

type Step = { name: string; occurrence: number; attempt: number };
type Said = { step: string; attempt: number } & (
  { type: 'data'; data: unknown } | { type: 'missed'; chunks: number } | { type: 'started' | 'completed' | 'failed' }
);

/** What the steps of a run in a test write. All of it is held. */
export class TestStream {
  readonly #said: Said[] = [];
  readonly #making = new Map<string, string>();

  write({ name, occurrence, attempt }: Step, { making, from, chunks }: Chunks): void {
    const of = { step: `${name}/${occurrence}`, attempt };
    if (this.#making.get(of.step) !== making) {
      this.#making.set(of.step, making);
      this.#said.push({ ...of, type: 'started' });
      if (from > 0) this.#said.push({ ...of, type: 'missed', chunks: from });
    }
    this.#said.push(...chunks.map((chunk) => ({ ...of, type: 'data' as const, data: decodeBytes(chunk) })));
  }

  settle({ name, occurrence, attempt }: Step, type: 'completed' | 'failed'): void {
    this.#said.push({ step: `${name}/${occurrence}`, attempt, type });
  }

  /** From the first on, or behind a cursor, until the run has ended. */
  async *read(
    run: Pick<TestRun, 'end' | 'change'>,
    { after = '', signal }: { after?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<RunDelta, void, undefined> {
    for (let next = Number(after); ;) {
      signal?.throwIfAborted();
      const said = this.#said[next];
      if (said) yield { ...said, cursor: String(++next) };
      else if (run.end)
        return yield { type: 'ended', state: run.end.state, step: '', attempt: 0, cursor: String(next) };
      else await changed(run, signal);
    }
  }
}

function changed(run: Pick<TestRun, 'change'>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return run.change();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    void run.change().then(resolve);
  });
}
