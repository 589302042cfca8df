import type { Run } from '../client/run.js';
import type { CallOptions } from '../define/context.js';
import { TimeoutError, WritError } from '../errors/errors.js';
import { assertNotInStep } from './inside.js';
import type { ChildEnd } from './record.js';
import type { RunScope } from './scope.js';
import { limitMs, valueOf } from './steps.js';

/** `ctx.join`: one wait for several children, and then what they gave. */
export async function join(
  scope: RunScope,
  children: readonly Pick<Run, 'id'>[],
  opts: CallOptions & { need?: number } = {},
): Promise<unknown[]> {
  assertNotInStep('ctx.join');
  const { need = children.length, signal } = opts;
  const runIds = children.map(({ id }) => id);
  if (!Number.isInteger(need) || need < 0 || need > runIds.length || new Set(runIds).size < runIds.length)
    throw new WritError(`${need} of ${runIds.length} children cannot be waited for; each stands there once`, {
      code: 'input.invalid',
    });
  if (runIds.length === 0) return [];
  const ends = await joined(scope, runIds, need, opts);
  const given = runIds.map(async (runId, at) => {
    if (ends[at]?.type !== 'completed') return undefined;
    const result = { type: 'result', runId, timeoutMs: 0 } as const;
    return valueOf(await scope.issue({ kind: 'result', name: 'join/result', signal, wish: result }).outcome);
  });
  return Promise.all(given);
}

/** Waits until so many of these children have succeeded, or with 0 until all have ended. How they ended; what they gave is had by their results. */
export async function joined(
  scope: RunScope,
  runIds: readonly string[],
  need: number,
  { signal, timeout }: CallOptions = {},
): Promise<readonly (ChildEnd | undefined)[]> {
  const wish = { type: 'join', runIds, need, timeoutMs: limitMs(timeout) } as const;
  const outcome = await scope.issue({ kind: 'result', name: 'join', signal, wish }).outcome;
  if (outcome.type === 'timed_out')
    throw new TimeoutError(`${need || 'all'} of ${runIds.length} children did not end in time`, {
      code: 'run.result_timeout',
    });
  valueOf(outcome);
  return outcome.type === 'joined' ? outcome.ends : [];
}
