import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { jsonOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { fields, type Column } from '../output/table.js';
import { ago } from '../output/text.js';
import { confirm } from '../prompt/confirm.js';

type Approval = Answer<typeof routes.listApprovals>['approvals'][number];

const columns: readonly Column<Approval>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'KIND', of: ({ kind }) => kind },
  { head: 'TITLE', of: ({ title }) => title, flexible: true },
  { head: 'AGENT', of: ({ agent }) => agent },
  { head: 'STATE', of: ({ state }) => state },
  { head: 'ASKED', of: ({ createTime }) => ago(createTime) },
  { head: 'EXPIRES', of: ({ state, expireTime }) => (state === 'requested' ? ago(expireTime) : '') },
];

interface ListOptions {
  state?: string | undefined;
  mine: boolean;
  approver?: string | undefined;
  run?: string | undefined;
  agent?: string | undefined;
  kind?: string | undefined;
  wait: boolean;
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function listApprovals(call: Call, options: ListOptions): Promise<void> {
  const { state = '', run = '', limit: pageSize = 50, pageToken = '', mine, wait } = options;
  const { approver = '', agent = '', kind = '' } = options;
  const api = await call.api();
  const request = { state, run, pageSize, pageToken, mine, approver, agent, kind };
  let body = await api.call(routes.listApprovals, request);
  while (wait && body.approvals.length === 0)
    body = await api.call(routes.listApprovals, { ...request, wait: '30s' }, { timeoutMs: 60_000 });
  const { approvals: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ id }) => id, empty: 'nothing waits for an answer', more });
}

export async function showApproval(call: Call, id: string, wait: boolean): Promise<number> {
  const api = await call.api();
  let body = await api.call(routes.getApproval, { id });
  while (wait && body.approval?.state === 'requested')
    body = await api.call(routes.getApproval, { id, wait: '30s' }, { timeoutMs: 60_000 });
  const approval = body.approval as Approval;
  call.out.thing(body, { name: id, fields: shown(approval) });
  return !wait || approval.state === 'approved' || approval.state === 'consumed' ? exit.ok : exit.endedBadly;
}

/** Rendered from the canonical arguments, never from words of the agent. */
function shown(approval: Approval): readonly (readonly [string, string | undefined])[] {
  const { state, kind, title, detail, argumentsDigest, policyVersion, agent, run, approvers } = approval;
  const { createTime, expireTime, decidedBy, decideTime, reason, value, schema, remindTime, handOvers = [] } = approval;
  return [
    ['id', approval.id],
    ['state', state],
    ['kind', kind],
    ['asked', title],
    ['detail', detail === undefined ? '' : JSON.stringify(detail, undefined, 2)],
    ['digest', argumentsDigest],
    ['policy', policyVersion],
    ['agent', agent],
    ['run', run],
    ['approvers', approvers.join(', ') || 'whoever may decide'],
    ['answer as', schema === undefined || schema === null ? '' : JSON.stringify(schema)],
    [
      'handed on',
      handOvers.map(({ time, by, to }) => `${time} ${by ? `by ${by} ` : 'escalated '}to ${to.join(', ')}`).join('\n'),
    ],
    ['reminded', remindTime && ago(remindTime)],
    ['since', createTime && `${createTime} (${ago(createTime)})`],
    ['expires', state === 'requested' ? expireTime && `${expireTime} (${ago(expireTime)})` : ''],
    ['decided', decideTime && `${decideTime} by ${decidedBy}`],
    ['reason', reason],
    ['answer', value === undefined || value === null ? '' : JSON.stringify(value)],
  ];
}

interface DecideOptions {
  reason?: string | undefined;
  value?: string | undefined;
  digest?: string | undefined;
}

export async function decide(
  call: Call,
  id: string,
  verdict: 'approve' | 'deny',
  { reason = '', value, digest }: DecideOptions,
): Promise<void> {
  const api = await call.api();
  const approval = (await api.call(routes.getApproval, { id })).approval as Approval;
  if (verdict === 'approve' && approval.state === 'requested') {
    call.out.say(fields(shown(approval), process.stderr));
    await confirm(call, 'Approve exactly this?', 'go');
  }
  const answer = value === undefined ? {} : { value: (await jsonOf(value, '--value')) as never };
  const argumentsDigest = digest ?? approval.argumentsDigest;
  const body = await api.call(routes.decideApproval, { id, verdict, reason, argumentsDigest, ...answer });
  call.out.receipt(body, id, `${body.approval?.state ?? verdict}: ${approval.title}`);
}

export async function delegate(
  call: Call,
  id: string,
  to: string,
  options: { reason?: string | undefined },
): Promise<void> {
  const body = await (await call.api()).call(routes.delegateApproval, { id, to, reason: options.reason ?? '' });
  call.out.receipt(body, id, `waits for ${body.approval?.approvers.join(', ') ?? to}`);
}
