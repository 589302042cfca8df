import { randomUUID } from 'node:crypto';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { objectOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { report } from '../failure/report.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { plain } from '../output/text.js';

type Tool = Answer<typeof routes.listTools>['tools'][number];
type Called = Answer<typeof routes.callTool>;

const columns: readonly Column<Tool>[] = [
  { head: 'NAME', of: ({ name }) => name },
  { head: 'STATE', of: ({ state }) => state },
  { head: 'DESCRIPTION', of: ({ description }) => description.split('\n')[0], flexible: true },
  { head: 'HASH', of: ({ hash }) => hash.slice(0, 19) },
];

interface ListOptions {
  server?: string | undefined;
  state?: string | undefined;
}

export async function listTools(call: Call, { server = '', state = '' }: ListOptions): Promise<void> {
  const body = await (await call.api()).call(routes.listTools, { server, state });
  call.out.list(body, { rows: body.tools, columns, name: ({ name }) => name, empty: 'no tools' });
}

interface CallOptions {
  arguments?: string | undefined;
  effectId?: string | undefined;
  approval?: string | undefined;
}

export async function callTool(call: Call, tool: string, options: CallOptions): Promise<number> {
  const { effectId = `act_${randomUUID()}`, approval = '' } = options;
  const given = options.arguments === undefined ? {} : await objectOf(options.arguments, '--arguments');
  const request = { tool, arguments: given as never, effectId, approval };
  const body = await (await call.api()).call(routes.callTool, request, { timeoutMs: 120_000 });
  if (call.out.format === 'json') call.out.document(body);
  else if (call.out.format === 'jsonl') call.out.line(body);
  const done = body.outcome === 'done' || body.outcome === 'replayed';
  if (done && !call.out.machine) printContent(call, body);
  if (done) return body.isError ? exit.failed : exit.ok;
  if (!call.out.machine) report(refusalOf(tool, effectId, body).problem, false);
  return body.outcome === 'unknown' ? exit.failed : exit.denied;
}

/** MCP content blocks: text as it is, everything else as JSON. */
function printContent(call: Call, { content, structuredContent }: Called): void {
  for (const block of content as { type?: unknown; text?: unknown }[])
    call.out.data(`${block.type === 'text' ? plain(String(block.text)) : JSON.stringify(block)}\n`);
  if (content.length === 0 && structuredContent !== undefined) call.out.document(structuredContent);
}

function refusalOf(tool: string, effectId: string, { outcome, decision }: Called): Refused {
  const details = { reasons: decision?.reasons ?? [] };
  if (outcome === 'ask')
    return new Refused('policy.approval_required', `${tool} needs an approval: ${decision?.approvalId ?? ''}`, {
      details,
      hint: `writ approval get ${decision?.approvalId ?? ''}   then the same call with --effect-id ${effectId}`,
    });
  if (outcome === 'denied') return new Refused('policy.denied', `policy denied ${tool}`, { details });
  return new Refused('action.outcome_unknown', `nobody can say whether ${tool} happened`, { details });
}
