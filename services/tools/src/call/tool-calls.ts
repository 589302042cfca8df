import type { Blobs, BlobHash } from '@writ/blobs';
import {
  bounded,
  CannotSay,
  digestOf,
  type ActingCaller,
  type ActionRequest,
  type Begun,
  type Enforcement,
  type Performed,
} from '@writ/enforcement';
import { DomainError, newId, permits, refuse, type Json } from '@writ/ledger/domain';
import { stateOf, WORKER } from '../server/server.js';
import type { ServerSpec, ToolDefinition } from '../server/server.events.js';
import type { ToolQueries } from '../server/server.view.js';
import type { Connections } from '../upstream/connections.js';
import { NoAnswer, type ToolResult } from '../upstream/upstream.js';
import { ArgumentRules } from './arguments.js';
import { effectOf, repeatOf } from './effect.js';

/** Bytes of a result that the ledger keeps for a repeat; larger ones are kept as blobs, with their hash in the ledger. */
const MAX_INLINE = 48_000;
const MAX_ARGUMENTS = 16_384;

/** One call that an agent wants made. */
export interface ToolCall {
  /** `<server>/<tool>` */
  readonly tool: string;
  readonly input: { [key: string]: Json };
  /** Empty: a new one. */
  readonly effectId?: string;
  readonly approval?: string;
}

/** How a call ended; `replayed` has the result of then. */
export type Called = Performed<ToolResult> | RepeatedCall;
type RepeatedCall = Omit<Extract<Performed<ToolResult>, { outcome: 'replayed' }>, 'value'> & { readonly value: Json };

/** What an answered call leaves behind. */
interface Answered {
  readonly result: ToolResult;
  readonly summary: Json;
}

/** What the calls stand on. */
export interface ToolCallsParts {
  readonly tools: Pick<ToolQueries, 'tool'>;
  readonly connections: Pick<Connections, 'get'>;
  readonly enforcement: Pick<Enforcement, 'perform' | 'begin' | 'recordRefusal'>;
  readonly blobs: Pick<Blobs, 'put' | 'get'>;
}

/** The one way from an agent to a tool, whichever door it came through. */
export class ToolCalls {
  private readonly rules = new ArgumentRules();

  constructor(private readonly parts: ToolCallsParts) {}

  /**
   * Capability, pinned definition, arguments; then the pipeline of enforcement, and only then the server.
   *
   * @throws DomainError `auth.*`, `approval.*`, `tools.not_found|quarantined|definition_changed|bad_arguments|bad_schema|runs_in_worker|upstream_failed`,
   * `action.*`; each is recorded
   */
  async call(caller: ActingCaller, asked: ToolCall): Promise<Performed<ToolResult>> {
    const call = { ...asked, effectId: asked.effectId || newId('act') };
    const target = await this.admitted(caller, call);
    const performed = await this.parts.enforcement.perform<Answered>(
      requestOf(caller, call, target.definition),
      async ({ signal }) => this.keep(await this.reach(caller.tenant, target, call.input, signal)),
    );
    switch (performed.outcome) {
      case 'done':
        return { ...performed, value: performed.value.result };
      case 'replayed':
        return { ...performed, outcome: 'replayed', value: (await this.recall(performed.value)) as unknown as Json };
      default:
        return performed;
    }
  }

  /** The first half of a call whose code runs in the caller's worker. Arguments are the worker's own to check: it may have redacted them. */
  async begin(caller: ActingCaller, call: ToolCall & { effectId: string }): Promise<Begun | Performed<never>> {
    const name = call.tool.startsWith(`${WORKER}/`) ? call.tool : `${WORKER}/${call.tool}`;
    const known = { ...call, tool: name };
    const { definition } = await this.recorded(caller, known, () => this.definition(caller, known));
    return this.parts.enforcement.begin(requestOf<never>(caller, known, definition));
  }

  private admitted(caller: ActingCaller, call: ToolCall & { effectId: string }): Promise<Target> {
    return this.recorded(caller, call, async () => {
      const target = await this.definition(caller, call);
      if (target.spec.kind === 'worker')
        throw refuse('tools.runs_in_worker', `${call.tool} runs in a worker; begin the call there`);
      this.rules.check(call.tool, target.definition, call.input);
      return target;
    });
  }

