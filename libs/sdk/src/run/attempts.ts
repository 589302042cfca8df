import type { Pulse } from './pulse.js';
import type { Done } from './record.js';
import type { Writing } from './writing.js';

/** One attempt of a step or call that is being made, or was made and is not recorded yet. */
export interface LiveAttempt {
  readonly done: Promise<Done | AskFirst>;
  readonly abort: Pick<AbortController, 'abort' | 'signal'>;
  readonly pulse: Pulse;
  readonly writing: Writing;
}

/** A call that policy lets pass only with an approval: not done, wait for this first. */
export interface AskFirst {
  readonly type: 'ask-first';
  readonly approvalId: string;
}

/**
 * What this process is doing for runs, by effect. It outlives a stream: if the connection to the scheduler is lost and the run comes back to this
 * process, the attempt that is still going on (or whose outcome did not get through) is taken up, not made a second time.
 */
export class Attempts {
  readonly #live = new Map<string, LiveAttempt & { owner: object; orphan?: NodeJS.Timeout }>();

  /** @param graceMs how long an attempt whose run was lost may go on before it is aborted */
  constructor(private readonly graceMs: number) {}

  /** Makes the attempt, or takes up the one that is there. */
  make(effect: string, owner: object, start: () => LiveAttempt): LiveAttempt {
    const found = this.#live.get(effect);
    if (found) {
      clearTimeout(found.orphan);
      delete found.orphan;
      found.owner = owner;
      return found;
    }
    const attempt = { ...start(), owner };
    this.#live.set(effect, attempt);
    return attempt;
  }

  /** Its outcome is in the ledger. */
  forget(effect: string): void {
    clearTimeout(this.#live.get(effect)?.orphan);
    this.#live.delete(effect);
  }

  /** Nobody wants it any more, unless another owner has taken it up. */
  giveUp(effect: string, owner: object, reason: unknown): void {
    const attempt = this.#live.get(effect);
    if (attempt?.owner !== owner) return;
    this.forget(effect);
    attempt.abort.abort(reason);
  }

  /** Nobody wants it any more, whoever made it: the run is here now. */
  end(effect: string, reason: unknown): void {
    const attempt = this.#live.get(effect);
    this.forget(effect);
    attempt?.abort.abort(reason);
  }

  /** The run was lost together with the stream: it may come back here within the grace period. */
  orphan(effect: string, owner: object, reason: unknown): void {
    const attempt = this.#live.get(effect);
    if (attempt?.owner !== owner) return;
    attempt.writing.to(undefined);
    attempt.orphan = setTimeout(() => this.giveUp(effect, owner, reason), this.graceMs);
    attempt.orphan.unref();
  }
}
