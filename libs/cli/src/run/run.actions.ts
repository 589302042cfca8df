import { randomUUID } from 'node:crypto';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { jsonOf, timeOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';
import { budgetText, limitsOf } from './run.budget.js';
import { watch } from './run.watch.js';

type Run = Answer<typeof routes.listRuns>['runs'][number];
type Result = Answer<typeof routes.getRunResult>;
type Receipt = Pick<Answer<typeof routes.cancelRun>, 'stopped' | 'undone' | 'outcomeUnknown'>;

/** `RUN_STATE_WAITING` is `waiting`. */
export const stateOf = (state: string): string => state.replace(/^RUN_STATE_/, '').toLowerCase();

interface StartOptions {
  input?: string | undefined;
  id?: string | undefined;
  onConflict?: string | undefined;
  queue?: string | undefined;
  key?: string | undefined;
  priority?: number | undefined;
  agent?: string | undefined;
  at?: string | undefined;
  send?: string | undefined;
  data?: string | undefined;
  fork?: string | undefined;
  limits?: string | undefined;
  after?: string | undefined;
  wait: boolean;
  watch: boolean;
}

export async function start(call: Call, workflow: string, options: StartOptions): Promise<number> {
  const [api, settings] = await Promise.all([call.api(), call.settings()]);
  const { input, queue, key, priority, onConflict, send, wait } = options;
  const startTime = timeOf(options.at, '--at');
  const agent = options.agent ?? settings.agent?.value;
  const body = await api.call(routes.startRun, {
    workflow,
    id: options.id ?? `run_${randomUUID()}`,
    ...(input !== undefined && { jsonInput: (await jsonOf(input, '--input')) as never }),
    ...(queue !== undefined && { queue }),
    ...(key !== undefined && { key }),
    ...(priority !== undefined && { priority }),
    ...(onConflict !== undefined && { onConflict }),
    ...(agent !== undefined && { agent }),
    ...(startTime !== undefined && { startTime }),
    ...(send !== undefined && { send: await firstMessage(send, options) }),
    ...(options.limits !== undefined && { limits: limitsOf(options.limits, '--limits') as never }),
    ...(options.fork !== undefined && { fork: { run: options.fork, after: options.after ?? '' } }),
  });
  for (const { text } of body.warnings ?? []) call.out.say(`warning: ${text} It waits for one.`);
  if (options.watch) {
    call.out.say(body.id);
    return watch(call, body.id);
  }
  if (wait) return printEnd(call, body.id, await awaitEnd(call, body.id));
  const what = body.attached ? 'was there already' : 'started';
  call.out.receipt(body, body.id, `${what}; see it with \`writ run watch ${body.id}\``);
  return exit.ok;
}

async function firstMessage(message: string, { data }: StartOptions) {
  const jsonData = data === undefined ? {} : { jsonData: (await jsonOf(data, '--data')) as never };
  return { message, idempotencyKey: randomUUID(), ...jsonData };
}

export async function get(call: Call, id: string): Promise<void> {
  const body = await (await call.api()).call(routes.getRun, { id });
  const run = body.run as Run;
  const {
    workflow,
    state,
    waitingOn,
    queue,
    agent,
    parent,
    createTime,
    endTime,
    error,
    entries,
    attributes,
    difference,
    progress,
    receipt,
    budget,
  } = run;
  call.out.thing(body, {
    name: run.id,
    fields: [
      ['id', run.id],
      ['workflow', workflow],
      ['state', stateOf(state)],
      ['waiting on', waitingOn],
      ['version', run.version && `${run.version}${run.pinnedTo === run.version ? ' (pinned)' : ''}`],
      ['pinned to', run.pinnedTo === run.version ? '' : run.pinnedTo],
      ['queue', queue],
      ['agent', agent],
      ['parent', parent],
      [
        'attributes',
        Object.entries(attributes ?? {})
          .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
          .join(', '),
      ],
      ['started', createTime && `${createTime} (${ago(createTime)})`],
      ['ended', endTime],
      ['entries', entries],
      ['under way', progress.map(underWay).join('\n')],
      ['budget', budget && budgetText(budget)],
      ['error', error && `${error.message} (${error.code})`],
      ['left behind', receipt && receiptText(receipt).join('\n')],
      ['difference', difference && `  (- the record, + the code that the workers have now)\n${difference}`],
    ],
  });
  if (waitingOn.startsWith('budget: ') || waitingOn.includes('run.budget_exhausted'))
    call.out.say(
      `Grant more with \`writ run budget ${budget?.account ?? id} --add …\`, or answer the approval ${budget?.approvalId ?? ''}.`,
    );
  else if (waitingOn.includes('is exhausted after'))
    call.out.say(`Repair what the step needs, then \`writ run resume ${id}\`: it is tried anew.`);
  if (waitingOn.startsWith('person: diverged'))
    call.out.say(
      `Nothing was performed by the changed code. Start workers whose code takes the way of the record (\`writ run pin\` names their version), then ` +
        `\`writ run resume ${id}\`; or do it anew from a step: \`writ run restart ${id} --from …\`; or end it: \`writ run cancel ${id} --reason …\`.`,
    );
}

function underWay({ step, attempt, beatTime, progress }: Run['progress'][number]): string {
  const said = progress === undefined ? '' : `: ${JSON.stringify(progress)}`;
  return `${step}, attempt ${attempt}, heard of ${beatTime ? ago(beatTime) : 'lately'}${said}`;
}

export async function remove(call: Call, id: string, reason: string): Promise<void> {
  const body = await (await call.api()).call(routes.deleteRun, { id, reason });
  call.out.receipt(body, id, 'deleted; its record stays in the ledger');
}

export async function pause(call: Call, id: string, reason: string): Promise<void> {
  const body = await (await call.api()).call(routes.pauseRun, { id, reason });
  call.out.receipt(body, id, `paused; \`writ run resume ${id}\` lets it go on`);
}

export async function resume(call: Call, id: string): Promise<void> {
  const body = await (await call.api()).call(routes.resumeRun, { id });
  call.out.receipt(body, id, `goes on; see it with \`writ run watch ${id}\``);
}

export async function pin(call: Call, id: string, version = ''): Promise<void> {
  const body = await (await call.api()).call(routes.pinRun, { id, version });
  call.out.receipt(
    body,
    id,
    version === '' ? 'goes to whichever workers there are' : `goes to workers of version ${version} alone`,
  );
}

export async function restart(
  call: Call,
  id: string,
  { from, reason = '' }: { from: string; reason?: string | undefined },
): Promise<void> {
  const body = await (await call.api()).call(routes.restartRun, { id, from, reason });
  const again = body.dropped.length > 0 ? `; may happen once more: ${body.dropped.join(', ')}` : '';
  call.out.receipt(body, id, `goes on from ${from}${again}; see it with \`writ run watch ${id}\``);
}

/** The result as it is now; nothing is waited for. */
export async function getResult(call: Call, id: string): Promise<number> {
  return printEnd(call, id, await (await call.api()).call(routes.getRunResult, { id }));
}

async function awaitEnd(call: Call, id: string): Promise<Result> {
  const api = await call.api();
  for (;;) {
    const result = await api.call(routes.getRunResult, { id, wait: '30s' }, { timeoutMs: 60_000 });
    if (['succeeded', 'failed', 'cancelled'].includes(stateOf(result.state))) return result;
  }
}

function printEnd(call: Call, id: string, body: Result): number {
  const state = stateOf(body.state);
  if (state === 'succeeded') {
    if (call.out.format === 'name') call.out.data(`${id}\n`);
    else call.out.document(call.out.machine ? body : (body.jsonResult ?? null));
    return exit.ok;
  }
  if (state !== 'failed' && state !== 'cancelled')
    throw new Refused('run.not_ended', `${id} is ${state}`, { status: 409, hint: `writ run watch ${id}` });
  if (call.out.machine) call.out.document(body);
  else {
    const { message = '', code = '' } = body.error ?? {};
    call.out.say(`${id} ${state}${message && `: ${message}`}${code && ` (${code})`}`);
  }
  return exit.endedBadly;
}

const columns: readonly Column<Run>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'WORKFLOW', of: ({ workflow }) => workflow, flexible: true },
  { head: 'STATE', of: ({ state }) => stateOf(state) },
  { head: 'WAITING ON', of: ({ waitingOn, error }) => waitingOn || error?.code, flexible: true },
  { head: 'ENTRIES', of: ({ entries }) => entries, right: true },
  { head: 'STARTED', of: ({ createTime }) => ago(createTime) },
];