  /** The approved definition, as long as it is what the server offers. */
  private async definition({ tenant, grant }: ActingCaller, { tool: full }: ToolCall): Promise<Target> {
    // First, so that whoever may not call it does not learn whether it is there.
    if (!permits(grant, 'tool.call', full))
      throw refuse('auth.missing_capability', `the token does not carry tool.call on ${full}`, {
        action: 'tool.call',
        resource: full,
      });
    const slash = full.indexOf('/');
    const server = full.slice(0, Math.max(0, slash));
    const tool = full.slice(slash + 1);
    const row = await this.parts.tools.tool(tenant, server, tool);
    if (row === undefined) throw refuse('tools.not_found', `there is no tool ${full}`);
    switch (stateOf({ seen: row.seen ?? undefined, approved: row.approved ?? undefined })) {
      case 'new':
        throw refuse('tools.quarantined', `${full} waits for a person to approve its definition`);
      case 'changed':
        throw refuse(
          'tools.definition_changed',
          `${full} is now ${row.seen?.hash}; a person approved ${row.approved?.hash} and must look at it again`,
        );
      case 'gone':
        throw refuse('tools.not_found', `${server} does not offer ${tool} any more`);
      case 'approved':
        return { server, tool, spec: row.spec, definition: row.approved as ToolDefinition };
    }
  }

  private async reach(
    tenant: string,
    target: Target,
    input: ToolCall['input'],
    signal: AbortSignal,
  ): Promise<ToolResult> {
    const { server, tool, definition } = target;
    const spec = target.spec as Exclude<ServerSpec, { kind: 'worker' }>;
    try {
      const connection = await this.parts.connections.get({ tenant, server, spec });
      return await connection.call(tool, definition.hash, input, signal);
    } catch (problem) {
      if (!(problem instanceof NoAnswer)) throw problem;
      // Reading twice does no harm, so it may be called failed; of anything else nobody can say whether it happened.
      if (repeatOf(definition) === 'read') throw refuse('tools.upstream_failed', problem.message);
      throw new CannotSay(problem.message, { cause: problem });
    }
  }

  private async keep(result: ToolResult): Promise<Answered> {
    const whole = result as unknown as Json;
    const bytes = Buffer.from(JSON.stringify(whole));
    if (bytes.length <= MAX_INLINE) return { result, summary: whole };
    const { hash } = await this.parts.blobs.put(bytes);
    return { result, summary: { blob: hash, bytes: bytes.length } };
  }

  private async recall(summary: Json): Promise<ToolResult> {
    const { blob } = summary as { blob?: BlobHash };
    if (blob === undefined) return summary as unknown as ToolResult;
    return JSON.parse(Buffer.from(await this.parts.blobs.get(blob)).toString('utf8')) as ToolResult;
  }

  /** A refusal of the gateway itself stands in the ledger like one of the policies. */
  private async recorded<T>(
    caller: ActingCaller,
    call: ToolCall & { effectId: string },
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (problem) {
      if (problem instanceof DomainError) await this.record(caller, call, problem);
      throw problem;
    }
  }

  private async record(
    caller: ActingCaller,
    call: ToolCall & { effectId: string },
    problem: DomainError,
  ): Promise<void> {
    const { effectId, tool, input } = call;
    try {
      await this.parts.enforcement.recordRefusal(caller, effectId, {
        code: problem.code,
        detail: problem.message,
        effectId,
        action: 'tool.call',
        resource: { type: 'Tool', id: tool },
        argumentsDigest: digestOf(input),
        arguments: bounded(input, MAX_ARGUMENTS),
      });
    } catch {
      // Refusing must not depend on the ledger.
    }
  }
}

interface Target {
  readonly server: string;
  readonly tool: string;
  readonly spec: ServerSpec;
  readonly definition: ToolDefinition;
}

function requestOf<T extends Answered>(
  caller: ActingCaller,
  { tool, input, effectId, approval }: ToolCall & { effectId: string },
  definition: ToolDefinition,
): ActionRequest<T> {
  // A caller that goes away does not undo what was sent: the call is made to its end, and its repeat gets the answer.
  const { signal: _, ...acting } = caller;
  return {
    caller: acting,
    action: 'tool.call',
    resource: { type: 'Tool', id: tool, attributes: { effect: effectOf(definition) } },
    arguments: input,
    context: { pin: definition.hash },
    effectId,
    ...(approval !== undefined && approval !== '' && { approval }),
    effect: repeatOf(definition),
    summary: ({ summary }) => summary,
  };
}
