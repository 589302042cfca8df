import { RunService, type AwaitRunsRequestSchema, type AwaitRunsResponse_End } from '@writ/proto/run/v1/run';
import type { AwaitRunsResponseSchema } from '@writ/proto/run/v1/run';
import { WritError } from '../errors/errors.js';
import type { Duplex } from './channel.js';
import { outageMs, retryDelayMs, type Session } from './session.js';

type Stream = Duplex<typeof AwaitRunsRequestSchema, typeof AwaitRunsResponseSchema>;
interface Waiter {
  resolve(end: AwaitRunsResponse_End): void;
  reject(reason: unknown): void;
}

/** A stream that nobody needs is kept for so long: a process that has nothing else to do may end then. */
const idleMs = 50;
const againMs = 100;
/** One that has lasted so long did not fail to begin with. */
const livedMs = 10_000;
/** Names of runs in one frame. */
const mostNamed = 5_000;

/**
 * The ends that one client waits for, all over one stream: an entry of a map for each run. A stream that breaks, or whose token expires, is
 * made again for the runs that are left; that is given up after two minutes of failures.
 */
export class Ends {
  readonly #waiting = new Map<string, Waiter[]>();
  #fresh: string[] = [];
  #dropped: string[] = [];
  #stream: Stream | undefined;
  #open = false;
  #writing = false;
  #failingSince: number | undefined;
  #begunAt = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(private readonly session: Session) {}

  /** @throws WritError where it cannot be waited for; the reason of an aborted signal */
  wait(id: string, signal?: AbortSignal): Promise<AwaitRunsResponse_End> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#forget(id, waiter);
        reject(signal?.reason);
      };
      const done = () => signal?.removeEventListener('abort', stop);
      const waiter: Waiter = signal
        ? { resolve: (end) => (done(), resolve(end)), reject: (reason) => (done(), reject(reason)) }
        : { resolve, reject };
      signal?.addEventListener('abort', stop, { once: true });
      const others = this.#waiting.get(id);
      if (others) return void others.push(waiter);
      this.#waiting.set(id, [waiter]);
      this.#fresh.push(id);
      this.#tell();
    });
  }

  #forget(id: string, waiter: Waiter): void {
    const left = this.#waiting.get(id)?.filter((each) => each !== waiter) ?? [];
    if (left.length > 0) return void this.#waiting.set(id, left);
    if (!this.#waiting.delete(id)) return;
    this.#dropped.push(id);
    this.#tell();
  }

  /** Names what is new; what comes while a frame is written goes into the next. */
  #tell(): void {
    clearTimeout(this.#idle);
    if (!this.#open) {
      this.#open = true;
      queueMicrotask(() => void this.#follow());
    } else if (this.#stream && !this.#writing) {
      this.#writing = true;
      queueMicrotask(() => void this.#write(this.#stream as Stream));
    }
  }

  async #write(stream: Stream): Promise<void> {
    try {
      while (stream === this.#stream && this.#fresh.length + this.#dropped.length > 0)
        await stream.write({ ids: this.#fresh.splice(0, mostNamed), drop: this.#dropped.splice(0, mostNamed) });
    } catch {
      // Whoever reads the stream hears of it, and begins another one with all that are left.
    } finally {
      if (stream === this.#stream) this.#writing = false;
    }
  }

  /** Reads ends until nobody waits for one. */
  async #follow(): Promise<void> {
    while (this.#waiting.size > 0) {
      let token: string | undefined;
      try {
        token = await this.session.token();
        const channel = await this.session.channel();
        const stream = channel.duplex(RunService.method.awaitRuns, { token, headers: this.session.headers() });
        this.#begin(stream);
        for await (const { ends } of stream) {
          this.#failingSince = undefined;
          for (const end of ends) this.#ended(end);
          if (this.#waiting.size === 0) this.#rest(stream);
        }
        // Ended from over there: it goes away, and another one takes over.
        if (this.#stream === stream) await this.session.pause(againMs);
      } catch (error) {
        await this.#failed(error, token);
      } finally {
        clearTimeout(this.#idle);
        this.#stream = undefined;
      }
    }
    this.#open = false;
  }

  #begin(stream: Stream): void {
    this.#stream = stream;
    this.#begunAt = performance.now();
    this.#fresh = [...this.#waiting.keys()];
    this.#dropped = [];
    this.#writing = true;
    void this.#write(stream);
  }

  #ended(end: AwaitRunsResponse_End): void {
    const waiters = this.#waiting.get(end.id) ?? [];
    this.#waiting.delete(end.id);
    for (const { resolve } of waiters) resolve(end);
  }

  #rest(stream: Stream): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#waiting.size > 0) return;
      stream.end();
      this.#stream = undefined;
    }, idleMs).unref();
  }

  /** Waits before the next stream, or tells everybody that there is none. */
  async #failed(error: unknown, token: string | undefined): Promise<void> {
    const now = performance.now();
    if (this.#stream && now - this.#begunAt > livedMs) this.#failingSince = undefined;
    const first = this.#failingSince === undefined;
    this.#failingSince ??= now;
    if (first && WritError.is(error) && token !== undefined && this.session.refused(error, token)) return;
    const mayHeal = WritError.is(error) && error.retryable && now - this.#failingSince < outageMs;
    if (mayHeal) {
      this.session.askAgainWhere();
      return this.session.pause(retryDelayMs(2));
    }
    const all = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const { reject } of all) reject(error);
  }
}