interface ListOptions {
  state?: string | undefined;
  workflow?: string | undefined;
  filter?: string | undefined;
  orderBy?: string | undefined;
  limit?: number | undefined;
  pageToken?: string | undefined;
}

function filterOf({ state, workflow, filter }: ListOptions): string {
  return [
    ...(state === undefined ? [] : [`state = ${JSON.stringify(state)}`]),
    ...(workflow === undefined ? [] : [`workflow = ${JSON.stringify(workflow)}`]),
    ...(filter === undefined ? [] : [filter]),
  ].join(' AND ');
}

export async function count(call: Call, options: ListOptions, groupBy: string): Promise<void> {
  const body = await (await call.api()).call(routes.countRuns, { filter: filterOf(options), groupBy });
  if (groupBy === '') return call.out.machine ? call.out.document(body) : call.out.data(`${body.runs}\n`);
  call.out.list(body, {
    rows: body.groups,
    columns: [
      { head: groupBy.toUpperCase(), of: ({ value }) => String(value), flexible: true },
      { head: 'RUNS', of: ({ runs }) => runs, right: true },
    ],
    name: ({ value }) => String(value),
    empty: 'no runs',
  });
}

export async function list(call: Call, options: ListOptions): Promise<void> {
  const { orderBy = '', limit: pageSize = 50, pageToken = '' } = options;
  const body = await (
    await call.api()
  ).call(routes.listRuns, { filter: filterOf(options), orderBy, pageSize, pageToken });
  call.out.list(body, {
    rows: body.runs,
    columns,
    name: (run) => run.id,
    empty: 'no runs; start one with `writ run start <workflow>`',
    more: body.nextPageToken,
  });
}

