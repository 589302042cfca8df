import { AsyncLocalStorage } from 'node:async_hooks';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { RunService, type Problem, type StartRunRequestSchema, type StartRunResponse } from '@writ/proto/run/v1/run';
import { errorOf } from '../errors/error-of.js';
import type { WritError } from '../errors/errors.js';
import { maxAttempts, retryDelayMs, type Session } from './session.js';
import { activeTrace } from './trace.js';

type StartRequest = MessageInitShape<typeof StartRunRequestSchema> & { readonly id: string };

/** A start that waits for its outcome. */
interface Waiting {
  readonly request: StartRequest;
  readonly bytes: number;
  readonly signal: AbortSignal | undefined;
  readonly trace: string | undefined;
  /** Calls in the surroundings of whoever started it, so that its trace goes on. */
  readonly within: <T>(act: () => T) => T;
  resolve(response: StartRunResponse): void;
  reject(reason: unknown): void;
  attempts: number;
}

const most = 10_000;
/** A call grows to about this; a larger input goes in one of its own. */
const mostBytes = 1024 * 1024;
const here = <T>(act: () => T): T => act();

/**
 * Starts of one client. Those of one turn of the event loop go in one call, and what is asked for while a call is on its way goes in the next:
 * nobody waits for others to come. Each has its own outcome, and is tried again by itself where that may help; its id makes that harmless.
 */
export class Starts {
  #waiting: Waiting[] = [];
  #calling = false;

  constructor(private readonly session: Session) {}

  /** @throws WritError; the reason of an aborted signal */
  start(request: StartRequest, bytes: number, signal: AbortSignal | undefined): Promise<StartRunResponse> {
    signal?.throwIfAborted();
    const trace = activeTrace();
    const within = trace === undefined ? here : AsyncLocalStorage.snapshot();
    const started = new Promise<StartRunResponse>((resolve, reject) =>
      this.#enqueue({ request, bytes, signal, trace, within, resolve, reject, attempts: 0 }),
    );
    return signal ? unlessAborted(started, signal) : started;
  }

  #enqueue(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#calling) return;
    this.#calling = true;
    // Not at once: whoever starts many in a loop gets them into one call.
    queueMicrotask(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#next();
      if (batch.length > 0) await this.#call(batch);
    }
    this.#calling = false;
  }

  /** From the front: what fits into one call, of one trace. Nobody waits any more for what was aborted. */
  #next(): Waiting[] {
    const waiting = this.#waiting;
    let bytes = 0;
    let end = 0;
    while (end < waiting.length && end < most) {
      const { trace, bytes: more } = waiting[end] as Waiting;
      if (end > 0 && (trace !== waiting[0]?.trace || bytes + more > mostBytes)) break;
      bytes += more;
      end++;
    }
    return waiting.splice(0, end).filter(({ signal }) => !signal?.aborted);
  }

  async #call(batch: readonly Waiting[]): Promise<void> {
    const [{ within }] = batch as [Waiting];
    try {
      const request = { items: batch.map((each) => each.request) };
      const { items } = await within(() => this.session.call(RunService.method.startRuns, request));
      batch.forEach((waiting, i) => {
        const outcome = items[i]?.outcome;
        if (outcome?.case === 'run') waiting.resolve(outcome.value);
        else this.#refused(waiting, errorOfProblem(outcome?.value));
      });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }

  #refused(waiting: Waiting, error: WritError): void {
    if (!error.retryable || ++waiting.attempts >= maxAttempts) return waiting.reject(error);
    this.session.pause(retryDelayMs(waiting.attempts), waiting.signal).then(
      () => this.#enqueue(waiting),
      (reason: unknown) => waiting.reject(reason),
    );
  }
}

/** What one of many was refused with, as a call for it alone would have thrown it. */
export function errorOfProblem(problem: Problem | undefined): WritError {
  const {
    code = 'internal.error',
    detail = 'the answer says nothing',
    details = {},
    retry = false,
    hint,
  } = problem ?? {};
  return errorOf(detail, { code, retryable: retry, details, ...(hint ? { hint } : {}) });
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
