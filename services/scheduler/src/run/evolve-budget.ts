import { minus, plus, settledKey, use } from './budget.js';
import type { Amount } from './budget.events.js';
import { isOutOfBudget } from './decide-budget.js';
import type { Failure, RunEventData, RunEventType } from './run.events.js';
import type { RunIndex } from './run-index.js';
import { openAt, type Open, type RunRecord } from './run-record.js';

type BudgetEvent = Extract<RunEventType, `run.budget_${string}`> | 'run.child_deferred.v1';
type Evolvers = {
  [T in BudgetEvent]: (run: RunRecord, data: RunEventData<T>, at: { index: RunIndex; timeMs: number }) => void;
};

/** What events do to the account of a run with limits of its own. */
export const budgetEvolvers: Evolvers = {
  'run.budget_reserved.v1': (run, { id, by, amount, settled }) => {
    const account = run.budget?.own;
    if (!account) return;
    if (settled) {
      account.settled.push(settledKey(id));
      return use(account, run.id, by, amount);
    }
    account.held.set(id, { by, amount });
    account.reserved = plus(account.reserved, amount);
  },
  'run.budget_settled.v1': (run, { id, used }) => {
    const account = run.budget?.own;
    const hold = account?.held.get(id);
    if (!account || !hold) return;
    account.held.delete(id);
    account.reserved = minus(account.reserved, hold.amount);
    account.settled.push(settledKey(id));
    use(account, run.id, hold.by, used);
  },
  'run.budget_exhausted.v1': (run, { approval, lacking, need }, { index }) => {
    const account = run.budget?.own;
    if (!account) return;
    account.asks++;
    account.asked = { approval, lacking, need };
    index.approvals.add(run, approval);
  },
  'run.budget_awaited.v1': (run, { by }) => {
    run.budget?.own?.waiting.push(by);
  },
  'run.budget_added.v1': (run, { amount, deadline }, { index }) => {
    const account = run.budget?.own;
    if (!run.budget || !account) return;
    account.limits = limited(account.limits, amount);
    if (deadline !== undefined) run.budget.deadlineMs = Date.parse(deadline);
    account.waiting = [];
    answered(run, index);
  },
  'run.budget_extended.v1': (run, { id, cause, amount }) => {
    const account = run.budget?.own;
    const hold = account?.held.get(id);
    if (!account || !hold) return;
    account.limits = limited(account.limits, amount);
    hold.amount = plus(hold.amount, amount);
    account.reserved = plus(account.reserved, amount);
    account.settled.push(settledKey(cause));
  },
  'run.budget_refused.v1': (run, { expired }, { index }) => {
    const account = run.budget?.own;
    if (!account) return;
    if (!expired) account.waiting = [];
    answered(run, index);
  },
  'run.child_deferred.v1': (run, { name, occurrence, error, idle = false }, { timeMs: sinceMs }) => {
    const open = run.opens[openAt(run, name, occurrence)];
    if (!open) return;
    open.trying = { failures: 0, excused: 0, sinceMs, exhausted: exhaustedText(error), told: undefined };
    if (idle) run.idle = true;
  },
};

/** Of the error of what is exhausted, for people. */
export function exhaustedText({ code, message }: Failure): string {
  return `${code}: ${message}`.slice(0, 300);
}

/** Adds to the limits that there are: what has none is not limited by more of it. */
function limited(limits: Amount, more: Amount): Amount {
  const sum = { ...limits };
  for (const [of, amount] of Object.entries(more) as [keyof Amount, number][])
    if (sum[of] !== undefined) sum[of] += amount;
  return sum;
}

function answered(run: RunRecord, index: RunIndex): void {
  const account = run.budget?.own;
  if (!account?.asked) return;
  index.approvals.delete(run, account.asked.approval);
  account.asked = undefined;
}

/** There is more budget, or a person lets it go on without. @returns the steps that are tried anew; children are started by who reacts */
export function resumed(run: RunRecord, data: RunEventData<'run.resumed.v1'>): Open[] {
  const { budget } = run;
  if (budget && data.deadline !== undefined) budget.deadlineMs = Date.parse(data.deadline);
  const freed = run.opens.filter(
    (open) => open.trying?.exhausted !== undefined && isOutOfBudget(open) === (data.budget === true),
  );
  for (const open of freed) if (open.kind === 'child') open.trying = undefined;
  return freed.filter(({ kind }) => kind !== 'child');
}

/** Its last word on what was reserved: nobody waits for an answer any more. */
export function ended(run: RunRecord, index: RunIndex): void {
  answered(run, index);
  run.budget = undefined;
}

/** For the version of what applies events. */
export const budgetEvolving = [
  ...Object.values(budgetEvolvers),
  limited,
  answered,
  exhaustedText,
  resumed,
  ended,
  minus,
  plus,
  use,
];
