import type { StepContext } from '../define/context.js';
import type { Retry } from '../define/workflow.js';
import { isPlain } from '../codec/plain.js';
import { WritError } from '../errors/errors.js';
import { keyText, type Bytes, type Done, type Key, type Outcome, type RetryPolicy, type Wish } from './record.js';
import type { AskFirst } from './attempts.js';

/** What the worker does itself for a step or a call: one attempt of it. Must not throw. */
export interface Performance {
  attempt(ctx: StepContext, slot: Slot): Promise<{ value: unknown } | AskFirst>;
  readonly policy: RetryPolicy;
  /** What of the policy only this process can answer. */
  readonly retry?: Retry;
  /** Of one attempt; 0 is none. */
  readonly timeoutMs: number;
  /** The longest silence of one attempt. */
  readonly silenceMs?: number;
  readonly approvalTimeoutMs?: number;
}

/** What the function wishes, before it has a number. */
export type Request = {
  /** Given where the command is not counted by its issue: a loop has one for all that it records. */
  readonly occurrence?: number;
  readonly kind: Key['kind'];
  readonly name: string;
  /** Of the function: gives the command up. */
  readonly signal?: AbortSignal | undefined;
  /** A cancel of the run does not stop it. */
  readonly shielded?: boolean;
} & (
  | { readonly wish: Wish }
  | { readonly perform: Performance }
  /** Not asked for by the function: what came to it, which it answers. */
  | { readonly answers: true }
);

/** How a command ends that its function gave up. */
export const aborted = { code: 'run.aborted', message: 'the function gave it up' } as const;

/** Of a command. */
const maxNameLength = 256;

function checkName(name: string): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > maxNameLength)
    throw new WritError(`a name has 1 to ${maxNameLength} characters, not '${String(name).slice(0, 20)}'`, {
      code: 'input.invalid',
    });
  if (!isPlain(name))
    throw new WritError(`a name is text: ${JSON.stringify(name).slice(0, 40)} holds U+0000, or half of a character`, {
      code: 'input.invalid',
    });
}

/** One command of a run, from its issue to its end. */
export class Slot implements Key {
  readonly kind: Key['kind'];
  readonly name: string;
  readonly occurrence: number;
  readonly wish: Wish | undefined;
  readonly perform: Performance | undefined;
  readonly signal: AbortSignal | undefined;
  readonly outcome: Promise<Outcome>;
  /** `sent`: how its attempt ended is on its way, or with the scheduler; an entry says what comes of it. */
  phase: 'held' | 'waiting' | 'performing' | 'sent' | 'settled' = 'held';
  /** Attempts that failed so far. */
  failures = 0;
  /** What was reported as its value: the entry says only `recorded`. */
  sent: Bytes;
  /** The scheduler was told that nobody waits for it any more: nothing more is done for it. */
  givenUp = false;
  /** What its last attempt said last about itself. */
  progress: Bytes;
  /** Given by a person, for a call that needs it. */
  approval: string | undefined;
  /** The approval ended without a yes: this is how the call ends. */
  refusal: Done | undefined;
  abort: Pick<AbortController, 'abort' | 'signal'> | undefined;
  /** How an update came out, as soon as its handler has ended. */
  answer: Done | undefined;
  #settle!: (outcome: Outcome) => void;
  #reject!: (error: unknown) => void;

  constructor(
    request: Request,
    occurrence: number,
    /** Issued when the run was already cancelled, or shielded from that: clean-up, which works as always. */
    readonly afterCancel: boolean,
  ) {
    checkName(request.name);
    this.kind = request.kind;
    this.name = request.name;
    this.occurrence = occurrence;
    this.wish = 'wish' in request ? request.wish : undefined;
    this.perform = 'perform' in request ? request.perform : undefined;
    this.signal = request.signal;
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
    // The function may look at it later or never; that is no unhandled rejection of this process.
    this.outcome.catch(() => {});
  }

  get key(): string {
    return keyText(this);
  }

  settle(outcome: Outcome): void {
    this.phase = 'settled';
    // The function gets the reason that it gave, as from everything else that takes a signal.
    if (this.signal?.aborted && outcome.type === 'failed' && outcome.error.code === aborted.code)
      this.#reject(this.signal.reason);
    else this.#settle(outcome);
  }

  reject(error: unknown): void {
    this.phase = 'settled';
    this.#reject(error);
  }

  /** Opened by the function and not its own doing: what a cancellation cuts short. */
  get isOpenWait(): boolean {
    return this.phase !== 'settled' && this.wish !== undefined && !ownWishes.has(this.wish.type);
  }
}

/** Recorded for the function, and nothing that it waits for. */
const ownWishes: ReadonlySet<Wish['type']> = new Set(['emit', 'set', 'patch', 'loop']);

/** What is asked for where a call waits for an approval: under the name that the protocol gives it. */
export function approvalFor({ name, occurrence, perform }: Slot, approvalId: string): Request {
  const timeoutMs = perform?.approvalTimeoutMs ?? 0;
  const wish = { type: 'approval', approvalId, timeoutMs } as const;
  return { kind: 'approval', name: `${name}/${occurrence}/approval`, wish };
}

/** `name/2/approval` is the wait for the approval of the call `name#2`. */
export function callOfApproval(name: string): string | undefined {
  const [, call, occurrence] = /^(.+)\/(\d+)\/approval$/.exec(name) ?? [];
  return call === undefined ? undefined : `${call}#${occurrence}`;
}
