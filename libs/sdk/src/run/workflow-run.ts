import { decodeBytes, encodeBytes } from '../codec/codec.js';
import { parse } from '../define/schema.js';
import { CancelledError, TimeoutError, WritError } from '../errors/errors.js';
import { contextOf } from './context.js';
import { failureOf } from './failure.js';
import type { RunEnd } from './record.js';
import type { RunScope, Undo } from './scope.js';
import { policyOf, runDelayMs } from './retry.js';
import { limitMs, valueOf } from './steps.js';

/** Runs the workflow's function to its end, tries it again where its definition says so, and takes back what it must. Never throws. */
export async function runToEnd(scope: RunScope): Promise<RunEnd> {
  const { definition, executor } = scope;
  limitTime(scope);
  try {
    const value = await tryFunction(scope);
    return { type: 'completed', value: value === undefined ? undefined : encodeBytes(value) };
  } catch (thrown) {
    const error = executor.cancellation.requested ? executor.cancellation.error : thrown;
    const notUndone = await undoAll(scope);
    if (error instanceof CancelledError && executor.cancellation.requested) {
      const receipt = executor.cancellation.receipt(executor.open());
      return { type: 'cancelled', receipt: { ...receipt, outcomeUnknown: [...receipt.outcomeUnknown, ...notUndone] } };
    }
    if (notUndone.length > 0)
      scope.log.error('what the run did could not be taken back', { notUndone, workflow: definition.name });
    return { type: 'failed', error: failureOf(error) };
  }
}

async function tryFunction(scope: RunScope): Promise<unknown> {
  const { definition } = scope;
  const { input } = scope.executor.activation;
  const parsed: unknown = await parse(
    definition.input,
    input === undefined ? undefined : decodeBytes(input),
    `the input of the workflow '${definition.name}'`,
  );
  for (let attempt = 1; ; attempt++)
    try {
      const value = await definition.run(contextOf(scope), parsed);
      return await parse(definition.output, value, `the output of the workflow '${definition.name}'`);
    } catch (error) {
      const { executor } = scope;
      const delayMs = definition.retry && runDelayMs(definition.retry, error, attempt, executor.now.getTime());
      if (delayMs === undefined || executor.cancellation.requested) throw error;
      const { code, message } = failureOf(error);
      scope.log.warn('the run failed and is tried again', { attempt, code, message });
      await executor.issue({ kind: 'sleep', name: 'retry', wish: { type: 'sleep', durationMs: delayMs } }).outcome;
    }
}

/** The limit of the whole run is a recorded timer like any other. */
function limitTime({ definition, executor }: RunScope): void {
  const durationLimit = limitMs(definition.timeout);
  if (durationLimit === 0) return;
  const timer = executor.issue({ kind: 'sleep', name: 'timeout', wish: { type: 'sleep', durationMs: durationLimit } });
  timer.outcome.then(
    () =>
      executor.cancel('', new TimeoutError(`the run took longer than ${definition.timeout}`, { code: 'run.timeout' })),
    () => {},
  );
}

/** Takes back what succeeded, last first. An undo that fails for good does not stop the others. */
async function undoAll(scope: RunScope): Promise<string[]> {
  const failed: string[] = [];
  for (let undo = scope.undos.pop(); undo; undo = scope.undos.pop())
    try {
      await undoOne(scope, undo);
    } catch (error) {
      failed.push(`undo ${undo.slot.key}`);
      scope.log.error(`undo of step '${undo.slot.key}' failed`, {
        error: WritError.is(error) ? error.code : String(error),
      });
    }
  return failed;
}

async function undoOne(scope: RunScope, undo: Undo): Promise<void> {
  const slot = scope.executor.issue({
    kind: 'step',
    name: `undo ${undo.slot.name}/${undo.slot.occurrence}`.slice(0, 256),
    perform: {
      policy: policyOf(undo.opts.retry),
      timeoutMs: limitMs(undo.opts.timeout),
      attempt: async (ctx) => ({ value: await undo.run(ctx) }),
    },
  });
  valueOf(await slot.outcome);
}
