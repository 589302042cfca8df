import type { CallOptions, StepContext } from '../define/context.js';
import { parse } from '../define/schema.js';
import type { Tool, ToolDefinition } from '../define/tool.js';
import { definitionOf, type Retry } from '../define/workflow.js';
import { assertNotInStep } from './inside.js';
import type { AskFirst } from './attempts.js';
import type { CallOutcome, EffectAbout } from './effects.js';
import type { RunScope } from './scope.js';
import { policyOf } from './retry.js';
import { limitMs, valueOf } from './steps.js';

type Options = CallOptions & { name?: string };

/**
 * `ctx.call`. A tool by name happens on the server, and its effect id stays the same over all attempts: whatever became of an attempt that
 * did not come back, the effect happens once. A tool of this SDK happens here, and each attempt of its own code is an effect of its own.
 */
export async function call(scope: RunScope, tool: Tool | string, input: unknown, opts: Options = {}): Promise<unknown> {
  const name = opts.name ?? (typeof tool === 'string' ? tool : tool.name);
  assertNotInStep(`ctx.call('${name}')`);
  const perform =
    typeof tool === 'string'
      ? byName(scope, tool, input)
      : await defined(scope, definitionOf<ToolDefinition>(tool), input);
  const slot = scope.issue({
    kind: 'call',
    name,
    signal: opts.signal,
    perform: {
      policy: policyOf(perform.retry),
      ...(perform.retry ? { retry: perform.retry } : {}),
      timeoutMs: limitMs(opts.timeout ?? perform.timeout),
      approvalTimeoutMs: limitMs(opts.timeout),
      attempt: async (ctx, slot) => {
        const effectId = scope.effectId(slot, perform.once ? 1 : ctx.attempt);
        const about = { runId: scope.executor.runId, effectId, approval: slot.approval, signal: ctx.signal };
        return outcomeOf(await perform.make(about, ctx));
      },
    },
  });
  return perform.result(valueOf(await slot.outcome));
}

function outcomeOf(outcome: CallOutcome): { value: unknown } | AskFirst {
  return outcome.type === 'ask' ? { type: 'ask-first', approvalId: outcome.approvalId } : { value: outcome.value };
}

interface Call {
  readonly once: boolean;
  readonly retry?: Retry;
  readonly timeout?: ToolDefinition['timeout'];
  make(about: EffectAbout, ctx: StepContext): Promise<CallOutcome>;
  result(value: unknown): Promise<unknown>;
}

function byName({ effects }: RunScope, tool: string, input: unknown): Call {
  return {
    once: true,
    make: (about) => effects.callTool(tool, input, about),
    result: (value) => Promise.resolve(value),
  };
}

function retryOf({ retry, effect }: ToolDefinition): { retry?: Retry } {
  if (retry) return { retry };
  return effect === 'irreversible' ? { retry: { attempts: 1 } } : {};
}

async function defined({ effects }: RunScope, def: ToolDefinition, input: unknown): Promise<Call> {
  const parsed: unknown = await parse(def.input, input, `the input of the tool '${def.name}'`);
  return {
    once: def.remote !== undefined,
    // What cannot be taken back is tried once, unless its author says otherwise.
    ...retryOf(def),
    timeout: def.timeout,
    make: (about, ctx) => effects.callDefined(def, parsed, about, ctx),
    result: (value) => parse(def.output, value, `the output of the tool '${def.name}'`),
  };
}
