import { ProtocolError, ProtocolErrorCode, Server, type CallToolResult, type Tool } from '@modelcontextprotocol/server';
import { failureOf } from '@writ/api';
import type { ActingCaller, Performed } from '@writ/enforcement';
import { DomainError, newId, permits, type Json } from '@writ/ledger/domain';
import type { ToolCall, ToolCalls } from '../call/tool-calls.js';
import { WORKER } from '../server/server.js';
import type { ToolQueries, ToolRow } from '../server/server.view.js';
import type { ToolResult } from '../upstream/upstream.js';
import type { WaitingCalls } from './waiting-calls.js';

/** What a request over MCP reaches. */
export interface McpDoorParts {
  readonly calls: Pick<ToolCalls, 'call'>;
  readonly tools: Pick<ToolQueries, 'tools'>;
  readonly waiting: WaitingCalls;
}

/** Member of `_meta` by which a caller names the effect, so that a repeat is one: a call without it is always a new one. */
export const EFFECT_META = 'writ/effect-id';

/** The MCP server of one request: what its caller may see and call, in either era of the protocol. */
export function mcpServer(parts: McpDoorParts, caller: ActingCaller): Server {
  const server = new Server(
    { name: 'writ', title: 'Writ tools', version: '1' },
    {
      capabilities: { tools: {} },
      // What one caller may see is nobody else's list, and it ends with their authority.
      cacheHints: { 'tools/list': { ttlMs: 0, cacheScope: 'private' } },
    },
  );
  server.setRequestHandler('tools/list', async () => {
    const rows = await parts.tools.tools(caller.tenant);
    return { tools: rows.filter((row) => isServed(row, caller)).map(toolOf) };
  });
  server.setRequestHandler('tools/call', async ({ params }) => {
    const tool = toolNamed(params.name);
    const input = (params.arguments ?? {}) as { [key: string]: Json };
    const named = params._meta?.[EFFECT_META];
    return callTool(parts, caller, { tool, input, ...(typeof named === 'string' && { effectId: named }) });
  });
  return server;
}

async function callTool(parts: McpDoorParts, caller: ActingCaller, asked: ToolCall): Promise<CallToolResult> {
  const { calls, waiting } = parts;
  const { tool, input } = asked;
  const effectId = asked.effectId ?? waiting.effectOf(caller, tool, input) ?? newId('act');
  try {
    const performed = await calls.call(caller, { ...asked, effectId });
    if (performed.outcome !== 'ask') waiting.settled(caller, tool, input);
    else if (asked.effectId === undefined) waiting.asked(caller, tool, input, effectId, performed.expires);
    const result = resultOf(performed);
    return { ...result, _meta: { ...result._meta, [EFFECT_META]: effectId } };
  } catch (error) {
    if (error instanceof DomainError && error.code === 'approval.expired') waiting.settled(caller, tool, input);
    return refused(error);
  }
}

/** Over MCP a tool is `<server>.<tool>`: a slash is not among the characters that every client takes. */
function toolNamed(name: string): string {
  const dot = name.indexOf('.');
  if (dot < 1) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${name}`);
  return `${name.slice(0, dot)}/${name.slice(dot + 1)}`;
}

/** What changed is listed as it was approved, so that its call says why it is refused; it does not just vanish. */
function isServed({ server, name, seen, approved }: ToolRow, { grant }: ActingCaller): boolean {
  const offered = seen !== null && approved !== null && server !== WORKER;
  return offered && permits(grant, 'tool.call', `${server}/${name}`);
}

/** The approved copy, never what the server says at the moment. */
function toolOf({ server, approved }: ToolRow): Tool {
  const { hash: _, name, ...definition } = approved as NonNullable<ToolRow['approved']>;
  return { ...definition, name: `${server}.${name}` } as unknown as Tool;
}

function resultOf(performed: Performed<ToolResult>): CallToolResult {
  const { decision, position } = performed;
  const about = { 'writ/outcome': performed.outcome, 'writ/decision': decision.id, 'writ/position': position };
  const why = decision.reasons.map(({ text }) => text).join('; ');
  switch (performed.outcome) {
    case 'done':
    case 'replayed': {
      const { content, structuredContent, isError } = performed.value as ToolResult;
      return {
        content: content as unknown as CallToolResult['content'],
        ...(structuredContent !== undefined && { structuredContent: structuredContent as Record<string, unknown> }),
        isError,
        _meta: about,
      };
    }
    case 'denied':
      return told(`Denied by policy: ${why}`, { ...about, 'writ/code': 'policy.denied' });
    case 'ask':
      return told(
        `A person must approve this call first (${why}). It waits as ${performed.approvalId}; repeat it, unchanged, once it is approved.`,
        { ...about, 'writ/code': 'policy.approval_required', 'writ/approval': performed.approvalId },
      );
    case 'unknown':
      return told(`Nobody can say whether this happened: ${performed.reason}`, {
        ...about,
        'writ/code': 'action.outcome_unknown',
      });
  }
}

/** A refusal is for the model to read; a bug is not. */
function refused(error: unknown): CallToolResult {
  if (error instanceof ProtocolError || !(error instanceof DomainError)) throw error;
  const { code, detail, bug } = failureOf(error);
  if (bug !== undefined) throw error;
  return told(`Refused (${code}): ${detail}`, { 'writ/outcome': 'refused', 'writ/code': code });
}

function told(text: string, meta: Record<string, string>): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true, _meta: meta };
}
