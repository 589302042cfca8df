import type { Duration } from '../define/duration.js';

/** What policy said about one action. */
export interface Decision {
  readonly id: string;
  readonly outcome: 'allow' | 'deny' | 'ask';
  /** The policies that determined it, with their text for people. */
  readonly reasons: readonly { readonly code: string; readonly policy: string; readonly text: string }[];
  readonly approvalId?: string;
  readonly expires?: Date;
}

/** Everything an error of Writ carries besides its message. */
export interface WritErrorOptions {
  code: string;
  retryable?: boolean;
  details?: Readonly<Record<string, unknown>>;
  requestId?: string;
  hint?: string;
  cause?: unknown;
}

const brand = Symbol.for('writ.error');
const docsBase = 'https://writ.dev/errors/';

/**
 * The one error of Writ. `code` is permanent and the same on the wire, in the CLI and in the docs; what to do next follows from the
 * class (`DeniedError`, `CancelledError`, `TimeoutError`) or from the code: `WritError.is(error, 'run.not_found')`.
 */
export class WritError extends Error {
  override readonly name: string = 'WritError';
  readonly code: string;
  /** The same call may succeed later without any change. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  /** Give it to whoever operates the server: it is in its logs. */
  declare readonly requestId?: string;
  /** A page about this code. */
  readonly docs: string;
  /** What to do about it. */
  declare readonly hint?: string;
  readonly [brand] = true;

  constructor(message: string, options: WritErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
    this.docs = docsBase + options.code;
    if (options.requestId !== undefined) this.requestId = options.requestId;
    if (options.hint !== undefined) this.hint = options.hint;
  }

  /** Recognises errors of another copy of this package too, which `instanceof` does not. */
  static is<C extends string>(error: unknown, code?: C): error is WritError & { readonly code: C } {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false;
    return code === undefined || (error as WritError).code === code;
  }
}

/** Policy, or a person, said no. */
export class DeniedError extends WritError {
  override readonly name = 'DeniedError';
  readonly decision: Decision;
  constructor(message: string, options: Omit<WritErrorOptions, 'code'> & { decision: Decision; code?: string }) {
    super(message, { ...options, code: options.code ?? 'policy.denied' });
    this.decision = options.decision;
  }
}

/** The run was cancelled while this was waited for. Let it pass, or clean up in `finally`: steps still work there. */
export class CancelledError extends WritError {
  override readonly name = 'CancelledError';
  constructor(message = 'the run is cancelled', options: Partial<WritErrorOptions> = {}) {
    super(message, { ...options, code: options.code ?? 'run.cancelled' });
  }
}

/** The time given for this wait, step or call is over. Nobody said no. */
export class TimeoutError extends WritError {
  override readonly name = 'TimeoutError';
  constructor(message: string, options: Partial<WritErrorOptions> = {}) {
    super(message, { ...options, code: options.code ?? 'request.deadline_exceeded' });
  }
}

/** Thrown by your code in a step or tool: do not try again. */
export class FatalError extends WritError {
  override readonly name = 'FatalError';
  constructor(message: string, options: { code?: string; cause?: unknown; details?: object } = {}) {
    super(message, {
      code: options.code ?? 'step.fatal',
      details: (options.details ?? {}) as Readonly<Record<string, unknown>>,
      cause: options.cause,
    });
  }
}

/** Thrown by your code in a step or tool: try again, and not before `after`. */
export class RetryError extends WritError {
  override readonly name = 'RetryError';
  declare readonly after?: Duration | Date;
  constructor(message: string, options: { after?: Duration | Date; cause?: unknown } = {}) {
    super(message, { code: 'step.retry', retryable: true, cause: options.cause });
    if (options.after !== undefined) this.after = options.after;
  }
}
