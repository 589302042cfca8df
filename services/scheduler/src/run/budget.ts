import { keyOf } from './command-key.js';
import type { BudgetFacts } from '../partition/control.js';
import type { Amount, EndedBudget, Limits, SpendsFrom, StartedBudget } from './budget.events.js';

/** What is counted, in the order in which it is told. Money is in nano-USD (1e-9 USD): whole numbers add up. */
export const quantities = ['nanoUsd', 'tokens', 'toolCalls', 'children'] as const;

/** Runs under one another, whatever their limits say: a workflow that starts itself for ever ends here. As deep as identity delegates. */
export const mostDepth = 8;

/** Taken and not settled. */
export interface Hold {
  by: string;
  amount: Amount;
}

/** The account of a run with limits of its own. */
export interface Account {
  limits: Amount;
  /** As at the start: what an approval adds that does not say how much. */
  first: Limits;
  used: Amount;
  held: Map<string, Hold>;
  /** The sum of what is held. */
  reserved: Amount;
  /** What was settled: it is neither reserved nor settled a second time. Eight bytes each. */
  settled: number[];
  /** What others than the run itself have used. */
  others: Map<string, Amount>;
  /** The account above that these limits were reserved from. */
  from: string | undefined;
  /** Approvals that were asked for. */
  asks: number;
  asked: { approval: string; lacking: string[]; need: Amount } | undefined;
  /** Runs that go on when there is more. */
  waiting: string[];
}

/** What a run knows of the budget that it spends from. */
export interface Budget {
  account: string;
  /** Infinity for none. */
  deadlineMs: number;
  maxDepth: number;
  own: Account | undefined;
}

/** Others than the account's own run that are counted one by one; those beyond are counted together. */
const mostOthers = 1000;

/** The budget of a run that starts, if it has any. */
export function startedBudget(
  id: string,
  start: { limits?: Limits | undefined; budget?: SpendsFrom | undefined; depth: number; notBeforeMs?: number },
  nowMs: number,
): StartedBudget | undefined {
  const { limits, budget: above, depth } = start;
  if (!limits) return above;
  const { timeMs, depth: below, ...amount } = limits;
  const own = timeMs === undefined ? Infinity : Math.max(nowMs, start.notBeforeMs ?? 0) + timeMs;
  const deadlineMs = Math.min(own, above?.deadline === undefined ? Infinity : Date.parse(above.deadline));
  const maxDepth = Math.min(below === undefined ? Infinity : depth + below, above?.maxDepth ?? Infinity);
  return {
    account: id,
    limits: amount,
    ...(Number.isFinite(deadlineMs) && { deadline: new Date(deadlineMs).toISOString() }),
    ...(Number.isFinite(maxDepth) && { maxDepth }),
    ...(timeMs !== undefined && { timeMs }),
    ...(above && { from: above.account }),
  };
}

/** As the index keeps it. */
export function budgetFrom({ account, deadline, maxDepth, limits, timeMs, from }: StartedBudget): Budget {
  const first = { ...limits, ...(timeMs !== undefined && { timeMs }) };
  return {
    account,
    deadlineMs: deadline === undefined ? Infinity : Date.parse(deadline),
    maxDepth: maxDepth ?? Infinity,
    own: limits && {
      limits,
      first,
      used: {},
      held: new Map(),
      reserved: {},
      settled: [],
      others: new Map(),
      from,
      asks: 0,
      asked: undefined,
      waiting: [],
    },
  };
}

/** What a child inherits. */
export function inherited({ account, deadlineMs, maxDepth }: Budget): SpendsFrom {
  return {
    account,
    ...(Number.isFinite(deadlineMs) && { deadline: new Date(deadlineMs).toISOString() }),
    ...(Number.isFinite(maxDepth) && { maxDepth }),
  };
}

export function plus(a: Amount, b: Amount): Amount {
  const sum: Amount = {};
  for (const of of quantities) if (a[of] !== undefined || b[of] !== undefined) sum[of] = (a[of] ?? 0) + (b[of] ?? 0);
  return sum;
}

export function minus(a: Amount, b: Amount): Amount {
  const rest: Amount = {};
  for (const of of quantities) if (a[of] !== undefined) rest[of] = Math.max(0, a[of] - (b[of] ?? 0));
  return rest;
}

