import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { CancelReceipt } from '../client/run.js';
import type { StoredAt } from '../codec/stored.js';
import type { StepContext } from '../define/context.js';
import type { Counted } from '../define/limits.js';
import type { ToolDefinition } from '../define/tool.js';
import { WritError } from '../errors/errors.js';
import type { CallOutcome, EffectAbout, Effects } from '../run/effects.js';
import type { Bytes } from '../run/record.js';
import type { TestBudgets } from './test-budgets.js';
import type { SandboxPort } from '../sandbox/port.js';
import { encodeBytes, decodeBytes } from '../codec/codec.js';

/** Stored bytes come in several pieces, as they do from a store. */
const pieceBytes = 64 * 1024;

/** Stands in for a tool; it may throw, a DeniedError too. */
export type Mock = (input: never, ctx: { runId: string; effectId: string; signal: AbortSignal }) => unknown;

/** The world of runs in a test: mocks where there are any, the tools' own code otherwise; no policy, no network. */
export class TestEffects implements Effects {
  readonly mocks = new Map<string, Mock>();
  /** Runs of the in-process scheduler; set by it. */
  runs:
    | {
        send(id: string, message: string, data: Bytes): void;
        query(id: string, query: string, data: Bytes): Promise<Bytes>;
        update(id: string, update: string, data: Bytes, key: string): Promise<Bytes>;
        cancel(id: string, reason: string): void;
        readonly budgets: Pick<TestBudgets, 'reserve' | 'settle'>;
      }
    | undefined;

  readonly #stored = new Map<string, Uint8Array>();

  constructor(private readonly sandboxPort: SandboxPort | undefined) {}

  async callTool(tool: string, input: unknown, about: EffectAbout): Promise<CallOutcome> {
    const mock = this.mocks.get(tool);
    if (!mock)
      throw new WritError(`the test calls '${tool}', which nothing stands in for`, {
        code: 'testing.not_mocked',
        hint: `t.mock('${tool}', (input) => …)`,
      });
    this.runs?.budgets.reserve(about.runId, about.effectId, { toolCalls: 1 }, true);
    return { type: 'done', value: await mock(input as never, about) };
  }

  async callDefined(tool: ToolDefinition, input: unknown, about: EffectAbout, ctx: StepContext): Promise<CallOutcome> {
    if (this.mocks.has(tool.name) || tool.remote) return this.callTool(tool.name, input, about);
    this.runs?.budgets.reserve(about.runId, about.effectId, { toolCalls: 1 }, true);
    return { type: 'done', value: await tool.run(input, ctx) };
  }

  send(runId: string, message: string, data: Bytes): Promise<void> {
    this.runs?.send(runId, message, data && encodeBytes(decodeBytes(data)));
    return Promise.resolve();
  }

  query(runId: string, query: string, data: Bytes): Promise<Bytes> {
    return this.runs?.query(runId, query, data) ?? Promise.resolve(undefined);
  }

  update(runId: string, update: string, data: Bytes, about: EffectAbout): Promise<Bytes> {
    return this.runs?.update(runId, update, data, about.effectId) ?? Promise.resolve(undefined);
  }

  cancel(runId: string, opts: { reason?: string }): Promise<CancelReceipt> {
    this.runs?.cancel(runId, opts.reason ?? '');
    return Promise.resolve({ stopped: [runId], undone: [], outcomeUnknown: [] });
  }

  async store(content: AsyncIterable<Uint8Array>): Promise<StoredAt> {
    const bytes = await buffer(content);
    const hash = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.#stored.set(hash, bytes);
    return { hash, sizeBytes: bytes.length };
  }

  async *read({ hash }: StoredAt): AsyncIterable<Uint8Array> {
    const bytes = this.#stored.get(hash);
    if (!bytes) throw new WritError(`there is no value ${hash}`, { code: 'run.value_not_found' });
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }

  async reserve(runId: string, reservation: string, amount: Counted): Promise<void> {
    this.runs?.budgets.reserve(runId, reservation, amount, false);
  }

  async settle(runId: string, reservation: string, used: Counted): Promise<void> {
    this.runs?.budgets.settle(runId, reservation, used);
  }

  sandboxes(): SandboxPort {
    if (this.sandboxPort) return this.sandboxPort;
    throw new WritError('the test uses a sandbox, which nothing stands in for', {
      code: 'testing.not_mocked',
      hint: 'testWrit({ sandbox }) takes an object with create, exec, readFile, writeFile, files and stop',
    });
  }
}
