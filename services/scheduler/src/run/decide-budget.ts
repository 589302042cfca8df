import { derivedId, DomainError, refuse, type Json } from '@writ/ledger/domain';
import { lackingFor, isKnown, amountText, plus, quantities, type Account } from './budget.js';
import type { Amount, Limits } from './budget.events.js';
import type { RunCommand } from './run.commands.js';
import type { Content, Failure, RunEvent } from './run.events.js';
import type { RunRecord } from './run-record.js';

type Of<T extends RunCommand['type']> = Extract<RunCommand, { type: T }>;

/** Begins the words of a step that waits for more budget. */
export const exhaustedCode = 'run.budget_exhausted';

/** The account of a run. @throws DomainError `run.no_budget`, `run.budget_closed` */
function accountOf(run: RunRecord): Account {
  if (run.ended)
    throw refuse('run.budget_closed', `run ${run.id} has ${run.state}, and its budget with it`, { account: run.id });
  const { budget } = run;
  if (!budget?.own)
    throw refuse(
      'run.no_budget',
      `run ${run.id} was started without limits${budget ? ` of its own; it spends from ${budget.account}` : ''}`,
      { account: budget?.account ?? '' },
    );
  return budget.own;
}

/**
 * Takes an amount before it is spent; the same id is taken once. Where it does not fit a person is asked, once, and `run.budget_exhausted.v1` is the answer; for a
 * start it asks who waits for it.
 */
export function decideReserve(run: RunRecord, command: Of<'reserve'>, nowMs: number): RunEvent[] {
  const { id, by, settled, start } = command;
  const account = accountOf(run);
  if (isKnown(account, id)) return [];
  if (start === 'share') mustBeWhole(run, account, id, command.amount);
  const amount = start ? plus(command.amount, { children: 1 }) : command.amount;
  const lacking = lackingNow(run, account, amount, nowMs);
  if (lacking.length === 0)
    return [{ type: 'run.budget_reserved.v1', subject: run.id, data: { id, by, amount, ...(settled && { settled }) } }];
  if (start || account.asked) throw exhausted(run, account, lacking, amount);
  return [asking(run, account, lacking, { need: amount, by })];
}

/** A child with limits of its own needs some of everything that is limited here: what it does not count nobody would. */
function mustBeWhole(run: RunRecord, account: Account, child: string, amount: Amount): void {
  const missing = quantities.filter((of) => account.limits[of] !== undefined && amount[of] === undefined);
  if (missing.length === 0) return;
  throw refuse(
    'run.budget_incomplete',
    `${child} is to have limits of its own, and says nothing of ${missing.join(', ')}, which run ${run.id} limits`,
    { account: run.id, missing },
  );
}

function lackingNow({ budget }: RunRecord, account: Account, amount: Amount, nowMs: number): string[] {
  const lacking = lackingFor(account, amount);
  return (budget?.deadlineMs ?? Infinity) <= nowMs ? [...lacking, 'time'] : lacking;
}

function exhausted(run: RunRecord, account: Account, lacking: readonly string[], need: Amount): DomainError {
  const taken = plus(account.used, account.reserved);
  const what = lacking.map((of) => amountText(of, taken, account.limits)).join(', ');
  return refuse(exhaustedCode, `the budget of run ${run.id} is used up: ${what}`, {
    account: run.id,
    lacking: lacking.join(', '),
    ...(need as Record<string, number>),
  });
}

function asking(
  run: RunRecord,
  account: Account,
  lacking: string[],
  { need, by }: { need: Amount; by: string },
): RunEvent {
  const approval = derivedId('apr', run.id, 'budget', String(account.asks + 1));
  const used = plus(account.used, account.reserved);
  const { limits } = account;
  return {
    type: 'run.budget_exhausted.v1',
    subject: run.id,
    data: { lacking, need, by, approval, limits: { ...limits }, used },
  };
}

