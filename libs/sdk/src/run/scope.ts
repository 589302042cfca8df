import { createHash } from 'node:crypto';
import type { Logger, StepContext } from '../define/context.js';
import type { Duration } from '../define/duration.js';
import type { Messages, Retry, WorkflowDefinition } from '../define/workflow.js';
import type { Effects } from './effects.js';
import type { RunExecutor } from './executor.js';
import { logger, type LogSink } from './log.js';
import { nameInTurn } from './inside.js';
import { isLong, type Written } from './loop.js';
import { Handlers } from './handlers.js';
import type { Request, Slot } from './slot.js';

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
  /** Children that are to end before their parent. */
  readonly awaited: string[] = [];
  /** Sandboxes that this run created and did not stop. */
  readonly sandboxes = new Set<string>();
  /** Which way the run goes where its code was changed, by the patch's id. */
  readonly handlers: Handlers;
  readonly patches = new Map<string, boolean>();
  /** Whether a loop is to begin a generation. */
  endsGeneration: (written: Written) => boolean = isLong;

  constructor(
    readonly definition: WorkflowDefinition,
    readonly executor: RunExecutor,
    readonly effects: Effects,
    private readonly sink: LogSink,
  ) {
    this.handlers = executor.handlers = new Handlers(definition, executor.runId);
  }

  get messages(): Messages {
    return this.definition.messages ?? {};
  }

  /** A command of the function, under a name of its own in each turn of a loop. */
  issue(request: Request): Slot {
    const name = nameInTurn(request.name);
    return this.executor.issue(name === request.name ? request : { ...request, name });
  }

  /** A turn of a loop that is over is not taken back any more. */
  forgetUndos(turn: string): void {
    for (let at = this.undos.length - 1; at >= 0; at--)
      if (this.undos[at]?.slot.name.startsWith(turn)) this.undos.splice(at, 1);
  }

  /** `run/name#occurrence/attempt`: the same id is performed once. */
  effectId(slot: Slot, attempt: number): string {
    const { id: life } = this.executor.lives;
    const id = `${life}/${slot.key}/${attempt}`;
    if (id.length <= maxEffectId) return id;
    return `${life}/${createHash('sha256').update(slot.key).digest('base64url')}/${attempt}`;
  }

  /** Silent while results are replayed. */
  get log(): Logger {
    return logger(this.sink, { workflow: this.definition.name, run: this.executor.runId }, () => !this.executor.silent);
  }
}
