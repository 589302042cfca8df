import type { Blobs } from '@writ/blobs';
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
import { WORKER } from '../server/server.js';
import type { ServerSpec, ToolDefinition } from '../server/server.events.js';
import type { ToolQueries } from '../server/server.view.js';
import type { Connections } from '../upstream/connections.js';
import { NoAnswer, type Exchange, type ToolResult } from '../upstream/upstream.js';
import { ArgumentRules } from './arguments.js';
import { mustBeAllowed, shown } from './asking.js';
import { Definitions, type Target } from './definitions.js';
import { effectOf, repeatOf } from './effect.js';
import { handedOut, Results, type Answered } from './results.js';

const MAX_ARGUMENTS = 16_384;
/** Under this name the answers of the caller's client stand among the arguments, where policies and the record see them. */
const ANSWERS = 'writ/answers';

/** One call that an agent wants made. */
export interface ToolCall {
  /** `<server>/<tool>` */
  readonly tool: string;
  readonly input: { [key: string]: Json };
  /** Empty: a new one. */
  readonly effectId?: string;
  readonly approval?: string;
}

/** What goes to the server beside the arguments, and back to the caller before the result. */
export interface Passing extends Omit<Exchange, 'signal'> {
  /** Aborted when the caller takes the call back; that it merely went away is no such thing. */
  readonly cancelled?: AbortSignal;
}

/** How a call ended; `replayed` has the result of then. */
export type Called = Performed<ToolResult> | RepeatedCall;
type RepeatedCall = Omit<Extract<Performed<ToolResult>, { outcome: 'replayed' }>, 'value'> & { readonly value: Json };

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
  private readonly definitions: Definitions;
  private readonly results: Results;

  constructor(private readonly parts: ToolCallsParts) {
    this.definitions = new Definitions(parts.tools);
    this.results = new Results(parts.blobs);
  }

  /** The approved definition, if this caller may know it; nothing is recorded. */
  async known(caller: ActingCaller, tool: string): Promise<ToolDefinition | undefined> {
    if (!permits(caller.grant, 'tool.call', tool)) return undefined;
    return (await this.definitions.of(caller.tenant, tool))?.approved ?? undefined;
  }

  /** What was approved or removed here is known here at once. */
  forget(tenant: string): void {
    this.definitions.forget(tenant);
  }

  /**
   * Capability, pinned definition, arguments; then the pipeline of enforcement, and only then the server.
   *
   * @throws DomainError `auth.*`, `approval.*`, `tools.not_found|quarantined|definition_changed|bad_arguments|bad_schema|runs_in_worker|upstream_failed`,
   * `action.*`; each is recorded
   */
  async call(caller: ActingCaller, asked: ToolCall, passing: Passing = {}): Promise<Performed<ToolResult>> {
    const call = { ...asked, effectId: asked.effectId || newId('act') };
    const target = await this.admitted(caller, call);
    const performed = await this.parts.enforcement.perform<Answered<ToolResult>>(
      requestOf(caller, withAnswers(call, passing), target.definition),
      async ({ signal }) => this.results.keep(await this.reach(caller.tenant, target, call.input, signal, passing)),
    );
    switch (performed.outcome) {
      case 'done':
        return { ...performed, value: handedOut(performed.value.result, performed.value.summary) };
      case 'replayed':
        return { ...performed, value: await this.recalled(performed.value) };
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

  private async recalled(summary: Json): Promise<Json> {
    const result = (await this.results.recall(summary)) as unknown as ToolResult;
    return handedOut(result, summary) as unknown as Json;
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

  /** First the capability, so that whoever may not call it does not learn whether it is there. */
  private async definition({ tenant, grant }: ActingCaller, { tool }: ToolCall): Promise<Target> {
    if (permits(grant, 'tool.call', tool)) return this.definitions.target(tenant, tool);
    throw refuse('auth.missing_capability', `the token does not carry tool.call on ${tool}`, {
      action: 'tool.call',
      resource: tool,
    });
  }

  private async reach(
    tenant: string,
    target: Target,
    input: ToolCall['input'],
    signal: AbortSignal,
    { cancelled, ...passing }: Passing,
  ): Promise<ToolResult> {
    const { server, tool, definition } = target;
    const spec = target.spec as Exclude<ServerSpec, { kind: 'worker' }>;
    const either = cancelled === undefined ? signal : AbortSignal.any([signal, cancelled]);
    try {
      const connection = await this.connection({ tenant, server, spec });
      const client = shown(passing.client, spec);
      const result = await connection.call(tool, definition.hash, input, { ...passing, client, signal: either });
      mustBeAllowed(result.asks, client, server);
      return result;
    } catch (problem) {
      const takenBack = cancelled?.aborted === true && !signal.aborted;
      if (!takenBack && !(problem instanceof NoAnswer)) throw problem;
      const said = takenBack ? `${tool} was called, and taken back by its caller` : (problem as Error).message;
      // Reading twice does no harm, so it may be called failed; of anything else nobody can say whether it happened.
      if (repeatOf(definition) === 'read') throw refuse('tools.upstream_failed', said);
      throw new CannotSay(said, { cause: problem });
    }
  }

  /** Without one nothing was sent, so an outage on the way there is a failure that its repeat may mend, whatever the tool does. */
  private async connection(
    address: Parameters<Connections['get']>[0],
  ): Promise<Awaited<ReturnType<Connections['get']>>> {
    try {
      return await this.parts.connections.get(address);
    } catch (problem) {
      if (!(problem instanceof DomainError) || problem.code !== 'service.unavailable') throw problem;
      throw refuse('tools.upstream_failed', `${address.server} could not be started: ${problem.message}`);
    }
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

/** The answers of a client are arguments of the call too. */
function withAnswers<C extends ToolCall>(call: C, { inputResponses }: Passing): C {
  return inputResponses === undefined ? call : { ...call, input: { ...call.input, [ANSWERS]: inputResponses } };
}

function requestOf<T extends Answered<ToolResult>>(
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
    cost: { toolCalls: 1 },
    summary: ({ summary }) => summary,
  };
}
