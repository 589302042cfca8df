import type { StoredAt } from '../codec/stored.js';
import type { StepContext } from '../define/context.js';
import type { Counted } from '../define/limits.js';
import type { ToolDefinition } from '../define/tool.js';
import type { SandboxPort } from '../sandbox/port.js';
import type { CancelReceipt } from '../client/run.js';
import type { Bytes } from './record.js';

/** About one governed effect of a run. */
export interface EffectAbout {
  readonly runId: string;
  /** `run/name#occurrence/attempt`: the same id is performed once. */
  readonly effectId: string;
  /** Given by a person for exactly this effect. */
  readonly approval: string | undefined;
  readonly signal: AbortSignal;
}

/** What came of a governed call. A denial is thrown, as DeniedError. */
export type CallOutcome =
  { readonly type: 'done'; readonly value: unknown } | { readonly type: 'ask'; readonly approvalId: string };

/** The world of a run: everything that it does beyond its own code. The real one speaks to the services; the one for tests is in process. */
export interface Effects {
  /** An MCP tool, `<server>/<tool>`. */
  callTool(tool: string, input: unknown, about: EffectAbout): Promise<CallOutcome>;
  /** A tool of this SDK: policy and intent first, then its code in this process, then the outcome; or the platform's own (`recall`, …). */
  callDefined(tool: ToolDefinition, input: unknown, about: EffectAbout, ctx: StepContext): Promise<CallOutcome>;
  send(runId: string, message: string, data: Bytes, about: EffectAbout): Promise<void>;
  /** The answer of another run. */
  query(runId: string, query: string, data: Bytes, about: EffectAbout): Promise<Bytes>;
  /** What another run does for this one; the effect id is its idempotency key. */
  update(runId: string, update: string, data: Bytes, about: EffectAbout): Promise<Bytes>;
  cancel(runId: string, opts: { reason?: string; force?: boolean }, about: EffectAbout): Promise<CancelReceipt>;
  /** Takes an amount out of the budget of a run, under a name that is taken once. @throws WritError `run.budget_exhausted` */
  reserve(runId: string, reservation: string, amount: Counted): Promise<void>;
  /** What was spent of it. */
  settle(runId: string, reservation: string, used: Counted): Promise<void>;
  /** Stores bytes as they come. @throws WritError `run.value_too_large` */
  store(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<StoredAt>;
  read(at: StoredAt, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Sandboxes under the authority of this run. */
  sandboxes(runId: string): SandboxPort;
}

/** Time, as far as a worker measures it itself: the limit of a step's attempt. */
export interface Timers {
  now(): number;
  /** @returns a function that takes it back */
  after(ms: number, fire: () => void): () => void;
}

/** The clock of the machine. */
export const systemTimers: Timers = {
  now: () => Date.now(),
  after(ms, fire) {
    // setTimeout counts in 32 bits; what is longer than 24 days is not a limit for one attempt of a step.
    const timer = setTimeout(fire, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
