import { decodeBytes, encodeBytes } from '../codec/codec.js';
import { parse } from '../define/schema.js';
import { CancelledError, TimeoutError } from '../errors/errors.js';
import { contextOf } from './context.js';
import { failureOf } from './failure.js';
import { joined } from './join.js';
import type { RunEnd } from './record.js';
import type { RunScope, Undoing } from './scope.js';
import { policyOf, runDelayMs } from './retry.js';
import { limitMs, valueOf } from './steps.js';

/** Of one attempt to take a step back: what hangs must not keep a cancelled run for ever. */
const undoTimeout = '5m';

/** Runs the workflow's function to its end, tries it again where its definition says so, and takes back what it must. Never throws. */
export async function runToEnd(scope: RunScope): Promise<RunEnd> {
  const { executor } = scope;
  limitTime(scope);
  try {
    const value = await tryFunction(scope);
    return { type: 'completed', value: value === undefined ? undefined : encodeBytes(value) };
  } catch (thrown) {
    if (!executor.cancellation.requested) await awaitChildren(scope).catch(() => {}); // they are cancelled with it
    const error = executor.cancellation.requested ? executor.cancellation.error : thrown;
    const { undone, notUndone } = await undoAll(scope);
    if (error instanceof CancelledError && executor.cancellation.requested) {
      const { stopped, outcomeUnknown } = executor.cancellation.receipt(executor.open());
      const sandboxes = [...scope.sandboxes].map((id) => `sandbox ${id}`);
      const receipt = {
        stopped: [...stopped, ...sandboxes],
        undone,
        outcomeUnknown: [...outcomeUnknown, ...notUndone],
      };
      return { type: 'cancelled', receipt };
    }
    if (undone.length + notUndone.length === 0) return { type: 'failed', error: failureOf(error) };
    return { type: 'failed', error: failureOf(error), receipt: { stopped: [], undone, outcomeUnknown: notUndone } };
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
      await scope.handlers.settled();
      await awaitChildren(scope);
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

/** Children that were started to end first, however they end. */
async function awaitChildren(scope: RunScope): Promise<void> {
  const children = [...new Set(scope.awaited.splice(0))];
  if (children.length > 0) await joined(scope, children, 0);
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
async function undoAll(scope: RunScope): Promise<{ undone: string[]; notUndone: string[] }> {
  const undone: string[] = [];
  const notUndone: string[] = [];
  const undos = scope.undos.splice(0).reverse();
  if (undos.length > 0) scope.executor.undo(undos.map(nameOf));
  for (const undo of undos)
    try {
      await undoOne(scope, undo);
      undone.push(`step ${undo.slot.name}/${undo.slot.occurrence}`);
    } catch (error) {
      notUndone.push(nameOf(undo));
      const { code, message } = failureOf(error);
      scope.log.error(`step '${undo.slot.key}' could not be taken back`, { code, message });
    }
  return { undone, notUndone };
}

/** Of the command that takes a step back. */
const nameOf = ({ slot }: Undoing) => `undo ${slot.name}/${slot.occurrence}`.slice(0, 256);

async function undoOne(scope: RunScope, undo: Undoing): Promise<void> {
  const slot = scope.executor.issue({
    kind: 'step',
    name: nameOf(undo),
    shielded: true,
    perform: {
      policy: policyOf(undo.retry),
      ...(undo.retry ? { retry: undo.retry } : {}),
      timeoutMs: limitMs(undo.timeout ?? undoTimeout),
      attempt: async (ctx) => ({ value: await undo.run(ctx) }),
    },
  });
  valueOf(await slot.outcome);
}
