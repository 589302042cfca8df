import { createHash } from 'node:crypto';
import type { Logger, StepContext } from '../define/context.js';
import type { Duration } from '../define/duration.js';
import type { Messages, Retry, WorkflowDefinition } from '../define/workflow.js';
import type { Effects } from './effects.js';
import type { RunExecutor } from './executor.js';
import { logger, type LogSink } from './log.js';
import type { Slot } from './slot.js';

/** What every service takes; a longer id is shortened by a hash of the command's name. */
const maxEffectId = 255;

/** How to take back a step that succeeded. */
export interface Undoing {
  readonly slot: Slot;
  readonly run: (ctx: StepContext) => Promise<void>;
  readonly retry?: Retry | undefined;
  readonly timeout?: Duration | undefined;
}

/** What the parts of one run's context work on. */
export class RunScope {
  readonly undos: Undoing[] = [];
  /** Sandboxes that this run created and did not stop. */
  readonly sandboxes = new Set<string>();
  /** Which way the run goes where its code was changed, by the patch's id. */
  readonly patches = new Map<string, boolean>();

  constructor(
    readonly definition: WorkflowDefinition,
    readonly executor: RunExecutor,
    readonly effects: Effects,
    private readonly sink: LogSink,
  ) {}

  get messages(): Messages {
    return this.definition.messages ?? {};
  }

  /** `run/name#occurrence/attempt`: the same id is performed once. */
  effectId(slot: Slot, attempt: number): string {
    const id = `${this.executor.runId}/${slot.key}/${attempt}`;
    if (id.length <= maxEffectId) return id;
    return `${this.executor.runId}/${createHash('sha256').update(slot.key).digest('base64url')}/${attempt}`;
  }

  /** Silent while results are replayed. */
  get log(): Logger {
    return logger(this.sink, { workflow: this.definition.name, run: this.executor.runId }, () => !this.executor.silent);
  }
}
