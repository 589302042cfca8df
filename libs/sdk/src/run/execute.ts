import type { Amount } from '../define/limits.js';
import type { WorkflowDefinition } from '../define/workflow.js';
import type { Attempts } from './attempts.js';
import type { Effects, Timers } from './effects.js';
import { spend } from './spend.js';
import { RunExecutor } from './executor.js';
import { logger, type LogSink } from './log.js';
import type { Written } from './loop.js';
import { keyText, type Activation, type Key } from './record.js';
import type { RunPort } from './outbox.js';
import { RunScope } from './scope.js';
import { runToEnd } from './workflow-run.js';

/** What a worker runs its runs with; the same for all of them. */
export interface Surroundings {
  readonly effects: Effects;
  readonly attempts: Attempts;
  readonly timers: Timers;
  readonly log: LogSink;
  /** Whether a loop is to begin a generation. */
  readonly endsGeneration?: (written: Written) => boolean;
}

/** Sandboxes that a run left open get this long to stop before its end is reported; the runner's own limit stops them in any case. */
const closingMs = 5_000;

/** An executor for one run; `start` begins it. */
export function execute(
  definition: WorkflowDefinition,
  activation: Activation,
  port: RunPort,
  around: Surroundings,
): { executor: RunExecutor; start(): Promise<void> } {
  const performer = {
    runId: activation.runId,
    life: activation.life ?? activation.runId,
    timers: around.timers,
    spend: (amount: Amount) => spend(around.effects, activation.runId, amount),
    log: (slot: Key, attempt: number) =>
      logger(
        around.log,
        { workflow: definition.name, run: activation.runId, step: keyText(slot), attempt },
        () => true,
      ),
  };
  const beforeEnd = () => closeSandboxes(scope, around.timers);
  const executor = new RunExecutor(
    activation,
    { report: (report) => port.report(report), write: (...written) => port.write?.(...written), beforeEnd },
    around.attempts,
    performer,
  );
  const scope = new RunScope(definition, executor, around.effects, around.log);
  if (around.endsGeneration) scope.endsGeneration = around.endsGeneration;
  return { executor, start: () => executor.start(() => runToEnd(scope)) };
}

async function closeSandboxes(scope: RunScope, timers: Timers): Promise<void> {
  if (scope.sandboxes.size === 0) return;
  const port = scope.effects.sandboxes(scope.executor.runId);
  const stopped = Promise.allSettled([...scope.sandboxes].map((id) => port.stop(id, 'the run has ended', undefined)));
  let cancel = () => {};
  const late = new Promise<void>((resolve) => (cancel = timers.after(closingMs, resolve)));
  await Promise.race([stopped, late]);
  cancel();
}