/** What a reservation was answered with. @throws DomainError `run.budget_exhausted` */
export function mustBeReserved(account: string, events: readonly { type: string; data: Json }[]): void {
  const event = events.find(({ type }) => type === 'run.budget_exhausted.v1');
  if (!event) return;
  const { lacking, need, used, limits } = event.data as unknown as {
    lacking: string[];
    need: Amount;
    used: Amount;
    limits: Amount;
  };
  const what = lacking.map((of) => amountText(of, used, limits)).join(', ');
  throw refuse(exhaustedCode, `the budget of run ${account} is used up: ${what}`, {
    account,
    lacking: lacking.join(', '),
    ...(need as Record<string, number>),
  });
}

/** What was really spent; it may be more than was reserved, and then is counted all the same. */
export function decideSettle(run: RunRecord, { id, used }: Of<'settle'>): RunEvent[] {
  if (!run.budget?.own?.held.has(id)) return [];
  return [{ type: 'run.budget_settled.v1', subject: run.id, data: { id, used } }];
}

/** A run waits for so much. No event: it is there. */
export function decideAwait(run: RunRecord, { by, need }: Of<'await_budget'>, nowMs: number): RunEvent[] {
  const account = accountOf(run);
  const lacking = lackingNow(run, account, need, nowMs);
  if (lacking.length === 0) return [];
  return [
    ...(account.asked ? [] : [asking(run, account, lacking, { need, by })]),
    ...(account.waiting.includes(by)
      ? []
      : [{ type: 'run.budget_awaited.v1', subject: run.id, data: { by } } as RunEvent]),
  ];
}

/** A person grants more. */
export function decideAdd(
  run: RunRecord,
  command: { limits: Limits; by: string; answers?: boolean },
  nowMs: number,
): RunEvent[] {
  const account = accountOf(run);
  const { timeMs, depth: _, ...amount } = command.limits;
  const { deadlineMs = Infinity } = run.budget ?? {};
  const later = timeMs !== undefined && Number.isFinite(deadlineMs);
  const { from, waiting, asked } = account;
  return [
    {
      type: 'run.budget_added.v1',
      subject: run.id,
      data: {
        amount,
        by: command.by,
        ...(later && { deadline: new Date(Math.max(deadlineMs, nowMs) + timeMs).toISOString() }),
        ...(from !== undefined && { from }),
        ...(waiting.length > 0 && { waiting: [...waiting] }),
        ...(asked && !command.answers && { approvals: [asked.approval] }),
      },
    },
  ];
}

/** A share below has grown; `cause` is the event there. */
export function decideExtend(run: RunRecord, { id, cause, amount }: Of<'extend_budget'>): RunEvent[] {
  const account = run.budget?.own;
  if (!account?.held.has(id) || isKnown(account, cause)) return [];
  return [{ type: 'run.budget_extended.v1', subject: run.id, data: { id, cause, amount } }];
}

/** The answer of a person to what {@link asking} asked. */
export function decideBudgetAnswer(run: RunRecord, command: Of<'answer'>, nowMs: number): RunEvent[] {
  const { approval, expired, approved, by, reason, content } = command;
  const account = run.budget?.own;
  if (run.ended || account?.asked?.approval !== approval) return [];
  const { waiting } = account;
  if (approved && !expired)
    return decideAdd(run, { limits: grantedBy(content, account), by: by ?? '', answers: true }, nowMs);
  const data = {
    approval,
    ...(by !== undefined && { by }),
    ...(reason !== undefined && { reason }),
    ...(expired && { expired }),
    ...(!expired && waiting.length > 0 && { waiting: [...waiting] }),
  };
  return [{ type: 'run.budget_refused.v1', subject: run.id, data }];
}

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What an answer says, or without a word as much as at first of what is lacking, and enough for what was asked for. */
function grantedBy({ value }: Content, { first, asked }: Account): Limits {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { usd, time, ...rest } = value as Record<string, Json>;
    const granted: Limits = {};
    for (const of of quantities)
      if (Number.isSafeInteger(rest[of]) && Number(rest[of]) >= 0) granted[of] = Number(rest[of]);
    if (typeof usd === 'number' && usd >= 0 && usd <= 9e6) granted.nanoUsd = Math.round(usd * 1e9);
    const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(typeof time === 'string' ? time : '') ?? [];
    if (count !== undefined) granted.timeMs = Number(count) * (durations[unit as string] as number);
    if (Object.keys(granted).length > 0) return granted;
  }
  const granted: Limits = {};
  for (const of of quantities)
    if (asked?.lacking.includes(of)) granted[of] = Math.max(first[of] ?? 0, asked.need[of] ?? 0);
  if (asked?.lacking.includes('time')) granted.timeMs = Math.max(first.timeMs ?? 0, 60_000);
  return granted;
}

