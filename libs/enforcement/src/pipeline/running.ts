import type { Authority } from './ports.js';
import type { ActingCaller, Performed } from './request.js';

/** An act in this process. */
export interface Act {
  readonly caller: ActingCaller;
  readonly effectId: string;
  /** Action, resource and digest: a repeat with another one does not join. */
  readonly what: string;
  readonly authority: Authority;
}

/** From its intent until its outcome is recorded. */
interface Run extends Act {
  readonly abort: AbortController;
  readonly result: Promise<Performed<unknown>>;
}

/** The acts that this process performs right now. */
export class Running {
  private readonly runs = new Map<string, Run>();

  get size(): number {
    return this.runs.size;
  }

  has(tenant: string, effectId: string): boolean {
    return this.runs.has(`${tenant}\n${effectId}`);
  }

  /** The same effect of the same principal, if it is being performed: its repeat waits for this one. */
  find(caller: ActingCaller, effectId: string, what: string): Promise<Performed<unknown>> | undefined {
    const run = this.runs.get(`${caller.tenant}\n${effectId}`);
    return run !== undefined && run.what === what && run.caller.principal === caller.principal ? run.result : undefined;
  }

  /** Performs `work`; another call that finds it meanwhile gets the same result. */
  async during<T>(act: Act, work: (signal: AbortSignal) => Promise<Performed<T>>): Promise<Performed<T>> {
    const { caller } = act;
    const key = `${caller.tenant}\n${act.effectId}`;
    const abort = new AbortController();
    const signal = caller.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, caller.signal]);
    const result = work(signal);
    // A repeat may come first with a refusal (other arguments): the entry in place belongs to the act that was intended.
    if (this.runs.has(key)) return result;
    this.runs.set(key, { ...act, abort, result });
    try {
      return await result;
    } finally {
      this.runs.delete(key);
    }
  }

  /** Aborts every act whose caller has lost its authority. */
  abortRevoked(): void {
    for (const { authority, abort } of this.runs.values()) {
      const reason = authority.lost();
      if (reason !== undefined) abort.abort(reason);
    }
  }

  /** Resolves when every act has recorded its outcome. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.runs.values()].map(({ result }) => result));
  }
}
