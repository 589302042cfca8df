import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { fromJson, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { BudgetService } from '@writ/proto/run/v1/budget';
import { RunService } from '@writ/proto/run/v1/run';
import { ToolService, type CallToolResponse } from '@writ/proto/tools/v1/tools';
import type { CancelReceipt } from '../client/run.js';
import { queryRun, updateRun } from '../client/consult.js';
import type { Session } from '../client/session.js';
import { decode, encode, type Encoded } from '../codec/codec.js';
import type { StoredAt } from '../codec/stored.js';
import type { StepContext } from '../define/context.js';
import { amountOut, type Counted } from '../define/limits.js';
import type { ToolDefinition } from '../define/tool.js';
import { WritError } from '../errors/errors.js';
import type { CallOutcome, EffectAbout, Effects } from '../run/effects.js';
import { failureOf } from '../run/failure.js';
import type { Bytes } from '../run/record.js';
import type { SandboxPort } from '../sandbox/port.js';
import { readStream, uploadStream } from './blobs.js';
import { decisionOf, deniedCall, outcomeUnknown } from './decision.js';
import { memoryCalls } from './memory-calls.js';
import { sandboxClient } from './sandbox-client.js';

const tools = ToolService.method;

/** What is kept of a result beside its run's record, so that a call that was made and not recorded gives it again. */
const maxSummaryBytes = 16 * 1024;

/** Arguments as MCP and policies see them: plain JSON. @throws WritError `input.invalid` */
function argumentsOf(input: unknown, tool: string): JsonObject {
  const json = JSON.parse(JSON.stringify(input ?? {})) as JsonValue;
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  throw new WritError(`the arguments of '${tool}' are an object`, { code: 'input.invalid' });
}

/** The world of runs on the platform. Every effect goes out under the authority of its run, with its effect id. */
export class GovernedEffects implements Effects {
  constructor(private readonly session: Session) {}

  async callTool(tool: string, input: unknown, about: EffectAbout): Promise<CallOutcome> {
    const request = {
      tool,
      arguments: argumentsOf(input, tool),
      effectId: about.effectId,
      approval: about.approval ?? '',
    };
    const response = await this.session.call(tools.callTool, request, { run: about.runId, signal: about.signal });
    const decision = decisionOf(response.decision);
    switch (response.outcome) {
      case 'done':
      case 'replayed':
        return { type: 'done', value: resultOf(tool, response) };
      case 'ask':
        return { type: 'ask', approvalId: decision.approvalId ?? '' };
      case 'denied':
        throw deniedCall(tool, decision);
      default:
        throw outcomeUnknown(tool);
    }
  }

  async callDefined(tool: ToolDefinition, input: unknown, about: EffectAbout, ctx: StepContext): Promise<CallOutcome> {
    const calling = { run: about.runId, signal: about.signal };
    const remote = tool.remote === undefined ? undefined : memoryCalls[tool.remote];
    if (remote) return { type: 'done', value: await remote(this.session, input as never, about.effectId, calling) };
    const asked = redacted(argumentsOf(input, tool.name), tool.redact ?? []);
    const request = { tool: tool.name, arguments: asked, effectId: about.effectId, approval: about.approval ?? '' };
    const begun = await this.session.call(tools.beginCall, request, calling);
    const decision = decisionOf(begun.decision);
    if (begun.outcome === 'ask') return { type: 'ask', approvalId: decision.approvalId ?? '' };
    if (begun.outcome === 'denied') throw deniedCall(tool.name, decision);
    const known =
      begun.outcome === 'replayed' && begun.recorded ? recalled(toJson(ValueSchema, begun.recorded)) : undefined;
    if (known) return { type: 'done', value: known.value };
    // It was begun before, by a worker that did not tell how it ended. Only what may happen twice is made again.
    if (begun.outcome !== 'begun' && tool.effect === 'irreversible') throw outcomeUnknown(tool.name);
    return { type: 'done', value: await this.#perform(tool, input, about, ctx) };
  }

  async #perform(tool: ToolDefinition, input: unknown, about: EffectAbout, ctx: StepContext): Promise<unknown> {
    const end = (outcome: { ok: boolean; summary?: JsonValue; error?: string }) => {
      const { summary, ...rest } = outcome;
      const request = {
        effectId: about.effectId,
        ...rest,
        ...(summary === undefined ? {} : { summary: fromJson(ValueSchema, summary) }),
      };
      return this.session.call(tools.endCall, request, { run: about.runId }); // also where the call was aborted: it was begun
    };
    let value: unknown;
    try {
      value = await tool.run(input, ctx);
    } catch (error) {
      const { code, message } = failureOf(error);
      await end({ ok: false, error: `${code}: ${message}` });
      throw error;
    }
    await end({ ok: true, summary: summaryOf(value) });
    return value;
  }

  async send(runId: string, message: string, data: Bytes, about: EffectAbout): Promise<void> {
    const request = {
      id: runId,
      message,
      ...(data ? { data: { data } } : {}),
      idempotencyKey: about.effectId,
    };
    await this.session.call(RunService.method.sendMessage, request, { run: about.runId, signal: about.signal });
  }

  query(runId: string, query: string, data: Bytes, { runId: run, signal }: EffectAbout): Promise<Bytes> {
    return queryRun(this.session, runId, query, data, { run, signal });
  }

  update(runId: string, update: string, data: Bytes, about: EffectAbout): Promise<Bytes> {
    const { runId: run, signal, effectId: idempotencyKey } = about;
    return updateRun(this.session, runId, update, data, { run, signal, idempotencyKey });
  }

  async cancel(runId: string, opts: { reason?: string; force?: boolean }, about: EffectAbout): Promise<CancelReceipt> {
    const request = { id: runId, reason: opts.reason ?? '', force: opts.force ?? false };
    const { stopped, undone, outcomeUnknown } = await this.session.call(RunService.method.cancelRun, request, {
      run: about.runId,
      signal: about.signal,
    });
    return { stopped, undone, outcomeUnknown };
  }

  async reserve(id: string, reservation: string, amount: Counted): Promise<void> {
    await this.session.call(BudgetService.method.reserveBudget, { id, reservation, amount: amountOut(amount) });
  }

  async settle(id: string, reservation: string, used: Counted): Promise<void> {
    await this.session.call(BudgetService.method.settleBudget, { id, reservation, used: amountOut(used) });
  }

  store(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<StoredAt> {
    return uploadStream(this.session, content, signal);
  }

  read(at: StoredAt, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return readStream(this.session, { hash: at.hash, sizeBytes: BigInt(at.sizeBytes) }, signal);
  }

  sandboxes(runId: string): SandboxPort {
    return sandboxClient(this.session, runId);
  }
}

/**
 * What `ctx.call('server/tool')` gives: the structured content where the tool gives some, the text where that is all, else its MCP content blocks.
 * @throws WritError `tool.failed` where the tool reports an error of its own
 */
function resultOf(tool: string, response: CallToolResponse): unknown {
  const texts = response.content.flatMap((block) => (block['type'] === 'text' ? [String(block['text'])] : []));
  if (response.isError)
    throw new WritError(`'${tool}' failed: ${texts.join('\n').slice(0, 2_000) || 'it did not say why'}`, {
      code: 'tool.failed',
      details: { tool },
    });
  if (response.structuredContent) return toJson(ValueSchema, response.structuredContent);
  return texts.length === 1 && response.content.length === 1 ? texts[0] : response.content;
}

function redacted(args: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name, names.includes(name) ? '[redacted]' : value]),
  );
}

function summaryOf(value: unknown): JsonValue {
  const encoded = encode(value) as JsonValue;
  const bytes = JSON.stringify(encoded).length;
  return bytes <= maxSummaryBytes ? { value: encoded } : { bytes };
}

function recalled(summary: JsonValue): { value: unknown } | undefined {
  const kept = (summary as { value?: Encoded } | null)?.value;
  return kept === undefined ? undefined : { value: decode(kept) };
}
