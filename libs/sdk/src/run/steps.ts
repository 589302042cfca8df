import { decodeBytes } from '../codec/codec.js';
import { isByteStream, readingWith, StoredBytes } from '../codec/stored.js';
import type { StepContext, StepOptions, Undo } from '../define/context.js';
import { durationMs, type Duration } from '../define/duration.js';
import type { Retry } from '../define/workflow.js';
import { errorOfFailure } from './failure.js';
import { assertNotInStep } from './inside.js';
import type { Outcome } from './record.js';
import { policyOf } from './retry.js';
import type { RunScope } from './scope.js';

/** Milliseconds of an optional limit; 0 is none. */
export const limitMs = (timeout: Duration | undefined) =>
  timeout === undefined ? 0 : Math.max(1, durationMs(timeout));

/** The value that an entry carries. @throws the error that it carries */
export function valueOf(outcome: Outcome): unknown {
  if (outcome.type === 'failed') throw errorOfFailure(outcome.error);
  return outcome.type === 'completed' && outcome.value !== undefined ? decodeBytes(outcome.value) : undefined;
}

/** `ctx.step` */
export async function step<T>(
  scope: RunScope,
  name: string,
  fn: (ctx: StepContext) => T | Promise<T>,
  opts: StepOptions<T> = {},
): Promise<T> {
  assertNotInStep(`ctx.step('${name}')`);
  const { undos } = scope;
  const slot = scope.issue({
    kind: 'step',
    name,
    signal: opts.signal,
    perform: {
      policy: policyOf(opts.retry),
      ...(opts.retry ? { retry: opts.retry } : {}),
      timeoutMs: limitMs(opts.timeout),
      silenceMs: limitMs(opts.heartbeat),
      attempt: async (ctx) => ({ value: await stored(scope, ctx, () => fn(ctx)) }),
    },
  });
  const value = valueOf(await slot.outcome) as T;
  const { undo } = opts;
  if (undo) {
    const { run, retry, timeout }: Exclude<typeof undo, Undo<T>> = typeof undo === 'function' ? { run: undo } : undo;
    undos.push({ slot, run: (ctx) => run(value, ctx), retry, timeout });
  }
  return value;
}

/** Runs the code of a step, which may read what is stored. A stream that it gives is stored as it comes; its handle is the value. */
function stored({ effects }: RunScope, ctx: StepContext, code: () => unknown): Promise<unknown> {
  return readingWith(
    (at) => effects.read(at, ctx.signal),
    async () => {
      const value = await code();
      return isByteStream(value) ? new StoredBytes(await effects.store(alive(value, ctx), ctx.signal)) : value;
    },
  );
}

/** Each piece that comes is a sign of life of its step. */
async function* alive(content: AsyncIterable<Uint8Array>, ctx: StepContext): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    ctx.heartbeat();
    yield bytes;
  }
}

/** An effect of the platform (a sandbox, a message to a child) that is recorded like a call. */
export async function effect<T>(
  scope: RunScope,
  name: string,
  perform: (about: { effectId: string; signal: AbortSignal }) => Promise<T>,
  opts: { signal?: AbortSignal; timeout?: Duration; retry?: Retry } = {},
): Promise<T> {
  assertNotInStep(name);
  const slot = scope.issue({
    kind: 'call',
    name,
    signal: opts.signal,
    perform: {
      policy: policyOf(opts.retry),
      ...(opts.retry ? { retry: opts.retry } : {}),
      timeoutMs: limitMs(opts.timeout),
      attempt: async ({ signal }, slot) => ({ value: await perform({ effectId: scope.effectId(slot, 1), signal }) }),
    },
  });
  return valueOf(await slot.outcome) as T;
}
