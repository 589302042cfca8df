import {
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type InputRequiredResult,
  type Server,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';
import type { ActingCaller, Performed } from '@writ/enforcement';
import { DomainError, newId, permits, type Json } from '@writ/ledger/domain';
import { WORKER } from '../server/server.js';
import type { ToolRow } from '../server/server.view.js';
import type { ToolResult } from '../upstream/upstream.js';
import type { Face, McpDoorParts } from './mcp-server.js';
import { asksClient, refusalText } from './refusal.js';
import { callerOf, passingOf } from './request-context.js';

/** Member of `_meta` by which a caller names the effect, so that a repeat is one: a call without it is always a new one. */
export const EFFECT_META = 'writ/effect-id';
/** Tools in one answer of `tools/list`. */
const PAGE = 200;

type Input = { [key: string]: Json };

/** `tools/list` and `tools/call`. */
export function serveTools(server: Server, parts: McpDoorParts, face: Face): void {
  server.setRequestHandler('tools/list', async ({ params }, context) => {
    const caller = callerOf(context);
    const rows = await parts.tools.tools(caller.tenant, face.server);
    return pageOf(
      rows.filter((row) => isServed(row, caller)),
      params?.cursor,
      face,
    );
  });
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const input = (params.arguments ?? {}) as Input;
    const tool = fullName(face, params.name);
    if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    return callTool(server, parts, { tool, input }, context);
  });
}

/** `<server>/<tool>`, as policies and the ledger have it. Among all servers MCP has it with a dot: not every client takes a slash. */
export function fullName({ server }: Pick<Face, 'server'>, name: string): string | undefined {
  if (server !== undefined) return `${server}/${name}`;
  const dot = name.indexOf('.');
  return dot < 1 ? undefined : `${name.slice(0, dot)}/${name.slice(dot + 1)}`;
}

async function callTool(
  server: Server,
  parts: McpDoorParts,
  { tool, input }: { tool: string; input: Input },
  context: ServerContext,
): Promise<CallToolResult | InputRequiredResult> {
  const { calls, waiting, states } = parts;
  const caller = callerOf(context);
  const { round, ...state } = states.of([tool, input], context);
  const passing = { ...passingOf(server, context), ...state };
  const meta = context.mcpReq._meta?.[EFFECT_META];
  // Each round is a call of its own.
  const named = typeof meta === 'string' ? (round === 0 ? meta : `${meta}~${round}`) : undefined;
  const whole = passing.inputResponses === undefined ? input : { ...input, '': passing.inputResponses };
  const effectId = named ?? waiting.effectOf(caller, tool, whole) ?? newId('act');
  try {
    const performed = await calls.call(caller, { tool, input, effectId }, passing);
    if (performed.outcome !== 'ask') waiting.settled(caller, tool, whole);
    else if (named === undefined) waiting.asked(caller, tool, whole, effectId, performed.expires);
    const asks = asksOf(performed);
    if (asks !== undefined)
      return (await states.asking([tool, input], round, asks, context)) as unknown as InputRequiredResult;
    const result = resultOf(performed, tool);
    return { ...result, _meta: { ...result._meta, [EFFECT_META]: effectId } };
  } catch (error) {
    if (error instanceof DomainError && error.code === 'approval.expired') waiting.settled(caller, tool, whole);
    return refused(error);
  }
}

/** What changed is listed as it was approved, so that its call says why it is refused; it does not just vanish. */
function isServed({ server, name, seen, approved }: ToolRow, { grant }: ActingCaller): boolean {
  const offered = seen !== null && approved !== null && server !== WORKER;
  return offered && permits(grant, 'tool.call', `${server}/${name}`);
}

/** The rows are in order, so a page begins behind the last tool of the one before, whatever came or went meanwhile. */
function pageOf(rows: readonly ToolRow[], cursor: string | undefined, face: Face) {
  const after = cursor === undefined ? '' : Buffer.from(cursor, 'base64url').toString('utf8');
  const keyOf = ({ server, name }: ToolRow) => `${server}/${name}`;
  const known = cursor === undefined ? 0 : rows.findIndex((row) => keyOf(row) === after) + 1;
  if (cursor !== undefined && known === 0)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'this cursor leads nowhere any more; list from the start');
  const page = rows.slice(known, known + PAGE);
  const last = page.at(-1);
  const more = last !== undefined && known + PAGE < rows.length;
  return {
    tools: page.map((row) => toolOf(row, face)),
    ...(more && { nextCursor: Buffer.from(keyOf(last)).toString('base64url') }),
  };
}

/** The approved copy, never what the server says at the moment. */
function toolOf({ server, approved }: ToolRow, face: Face): Tool {
  const { hash: _, name, ...definition } = approved as NonNullable<ToolRow['approved']>;
  return { ...definition, name: face.server === undefined ? `${server}.${name}` : name } as unknown as Tool;
}

function asksOf(performed: Performed<ToolResult>) {
  if (performed.outcome !== 'done' && performed.outcome !== 'replayed') return undefined;
  return (performed.value as ToolResult).asks;
}

function resultOf(performed: Performed<ToolResult>, tool: string): CallToolResult {
  const { decision, position } = performed;
  const about = { 'writ/outcome': performed.outcome, 'writ/decision': decision.id, 'writ/position': position };
  switch (performed.outcome) {
    case 'done':
    case 'replayed': {
      const { content, structuredContent, isError, kept } = performed.value as ToolResult;
      return {
        content: content as unknown as CallToolResult['content'],
        ...(structuredContent !== undefined && { structuredContent: structuredContent as Record<string, unknown> }),
        isError,
        _meta: {
          ...about,
          'writ/server': tool.slice(0, tool.indexOf('/')),
          'writ/labels': ['untrusted'],
          ...(kept && { 'writ/blob': kept.blob }),
        },
      };
    }
    case 'denied':
    case 'ask':
    case 'unknown': {
      const { text, ...meta } = refusalText(performed);
      return told(text, { ...about, ...meta });
    }
  }
}

/** A refusal is for the model to read; a bug is not, nor what the client's own software has to mend. */
function refused(error: unknown): CallToolResult {
  const { text, ...meta } = asksClient(error);
  return told(text, { 'writ/outcome': 'refused', ...meta });
}

function told(text: string, meta: Record<string, string>): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true, _meta: meta };
}
