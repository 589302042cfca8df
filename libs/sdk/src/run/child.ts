import { decodeBytes, encodeBytes } from '../codec/codec.js';
import type { Run, StartOptions } from '../client/run.js';
import { checkAttributes } from '../define/attributes.js';
import type { CallOptions } from '../define/context.js';
import { givenBytes } from '../define/given.js';
import { countedLimits } from '../define/limits.js';
import { parse } from '../define/schema.js';
import { definitionOf, type Workflow, type WorkflowDefinition } from '../define/workflow.js';
import { TimeoutError, WritError } from '../errors/errors.js';
import { assertNotInStep } from './inside.js';
import type { Bytes } from './record.js';
import type { RunScope } from './scope.js';
import { effect, limitMs, valueOf } from './steps.js';

/** @throws WritError `unsupported` for what this version cannot start with yet */
export function checkStartOptions(opts: StartOptions, where: 'run' | 'client'): void {
  const elsewhere = where === 'run' ? (['at', 'fork', 'send'] as const) : (['onParentEnd'] as const);
  const unsupported = (['onBehalfOf', ...elsewhere] as const).find((name) => opts[name] !== undefined);
  if (unsupported)
    throw new WritError(`start does not know '${unsupported}' yet`, {
      code: 'unsupported',
      details: { option: unsupported },
    });
}

/** `ctx.start`: a child run, with the parent's rights or narrower ones. */
export async function start(
  scope: RunScope,
  workflow: Workflow,
  input: unknown,
  opts: StartOptions = {},
): Promise<Run<unknown>> {
  assertNotInStep(`ctx.start(${workflow.name})`);
  checkStartOptions(opts, 'run');
  const def = definitionOf<WorkflowDefinition>(workflow);
  await parse(def.input, input, `the input of the workflow '${def.name}'`);
  const { limits = def.limits, attributes } = opts;
  if (attributes) checkAttributes(attributes, false);
  const slot = scope.issue({
    kind: 'child',
    name: workflow.name,
    wish: {
      type: 'start',
      runId: opts.id ?? '',
      workflow: workflow.name,
      input: input === undefined ? undefined : encodeBytes(input),
      queue: opts.queue ?? '',
      ...(def.version !== undefined && { version: def.version, pinned: def.pinned ?? false }),
      key: opts.key ?? '',
      priority: opts.priority ?? 0,
      ...(opts.grant ? { grant: opts.grant } : {}),
      ...(limits ? { limits: countedLimits(limits) } : {}),
      ...(attributes && { attributes: { ...attributes } }),
      attach: opts.onConflict === 'attach',
      ...(opts.onParentEnd === 'cancel' && { cancelWithParent: true }),
    },
  });
  const outcome = await slot.outcome;
  if (outcome.type !== 'started') valueOf(outcome);
  else if (opts.onParentEnd === 'wait') scope.awaited.push(outcome.runId);
  return childRun(scope, outcome.type === 'started' ? outcome.runId : '', `${workflow.name}/${slot.occurrence}`, def);
}

interface Acting {
  effectId: string;
  signal: AbortSignal;
}

const decoded = (bytes: Bytes) => (bytes === undefined ? undefined : decodeBytes(bytes));

function childRun(scope: RunScope, id: string, name: string, def: WorkflowDefinition): Run<unknown> {
  const about = (effectId: string, signal: AbortSignal) => ({
    runId: scope.executor.runId,
    effectId,
    approval: undefined,
    signal,
  });
  return {
    id,
    result: (opts) => childResult(scope, id, name, opts),
    async send(message, data, opts) {
      const bytes = await givenBytes(def, 'message', message, data);
      await effect(scope, `${name}/send/${message}`, async ({ effectId, signal }) => {
        await scope.effects.send(id, message, bytes, about(opts?.idempotencyKey ?? effectId, signal));
      });
    },
    async query(query: string, input?: unknown) {
      const bytes = await givenBytes(def, 'query', query, input);
      return effect(scope, `${name}/query/${query}`, async ({ effectId, signal }) =>
        decoded(await scope.effects.query(id, query, bytes, about(effectId, signal))),
      );
    },
    async update(update: string, input?: unknown, opts: CallOptions & { idempotencyKey?: string } = {}) {
      const bytes = await givenBytes(def, 'update', update, input);
      const act = async ({ effectId, signal }: Acting) =>
        decoded(await scope.effects.update(id, update, bytes, about(opts.idempotencyKey ?? effectId, signal)));
      return effect(scope, `${name}/update/${update}`, act, {
        ...(opts.signal && { signal: opts.signal }),
        ...(opts.timeout !== undefined && { timeout: opts.timeout }),
      });
    },
    cancel: (opts = {}) =>
      effect(scope, `${name}/cancel`, ({ effectId, signal }) =>
        scope.effects.cancel(id, opts, about(effectId, signal)),
      ),
    pause: () => Promise.reject(outsideOnly('run.pause')),
    resume: () => Promise.reject(outsideOnly('run.resume')),
    restart: () => Promise.reject(outsideOnly('run.restart')),
    replay: () => Promise.reject(outsideOnly('run.replay')),
    stream: () => {
      throw outsideOnly('run.stream');
    },
    [Symbol.asyncIterator]: () => {
      throw outsideOnly('iterating the events of a run');
    },
  };
}

async function childResult(scope: RunScope, id: string, name: string, opts: CallOptions = {}): Promise<unknown> {
  assertNotInStep('run.result');
  const wish = { type: 'result', runId: id, timeoutMs: limitMs(opts.timeout) } as const;
  const { signal } = opts;
  const outcome = await scope.issue({ kind: 'result', name: `${name}/result`, signal, wish }).outcome;
  if (outcome.type === 'timed_out')
    throw new TimeoutError(`the run ${id} did not end in time`, { code: 'run.result_timeout', details: { run: id } });
  return valueOf(outcome);
}

function outsideOnly(what: string): WritError {
  return new WritError(`${what} works from outside only`, {
    code: 'unsupported',
    hint: 'inside a workflow await child.result(), or let the child send a message',
  });
}
