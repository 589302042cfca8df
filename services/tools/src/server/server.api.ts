import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { digestOf, type Enforcement } from '@writ/enforcement';
import { permits, refuse, type Json } from '@writ/ledger/domain';
import { Inject } from '@nestjs/common';
import { ENFORCEMENT } from '@writ/platform';
import { fromJson, toJson, type JsonValue } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import {
  ToolService,
  type AddServerRequest,
  type ApproveToolRequest,
  type BeginCallRequest,
  type CallToolRequest,
  type EndCallRequest,
  type ListServersRequest,
  type ListToolsRequest,
  type RegisterToolsRequest,
  type RemoveServerRequest,
} from '@writ/proto/tools/v1/tools';
import { annotationsOf } from '../call/effect.js';
import { callMessage, decisionMessage } from '../call/call.messages.js';
import { Gateway } from '../gateway.js';
import type { ToolDefinition } from './server.events.js';
import { serverMessage, specOf, toolMessage } from './server.messages.js';

const MAX_ERROR = 1_000;

/** Implements `writ.tools.v1.ToolService`. */
@ApiService(ToolService)
export class ToolApi implements ServiceImplementation<typeof ToolService> {
  constructor(
    @Inject(Gateway) private readonly gateway: Gateway,
    @Inject(ENFORCEMENT) private readonly enforcement: Enforcement,
  ) {}

  async addServer(request: AddServerRequest, caller: Caller) {
    const { servers, connections, tools } = this.gateway;
    mayManage(caller, request.name);
    const owner = { tenant: caller.tenant, server: request.name };
    const spec = this.gateway.env.seal(owner, specOf(request.spec));
    const address = { ...owner, spec };
    const { position } = await servers.add(caller, address, connections);
    const rows = await tools.tools(caller.tenant, request.name);
    const state = connections.stateOf(address);
    return {
      server: serverMessage({ name: request.name, spec, tools: rows.length }, state),
      tools: rows.map(toolMessage),
      position,
    };
  }

  async listServers({ after }: ListServersRequest, caller: Caller) {
    const { servers, connections, tools } = this.gateway;
    await servers.upTo(after);
    const rows = await tools.servers(caller.tenant);
    const state = (server: string) => connections.stateOf({ tenant: caller.tenant, server });
    return { servers: rows.map((row) => serverMessage(row, state(row.name))) };
  }

  async removeServer({ name }: RemoveServerRequest, caller: Caller) {
    const { servers, connections } = this.gateway;
    mayManage(caller, name);
    const removed = await servers.remove(caller, name);
    await connections.close({ tenant: caller.tenant, server: name });
    return removed;
  }

  async listTools({ server, state, after }: ListToolsRequest, caller: Caller) {
    await this.gateway.servers.upTo(after);
    const rows = await this.gateway.tools.tools(caller.tenant, server === '' ? undefined : server);
    const shown = rows.map(toolMessage).filter(({ name }) => permits(caller.grant, 'tool.read', name));
    return { tools: shown.filter((tool) => state === '' || tool.state === state) };
  }

  async approveTool({ name, hash }: ApproveToolRequest, caller: Caller) {
    mayManage(caller, name);
    const slash = name.indexOf('/');
    if (slash < 1) throw refuse('tools.not_found', `${name} is not <server>/<tool>`);
    return this.gateway.servers.approve(caller, name.slice(0, slash), name.slice(slash + 1), hash);
  }

  async callTool(request: CallToolRequest, caller: Caller) {
    return callMessage(await this.gateway.calls.call(caller, callOf(request)), request.tool);
  }

  async registerTools({ tools }: RegisterToolsRequest, caller: Caller) {
    const definitions = tools.map(({ name, description, inputSchema, effect }): ToolDefinition => {
      const definition = {
        name,
        description,
        inputSchema: (inputSchema ?? { type: 'object' }) as ToolDefinition['inputSchema'],
        annotations: annotationsOf(effect),
      };
      return { ...definition, hash: digestOf(definition) };
    });
    return this.gateway.servers.register(caller, definitions);
  }

  async beginCall(request: BeginCallRequest, caller: Caller) {
    const begun = await this.gateway.calls.begin(caller, callOf(request));
    return {
      decision: decisionMessage(begun),
      outcome: begun.outcome,
      position: begun.position,
      ...(begun.outcome === 'replayed' && { recorded: fromJson(ValueSchema, begun.value as JsonValue) }),
    };
  }

  async endCall({ effectId, ok, summary, error }: EndCallRequest, caller: Caller) {
    const told = summary === undefined ? null : (toJson(ValueSchema, summary) as Json);
    const detail = error.slice(0, MAX_ERROR) || 'the worker did not say why';
    return this.enforcement.end(
      caller,
      effectId,
      ok ? { ok: true, summary: told } : { ok: false, error: { code: 'action.failed', detail } },
    );
  }
}

function callOf({ tool, arguments: input, effectId, approval }: CallToolRequest | BeginCallRequest) {
  return { tool, input: (input ?? {}) as { [key: string]: Json }, effectId, approval };
}

/** A grant may be good for some servers only. */
function mayManage({ grant }: Caller, resource: string): void {
  if (permits(grant, 'tool.write', resource)) return;
  throw refuse('auth.missing_capability', `the token does not carry tool.write on ${resource}`, {
    action: 'tool.write',
    resource,
  });
}
