import type { Logger, StepContext, StepOptions } from '../define/context.js';
import type { Messages, WorkflowDefinition } from '../define/workflow.js';
import type { Effects } from './effects.js';
import type { RunExecutor } from './executor.js';
import { logger, type LogSink } from './log.js';
import type { Slot } from './slot.js';

/** How to take back a step that succeeded. */
export interface Undo {
  readonly slot: Slot;
  readonly run: (ctx: StepContext) => Promise<void>;
  readonly opts: Pick<StepOptions<never>, 'retry' | 'timeout'>;
}

/** What the parts of one run's context work on. */
export class RunScope {
  readonly undos: Undo[] = [];
  /** Sandboxes that this run created and did not stop. */
  readonly sandboxes = new Set<string>();

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
    return `${this.executor.runId}/${slot.key}/${attempt}`;
  }

  /** Silent while results are replayed. */
  get log(): Logger {
    return logger(this.sink, { workflow: this.definition.name, run: this.executor.runId }, () => !this.executor.silent);
  }
}