/** Of what there is too little for this amount. */
export function lackingFor(account: Account, amount: Amount): string[] {
  const taken = plus(account.used, account.reserved);
  return quantities.filter((of) => {
    const limit = account.limits[of];
    const more = amount[of] ?? 0;
    return limit !== undefined && more > 0 && (taken[of] ?? 0) + more > limit;
  });
}

/** What is left, of what has a limit; never below 0. */
export function leftOf(account: Account): Amount {
  const taken = plus(account.used, account.reserved);
  const left: Amount = {};
  for (const of of quantities) {
    const limit = account.limits[of];
    if (limit !== undefined) left[of] = Math.max(0, limit - (taken[of] ?? 0));
  }
  return left;
}

export function isKnown(account: Account, id: string): boolean {
  return account.held.has(id) || account.settled.includes(settledKey(id));
}

export function settledKey(id: string): number {
  return keyOf('step', id, 1);
}

/** Counts what was used, and by whom. */
export function use(account: Account, run: string, by: string, used: Amount): void {
  account.used = plus(account.used, used);
  if (by === run) return;
  const who = account.others.has(by) || account.others.size < mostOthers ? by : '';
  account.others.set(who, plus(account.others.get(who) ?? {}, used));
}

/** What its end says of the account of a run. */
export function endedBudget({ own }: Budget): { budget: EndedBudget } | undefined {
  if (!own) return undefined;
  const { limits, used, reserved, from, waiting } = own;
  return {
    budget: {
      limits,
      used: plus(used, reserved),
      ...(from !== undefined && { from }),
      ...(waiting.length > 0 && { waiting: [...waiting] }),
    },
  };
}

/** For people: `tokens 900 of 1000`. */
export function amountText(of: string, used: Amount, limits: Amount): string {
  if (of === 'time') return 'its time is over';
  const [has, most] = [used[of as keyof Amount] ?? 0, limits[of as keyof Amount] ?? 0];
  if (of === 'nanoUsd') return `${has / 1e9} of ${most / 1e9} USD`;
  return `${has} of ${most} ${of === 'toolCalls' ? 'tool calls' : of}`;
}

/** For who looks at it. */
export function budgetFacts(budget: Budget): BudgetFacts {
  const { own } = budget;
  if (!own) return inherited(budget);
  const { limits, used, reserved, asked, others, held } = own;
  const children = new Map(Array.from(others, ([run, spent]) => [run, { used: spent, reserved: {} as Amount }]));
  for (const { by, amount } of held.values()) {
    const child = children.get(by) ?? { used: {}, reserved: {} };
    children.set(by, { ...child, reserved: plus(child.reserved, amount) });
  }
  children.delete(budget.account);
  return {
    ...inherited(budget),
    own: {
      limits,
      used,
      reserved,
      ...(asked && { approval: asked.approval }),
      children: Array.from(children, ([run, spent]) => [run, spent.used, spent.reserved]),
    },
  };
}

/** As a snapshot has it: JSON knows neither maps nor infinity. */
export type BudgetRow = [
  account: string,
  deadlineMs: number | null,
  maxDepth: number | null,
  own:
    | (Omit<Account, 'held' | 'others' | 'from' | 'asked'> & {
        held: [string, Hold][];
        others: [string, Amount][];
        from: string | null;
        asked: Account['asked'] | null;
      })
    | null,
];

/** A copy: what evolves later leaves it alone. */
export function budgetRow({ account, deadlineMs, maxDepth, own }: Budget): BudgetRow {
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  const row = own && {
    ...own,
    held: Array.from(own.held, ([id, hold]): [string, Hold] => [id, { ...hold }]),
    settled: [...own.settled],
    others: [...own.others],
    from: own.from ?? null,
    asked: own.asked ?? null,
    waiting: [...own.waiting],
  };
  return [account, finite(deadlineMs), finite(maxDepth), row ?? null];
}

export function budgetOfRow([account, deadlineMs, maxDepth, own]: BudgetRow): Budget {
  return {
    account,
    deadlineMs: deadlineMs ?? Infinity,
    maxDepth: maxDepth ?? Infinity,
    own: own
      ? {
          ...own,
          held: new Map(own.held),
          others: new Map(own.others),
          from: own.from ?? undefined,
          asked: own.asked ?? undefined,
        }
      : undefined,
  };
}