/** There is more: whatever of this run waited for it goes on. */
export function decideRefilled(run: RunRecord, { deadlineMs }: Of<'refilled'>): RunEvent[] {
  if (run.ended || !waitsForBudget(run)) return [];
  const deadline = deadlineMs !== undefined && { deadline: new Date(deadlineMs).toISOString() };
  const children = run.opens
    .filter((open) => open.kind === 'child' && isOutOfBudget(open))
    .map(({ name, occurrence }) => ({ name, occurrence }));
  const data = { budget: true, ...deadline, ...(children.length > 0 && { children }) };
  return [{ type: 'run.resumed.v1', subject: run.id, data }];
}

/** Nobody grants more: what waited for it has failed; a run whose time was over is cancelled, and cleans up. */
export function decideBudgetRefused(run: RunRecord, command: Of<'budget_refused'>, nowMs: number): RunEvent[] {
  if (run.ended) return [];
  const { by, reason, graceMs } = command;
  const why = `${by ? `${by} grants no more` : 'there is no more'}${reason ? `: ${reason}` : ''}`;
  const error = { code: exhaustedCode, message: `the budget is used up, and ${why}` };
  const failed = run.opens.filter(isOutOfBudget).map((open) => givenUpOn(run, open, error));
  if (run.paused === 'budget' && !run.cancel) {
    const deadline = new Date(nowMs + graceMs).toISOString();
    const children = run.children.filter(({ outcome }) => outcome === undefined).map(({ id }) => id);
    const data = { reason: `its time is over, and ${why}`, deadline, ...(children.length > 0 && { children }) };
    return [
      { type: 'run.cancel_requested.v1', subject: run.id, data },
      ...failed,
      { type: 'run.resumed.v1', subject: run.id, data: {} },
    ];
  }
  return failed;
}

/** What waited for another try gets none. */
export function givenUpOn({ id: subject }: RunRecord, open: RunRecord['opens'][number], error: Failure): RunEvent {
  const { kind, name, occurrence, on: child = '', trying } = open;
  if (kind === 'child')
    return { type: 'run.child_refused.v1', subject, data: { kind, name, occurrence, child, error } };
  const data = { kind, name, occurrence, attempt: (trying?.failures ?? 0) + 1, error };
  return { type: 'run.step_failed.v1', subject, data };
}

export function waitsForBudget(run: RunRecord): boolean {
  return run.budget !== undefined && (run.paused === 'budget' || run.opens.some(isOutOfBudget));
}

/** A step, or the start of a child, that waits for more budget, and not for a person who lets it be tried again. */
export function isOutOfBudget({ trying }: Pick<RunRecord['opens'][number], 'trying'>): boolean {
  return trying?.exhausted?.startsWith(`${exhaustedCode}:`) === true;
}

/** What was refused, if that was for want of budget: it waits for as much. */
export function neededBy(run: RunRecord, error: { code: string; details?: Json | undefined }): Amount | undefined {
  if (error.code !== exhaustedCode || !run.budget || run.cancel) return undefined;
  const details = (error.details ?? {}) as Record<string, Json>;
  if (details['account'] !== run.budget.account) return undefined;
  const needed: Amount = {};
  // On their way numbers become text.
  for (const of of quantities) {
    const amount = Number(details[of] ?? Number.NaN);
    if (Number.isSafeInteger(amount) && amount >= 0) needed[of] = amount;
  }
  return needed;
}
