/** Calls as agents make them, over the doors that agents use, and what became of each. */
import { randomUUID } from 'node:crypto';
import type { Acting } from './revocation-cast.js';

export type Kind = 'tool' | 'memory' | 'read' | 'exec';

/** One call and its end. Times are of this machine's clock, in milliseconds. */
export interface Call {
  readonly kind: Kind;
  readonly by: Acting;
  readonly effectId: string;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly accepted: boolean;
  /** Of the refusal. */
  readonly code?: string;
}

/** What a call is about, beside its caller. */
export interface Target {
  readonly url: string;
  /** A run to look at. */
  readonly run: string;
  readonly sandbox?: string;
}

type Answer = Pick<Call, 'accepted' | 'code'>;

/** Makes one call and waits for its end. */
export async function callOf(kind: Kind, by: Acting, target: Target): Promise<Call> {
  const effectId = `act_${randomUUID()}`;
  const sentMs = now();
  const answer = await makers[kind](by, target, effectId).catch((error: unknown): Answer => ({
    accepted: false,
    code: `no answer: ${String((error as { cause?: unknown }).cause ?? error)}`,
  }));
  return { kind, by, effectId, sentMs, answeredMs: now(), ...answer };
}

/** Of the wall clock, but finer. */
export const now = () => performance.timeOrigin + performance.now();

const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

const makers: Record<Kind, (by: Acting, target: Target, effectId: string) => Promise<Answer>> = {
  tool: (by, { url }, effectId) => callTool(by, url, 'notes.note', effectId),
  memory: ({ api, agent }, { url }, effectId) =>
    ask(`${url}/v1/memory`, api, { scope: `notes/${agent}`, text: 'seen', effect_id: effectId }),
  read: ({ api }, { url, run }) => ask(`${url}/v1/runs/${run}`, api),
  exec: ({ api }, { url, sandbox }, effectId) =>
    ask(`${url}/v1/sandboxes/${sandbox}:exec`, api, { argv: ['/bin/true'], effect_id: effectId }),
};

/** What a call over MCP ends with whose stream ended before its answer. */
export const CUT = 'cut';

/** A call over MCP, 2025-11-25. Its answer is one JSON object or a stream with one. */
export async function callTool(
  { mcp }: Acting,
  url: string,
  name: string,
  effectId: string,
  input: Record<string, unknown> = { text: 'seen' },
): Promise<Answer & { text?: string }> {
  const params = { name, arguments: input, _meta: { 'writ/effect-id': effectId } };
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { ...json, authorization: `Bearer ${mcp}`, 'mcp-protocol-version': '2025-11-25' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  });
  const text = await response.text().catch(() => '');
  if (!response.ok) return refusalIn(text);
  const data = /^data: (.+)$/m.exec(text)?.[1] ?? text;
  if (data === '') return { accepted: false, code: CUT };
  const { result } = JSON.parse(data) as { result?: McpResult };
  if (result?.isError === false || (result && result.isError === undefined)) return { accepted: true };
  return {
    accepted: false,
    code: result?._meta?.['writ/code'] ?? 'no result',
    ...(result?.content?.[0]?.text !== undefined && { text: result.content[0].text }),
  };
}

interface McpResult {
  isError?: boolean;
  content?: { text?: string }[];
  _meta?: Record<string, string>;
}

async function ask(url: string, token: string, body?: object): Promise<Answer> {
  const response = await fetch(url, {
    method: body ? 'POST' : 'GET',
    headers: { ...json, authorization: `Bearer ${token}` },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) return refusalIn(text);
  // A stream says at its end how it went.
  const failed = /^event: error\ndata: (.+)$/m.exec(text)?.[1];
  return failed === undefined ? { accepted: true } : refusalIn(failed);
}

function refusalIn(text: string): Answer {
  try {
    return { accepted: false, code: (JSON.parse(text) as { code?: string }).code ?? 'no code' };
  } catch {
    return { accepted: false, code: text.slice(0, 100) };
  }
}
