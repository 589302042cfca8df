import { AsyncLocalStorage } from 'node:async_hooks';
import type { Problem } from '@writ/proto/run/v1/run';
import { errorOf } from '../errors/error-of.js';
import type { WritError } from '../errors/errors.js';
import { maxAttempts, retryDelayMs, type Session } from './session.js';
import { activeTrace } from './trace.js';

/** What became of one of many, as the answer has it: `problem`, or what was asked for. */
export interface Outcome {
  readonly outcome: { readonly case: string | undefined; readonly value?: unknown };
}

/** One that waits for its outcome. */
interface Waiting<Request, Response> {
  readonly request: Request;
  readonly bytes: number;
  readonly signal: AbortSignal | undefined;
  readonly trace: string | undefined;
  /** Calls in the surroundings of whoever asked for it, so that its trace goes on. */
  readonly within: <T>(act: () => T) => T;
  resolve(response: Response): void;
  reject(reason: unknown): void;
  attempts: number;
}

const most = 10_000;
/** A call grows to about this; a larger value goes in one of its own. */
const mostBytes = 1024 * 1024;
const here = <T>(act: () => T): T => act();

/**
 * Small calls of one client, gathered. Those of one turn of the event loop go in one call, and what is asked for while as many calls as may be are on their
 * way goes in the next: nobody waits for others to come. Each has its own outcome, and is tried again by itself where that may help; its id makes that harmless.
 */
export class Together<Request, Response> {
  #waiting: Waiting<Request, Response>[] = [];
  #calls = 0;
  #soon = false;

  /** @param mostCalls that are under way at a time */
  constructor(
    private readonly session: Session,
    private readonly mostCalls: number,
    private readonly call: (requests: Request[]) => Promise<readonly Outcome[]>,
  ) {}

  /** @throws WritError; the reason of an aborted signal */
  add(request: Request, bytes: number, signal: AbortSignal | undefined): Promise<Response> {
    signal?.throwIfAborted();
    const trace = activeTrace();
    const within = trace === undefined ? here : AsyncLocalStorage.snapshot();
    const done = new Promise<Response>((resolve, reject) =>
      this.#enqueue({ request, bytes, signal, trace, within, resolve, reject, attempts: 0 }),
    );
    return signal ? unlessAborted(done, signal) : done;
  }

  #enqueue(waiting: Waiting<Request, Response>): void {
    this.#waiting.push(waiting);
    if (this.#soon || this.#calls >= this.mostCalls) return;
    this.#soon = true;
    // Not at once: whoever asks for many in a loop gets them into one call.
    queueMicrotask(() => {
      this.#soon = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#calls++;
    while (this.#waiting.length > 0) {
      const batch = this.#next();
      if (batch.length > 0) await this.#send(batch);
    }
    this.#calls--;
  }

  /** From the front: what fits into one call, of one trace. Nobody waits any more for what was aborted. */
  #next(): Waiting<Request, Response>[] {
    const waiting = this.#waiting;
    let bytes = 0;
    let end = 0;
    while (end < waiting.length && end < most) {
      const { trace, bytes: more } = waiting[end] as Waiting<Request, Response>;
      if (end > 0 && (trace !== waiting[0]?.trace || bytes + more > mostBytes)) break;
      bytes += more;
      end++;
    }
    return waiting.splice(0, end).filter(({ signal }) => !signal?.aborted);
  }

  async #send(batch: readonly Waiting<Request, Response>[]): Promise<void> {
    const [{ within }] = batch as [Waiting<Request, Response>];
    try {
      const outcomes = await within(() => this.call(batch.map(({ request }) => request)));
      batch.forEach((waiting, i) => {
        const outcome = outcomes[i]?.outcome;
        if (outcome?.case === undefined || outcome.case === 'problem')
          this.#refused(waiting, errorOfProblem(outcome?.value as Problem | undefined));
        else waiting.resolve(outcome.value as Response);
      });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }

  #refused(waiting: Waiting<Request, Response>, error: WritError): void {
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
