import { refuse, type Aggregate, type Json } from '@writ/ledger/domain';
import type { ServerSpec, ServerEvent, ToolDefinition } from './server.events.js';

/** A tool of a server, as it was last seen and as it was approved. Agents are only ever served the approved copy. */
export interface Tool {
  readonly seen: ToolDefinition | undefined;
  readonly approved: ToolDefinition | undefined;
}

/** An MCP server, or the tools of a tenant's own workers (`worker`). */
export type Server =
  { status: 'none' | 'removed' } | { status: 'added'; spec: ServerSpec; tools: Readonly<Record<string, Tool>> };

export type ServerCommand =
  | { type: 'add'; spec: ServerSpec }
  | { type: 'remove' }
  /** What the server says it has, all of it. */
  | { type: 'discover'; tools: readonly ToolDefinition[] }
  | { type: 'approve'; tool: string; hash: string; by: string }
  /** Tools of the tenant's own code: whoever may serve workers vouches for them. */
  | { type: 'register'; tools: readonly ToolDefinition[]; by: string };

/** Name of the server that stands for the tools of a tenant's own workers. */
export const WORKER = 'worker';

/** Whether agents may use a tool: only while what the server offers is what a person approved. */
export function stateOf(tool: Tool): 'approved' | 'new' | 'changed' | 'gone' {
  if (tool.seen === undefined) return 'gone';
  if (tool.approved === undefined) return 'new';
  return tool.approved.hash === tool.seen.hash ? 'approved' : 'changed';
}

/** Pure: what may happen to one server. */
export function decide(command: ServerCommand, server: Server, name: string): ServerEvent[] {
  switch (command.type) {
    case 'add':
      if (name === WORKER) throw refuse('tools.reserved_name', `${WORKER} is kept for the tools of workers`);
      if (server.status !== 'added') return [{ type: 'server.added.v1', data: { spec: command.spec } }];
      if (same(server.spec, command.spec)) return [];
      throw refuse('tools.server_exists', `${name} is already connected in another way; remove it first`);
    case 'remove':
      return server.status === 'added' ? [{ type: 'server.removed.v1', data: approvedOf(server.tools) }] : [];
    case 'discover':
      return discovered(command.tools, toolsOf(server, name));
    case 'approve': {
      const tool = lookUp(toolsOf(server, name), command.tool);
      if (tool?.seen === undefined) throw refuse('tools.not_found', `${name} offers no tool ${command.tool}`);
      if (tool.seen.hash !== command.hash)
        throw refuse(
          'tools.definition_changed',
          `${name}/${command.tool} is now ${tool.seen.hash}, not ${command.hash}; look at it again`,
        );
      if (!/^\S{1,200}$/.test(command.tool))
        throw refuse('tools.bad_name', `"${command.tool.slice(0, 200)}" is not a name that a policy can speak about`);
      if (stateOf(tool) === 'approved') return [];
      return [{ type: 'tool.approved.v1', data: { definition: tool.seen, by: command.by } }];
    }
    case 'register': {
      const events: ServerEvent[] = [];
      if (server.status !== 'added') events.push({ type: 'server.added.v1', data: { spec: { kind: 'worker' } } });
      const tools = server.status === 'added' ? server.tools : {};
      for (const definition of command.tools) {
        if (lookUp(tools, definition.name)?.approved?.hash === definition.hash) continue;
        events.push({ type: 'tool.discovered.v1', data: { definition } });
        events.push({ type: 'tool.approved.v1', data: { definition, by: command.by } });
      }
      return events;
    }
  }
}

/** Total: never throws, checks no rule. */
export function evolve(server: Server, event: ServerEvent): Server {
  if (event.type === 'server.added.v1') return { status: 'added', spec: event.data.spec, tools: {} };
  if (server.status !== 'added') return server;
  switch (event.type) {
    case 'server.removed.v1':
      return { status: 'removed' };
    case 'tool.discovered.v1': {
      const { definition } = event.data;
      return withTool(server, definition.name, {
        seen: definition,
        approved: lookUp(server.tools, definition.name)?.approved,
      });
    }
    case 'tool.vanished.v1':
      return withTool(server, event.data.tool, {
        seen: undefined,
        approved: lookUp(server.tools, event.data.tool)?.approved,
      });
    case 'tool.approved.v1': {
      const { definition } = event.data;
      return withTool(server, definition.name, { seen: definition, approved: definition });
    }
    default:
      return server;
  }
}

export const serverAggregate: Aggregate<Server, ServerCommand, ServerEvent> = {
  name: 'server',
  initial: { status: 'none' },
  events: ['server.added.v1', 'server.removed.v1', 'tool.discovered.v1', 'tool.vanished.v1', 'tool.approved.v1'],
  decide: (command, server, { subject }) => decide(command, server, subject),
  evolve: (server, event) => evolve(server, event as ServerEvent),
};

function discovered(offered: readonly ToolDefinition[], tools: Readonly<Record<string, Tool>>): ServerEvent[] {
  const names = new Set(offered.map((definition) => definition.name));
  if (names.size !== offered.length)
    throw refuse('tools.duplicate_name', 'the server offers two tools of the same name');
  const events: ServerEvent[] = offered
    .filter((definition) => lookUp(tools, definition.name)?.seen?.hash !== definition.hash)
    .map((definition) => ({ type: 'tool.discovered.v1', data: { definition } }));
  for (const [tool, { seen }] of Object.entries(tools))
    if (seen !== undefined && !names.has(tool)) events.push({ type: 'tool.vanished.v1', data: { tool } });
  return events;
}

/** Whose types policy knows. */
function approvedOf(tools: Readonly<Record<string, Tool>>): { tools?: string[] } {
  const names = Object.keys(tools).filter((name) => lookUp(tools, name)?.approved !== undefined);
  return names.length === 0 ? {} : { tools: names };
}

function toolsOf(server: Server, name: string): Readonly<Record<string, Tool>> {
  if (server.status !== 'added') throw refuse('tools.server_not_found', `there is no server ${name}`);
  return server.tools;
}

/** A server names its tools, so a name may be anything: also `constructor`. */
function lookUp(tools: Readonly<Record<string, Tool>>, name: string): Tool | undefined {
  return Object.hasOwn(tools, name) ? tools[name] : undefined;
}

function withTool(server: Extract<Server, { status: 'added' }>, name: string, tool: Tool): Server {
  return { ...server, tools: { ...server.tools, [name]: tool } };
}

function same(a: ServerSpec, b: ServerSpec): boolean {
  return JSON.stringify(sorted(a as unknown as Json)) === JSON.stringify(sorted(b as unknown as Json));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key] as Json)])); // prettier-ignore
}