export async function send(
  call: Call,
  id: string,
  message: string,
  { data, idempotencyKey = randomUUID() }: { data?: string | undefined; idempotencyKey?: string | undefined },
): Promise<void> {
  const request = { id, message, idempotencyKey };
  const jsonData = data === undefined ? {} : { jsonData: (await jsonOf(data, '--data')) as never };
  const body = await (await call.api()).call(routes.sendMessage, { ...request, ...jsonData });
  call.out.receipt(body, '', `sent '${message}' to ${id}`);
}

export async function cancel(
  call: Call,
  id: string,
  { reason, force }: { reason: string; force: boolean },
): Promise<void> {
  const body = await (await call.api()).call(routes.cancelRun, { id, reason, force });
  const said = receiptText(body);
  const undoing = body.undoing.length > 0 ? [`being taken back still: ${body.undoing.join(', ')}`] : [];
  call.out.receipt(body, id, [undoing.length > 0 ? 'is cancelled' : 'cancelled', ...said, ...undoing].join('; '));
}

function receiptText({ stopped, undone, outcomeUnknown }: Receipt): string[] {
  return [
    ...(stopped.length > 0 ? [`stopped with it: ${stopped.join(', ')}`] : []),
    ...(undone.length > 0 ? [`taken back: ${undone.join(', ')}`] : []),
    ...(outcomeUnknown.length > 0 ? [`may or may not have happened: ${outcomeUnknown.join(', ')}`] : []),
  ];
}

export async function replay(call: Call, id: string): Promise<number> {
  const body = await (await call.api()).call(routes.replayRun, { id }, { timeoutMs: 120_000 });
  const { same, entries, liveCalls, firstDifference, expected, actual } = body;
  if (same) {
    call.out.receipt(body, id, `the same: ${entries} entries, ${liveCalls} live calls`);
    return exit.ok;
  }
  call.out.thing(body, {
    name: id,
    fields: [
      ['first difference', firstDifference],
      ['recorded', JSON.stringify(expected)],
      ['replayed', JSON.stringify(actual)],
    ],
  });
  return exit.found;
}
