import type { WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import type { RunExecutor } from './executor.js';
import { failureOf } from './failure.js';
import type { Question } from './handlers.js';
import type { Activation, Bytes, Failure } from './record.js';
import { copyOf } from './strict-replay.js';

/** What a run says to a question; `gone` where it is not to be asked, or not now. */
export type Verdict =
  | { readonly type: 'completed'; readonly value: Bytes; readonly entries: number }
  | { readonly type: 'failed'; readonly error: Failure }
  | { readonly type: 'gone' };

const gone = { type: 'gone' } as const;

/** Asks a run when it has come to rest; about an update also not before the one before it is answered. */
export async function consult(executor: RunExecutor, question: Question): Promise<Verdict> {
  let entries = await executor.atRest();
  while (question.update && entries !== undefined && executor.handling) {
    await executor.handling.outcome.catch(() => {});
    entries = await executor.atRest();
  }
  if (entries === undefined || !executor.handlers) return gone;
  if (question.update && executor.cancellation.requested) return refused('the run is being cancelled', 'run.cancelled');
  try {
    return { type: 'completed', value: await executor.handlers.ask(question), entries };
  } catch (error) {
    return { type: 'failed', error: failureOf(error) };
  }
}

/** Asks a copy of a run, made from its record alone. */
export async function consultCopy(
  definition: WorkflowDefinition,
  activation: Activation,
  question: Question,
): Promise<Verdict> {
  const { executor, rehearse } = copyOf(definition, activation);
  const difference = await rehearse();
  if (difference) return refused(difference.text, 'run.diverged');
  if (question.update && executor.handling) return gone;
  if (question.update && executor.cancellation.requested) return refused('the run is being cancelled', 'run.cancelled');
  try {
    return { type: 'completed', value: await executor.handlers?.ask(question), entries: 0 };
  } catch (error) {
    return { type: 'failed', error: failureOf(error) };
  }
}

function refused(message: string, code: string): Verdict {
  return { type: 'failed', error: failureOf(new WritError(message, { code })) };
}
