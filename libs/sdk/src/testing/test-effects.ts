import type { CancelReceipt } from '../client/run.js';
import type { StepContext } from '../define/context.js';
import type { ToolDefinition } from '../define/tool.js';
import { WritError } from '../errors/errors.js';
import type { CallOutcome, EffectAbout, Effects } from '../run/effects.js';
import type { Bytes } from '../run/record.js';
import type { SandboxPort } from '../sandbox/port.js';
import { encodeBytes, decodeBytes } from '../codec/codec.js';

/** Stands in for a tool; it may throw, a DeniedError too. */
export type Mock = (input: never, ctx: { runId: string; effectId: string; signal: AbortSignal }) => unknown;

/** The world of runs in a test: mocks where there are any, the tools' own code otherwise; no policy, no network. */
export class TestEffects implements Effects {
  readonly mocks = new Map<string, Mock>();
  /** Runs of the in-process scheduler; set by it. */
  runs: { send(id: string, message: string, data: Bytes): void; cancel(id: string, reason: string): void } | undefined;

  constructor(private readonly sandboxPort: SandboxPort | undefined) {}

  async callTool(tool: string, input: unknown, about: EffectAbout): Promise<CallOutcome> {
    const mock = this.mocks.get(tool);
    if (!mock)
      throw new WritError(`the test calls '${tool}', which nothing stands in for`, {
        code: 'testing.not_mocked',
        hint: `t.mock('${tool}', (input) => …)`,
      });
    return { type: 'done', value: await mock(input as never, about) };
  }

  async callDefined(tool: ToolDefinition, input: unknown, about: EffectAbout, ctx: StepContext): Promise<CallOutcome> {
    if (this.mocks.has(tool.name) || tool.remote) return this.callTool(tool.name, input, about);
    return { type: 'done', value: await tool.run(input, ctx) };
  }

  send(runId: string, message: string, data: Bytes): Promise<void> {
    this.runs?.send(runId, message, data && encodeBytes(decodeBytes(data)));
    return Promise.resolve();
  }

  cancel(runId: string, opts: { reason?: string }): Promise<CancelReceipt> {
    this.runs?.cancel(runId, opts.reason ?? '');
    return Promise.resolve({ stopped: [runId], undone: [], outcomeUnknown: [] });
  }

  sandboxes(): SandboxPort {
    if (this.sandboxPort) return this.sandboxPort;
    throw new WritError('the test uses a sandbox, which nothing stands in for', {
      code: 'testing.not_mocked',
      hint: 'testWrit({ sandbox }) takes an object with create, exec, readFile, writeFile, files and stop',
    });
  }
}
