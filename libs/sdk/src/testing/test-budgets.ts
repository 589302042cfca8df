import { durationMs, type Duration } from '../define/duration.js';
import type { Counted, CountedLimits } from '../define/limits.js';
import { WritError } from '../errors/errors.js';

/** What a test's answer grants: as `Limits`. */
export interface Granted {
  usd?: number;
  tokens?: number;
  toolCalls?: number;
  children?: number;
  time?: Duration;
}

interface Account {
  readonly run: string;
  readonly first: CountedLimits;
  readonly limits: Counted;
  deadlineMs: number;
  used: Counted;
  readonly held: Map<string, Counted>;
  readonly settled: Set<string>;
  /** The account that it is a share of. */
  readonly above: Account | undefined;
  asked: { approval: string; lacking: string[]; need: Counted } | undefined;
  readonly waiting: Set<string>;
}

/** What the in-process scheduler lends to its budgets. */
export interface BudgetPort {
  now(): number;
  newApproval(): string;
  record(run: string, type: string, data: object, subject?: string): void;
  /** What waited for more goes on, or has failed. */
  refilled(run: string): void;
  refused(run: string): void;
}

const quantities = ['nanoUsd', 'tokens', 'toolCalls', 'children'] as const;
const mostDepth = 8;

/** Budgets of runs in a test, by the rules of the scheduler. */
export class TestBudgets {
  readonly #accounts = new Map<string, Account>();
  readonly #spendsFrom = new Map<string, { account: Account | undefined; depth: number; maxDepth: number }>();

  constructor(private readonly port: BudgetPort) {}

  /** Before a run starts. @throws WritError `run.too_deep`, `run.budget_exhausted`, `run.budget_incomplete` */
  open(run: string, limits: CountedLimits | undefined, parent: string | undefined): void {
    const above = parent === undefined ? undefined : this.#spendsFrom.get(parent);
    const depth = (above?.depth ?? -1) + 1;
    const most = above?.maxDepth ?? mostDepth;
    if (depth > most)
      throw new WritError(`run ${parent} stands ${depth - 1} levels below the first, and ${most} is the most`, {
        code: 'run.too_deep',
      });
    const maxDepth = Math.min(most, depth + (limits?.depth ?? mostDepth));
    if (!limits) {
      if (above?.account) this.#take(above.account, run, { children: 1 }, true);
      return void this.#spendsFrom.set(run, { account: above?.account, depth, maxDepth });
    }
    const { timeMs, depth: _, ...amount } = limits;
    if (above?.account) this.#reserveShare(above.account, run, amount);
    const deadlineMs = Math.min(above?.account?.deadlineMs ?? Infinity, this.port.now() + (timeMs ?? Infinity));
    const account: Account = {
      run, first: limits, limits: { ...amount }, deadlineMs, used: {}, held: new Map(), settled: new Set(), above: above?.account, asked: undefined,
      waiting: new Set(),
    }; // prettier-ignore
    this.#accounts.set(run, account);
    this.#spendsFrom.set(run, { account, depth, maxDepth });
  }

  /** When the time of a run is over; Infinity for never. */
  deadlineOf(run: string): number {
    return this.#spendsFrom.get(run)?.account?.deadlineMs ?? Infinity;
  }

  /** @throws WritError `run.budget_exhausted` */
  reserve(run: string, id: string, amount: Counted, settled: boolean): void {
    const account = this.#spendsFrom.get(run)?.account;
    if (account) this.#take(account, id, amount, settled);
  }

  settle(run: string, id: string, used: Counted): void {
    const account = this.#spendsFrom.get(run)?.account;
    if (account) settleIn(account, id, used);
  }

  /** Whether what failed so waits for more budget; the run then goes on when there is some. */
  awaits(run: string, code: string): boolean {
    const account = this.#spendsFrom.get(run)?.account;
    if (!account || code !== 'run.budget_exhausted') return false;
    account.waiting.add(run);
    return true;
  }

  /** The time of a run is over. */
  timeIsOver(run: string): void {
    const account = this.#spendsFrom.get(run)?.account;
    if (!account) return;
    account.waiting.add(run);
    if (!account.asked) this.#ask(account, ['time'], {});
  }

  /** What was left goes back. */
  ended(run: string): void {
    const account = this.#accounts.get(run);
    if (account?.above) settleIn(account.above, run, plus(plus(account.used, heldOf(account)), { children: 1 }));
  }

  /** @returns false where nobody asked for this */
  answer(approval: string, approved: boolean, granted: Granted | undefined): boolean {
    const account = [...this.#accounts.values()].find(({ asked }) => asked?.approval === approval);
    if (!account?.asked) return false;
    const { lacking, need } = account.asked;
    account.asked = undefined;
    const waiting = [...account.waiting];
    account.waiting.clear();
    if (!approved) {
      this.port.record(account.run, 'run.budget_refused.v1', { approval });
      for (const run of waiting) this.port.refused(run);
      return true;
    }
    const { timeMs, ...amount } = granted ? counted(granted) : asAtFirst(account, lacking, need);
    this.port.record(account.run, 'run.budget_added.v1', { amount });
    for (let each: Account | undefined = account; each; each = each.above) {
      for (const of of quantities) if (each.limits[of] !== undefined) each.limits[of] += amount[of] ?? 0;
      const share: Counted | undefined = each.above?.held.get(each.run);
      if (share) each.above?.held.set(each.run, plus(share, amount));
    }
    if (timeMs !== undefined) account.deadlineMs = Math.max(account.deadlineMs, this.port.now()) + timeMs;
    for (const run of waiting) this.port.refilled(run);
    return true;
  }

  #reserveShare(above: Account, run: string, amount: Counted): void {
    const missing = quantities.filter((of) => above.limits[of] !== undefined && amount[of] === undefined);
    if (missing.length > 0)
      throw new WritError(`the limits of ${run} say nothing of ${missing.join(', ')}, which run ${above.run} limits`, {
        code: 'run.budget_incomplete',
      });
    this.#take(above, run, plus(amount, { children: 1 }), false);
  }

  #take(account: Account, id: string, amount: Counted, settled: boolean): void {
    if (account.held.has(id) || account.settled.has(id)) return;
    const taken = plus(account.used, heldOf(account));
    const lacking: string[] = quantities.filter((of) => {
      const [more, most] = [amount[of] ?? 0, account.limits[of] ?? Infinity];
      return more > 0 && (taken[of] ?? 0) + more > most;
    });
    if (lacking.length === 0) {
      if (settled) account.settled.add(id);
      else account.held.set(id, amount);
      if (settled) account.used = plus(account.used, amount);
      return;
    }
    if (!account.asked) this.#ask(account, lacking, amount);
    throw new WritError(`the budget of run ${account.run} is used up: ${lacking.join(', ')}`, {
      code: 'run.budget_exhausted',
      details: { account: account.run, lacking: lacking.join(', ') },
    });
  }

  #ask(account: Account, lacking: string[], need: Counted): void {
    const approval = this.port.newApproval();
    account.asked = { approval, lacking, need };
    this.port.record(account.run, 'run.budget_exhausted.v1', { lacking, need, approval });
    const title = `More budget for run ${account.run}? ${lacking.join(', ')}`;
    this.port.record(account.run, 'approval.requested.v1', { run: account.run, kind: 'question', title }, approval);
  }
}

function settleIn(account: Account, id: string, used: Counted): void {
  if (!account.held.delete(id)) return;
  account.settled.add(id);
  account.used = plus(account.used, used);
}

function heldOf(account: Account): Counted {
  let sum: Counted = {};
  for (const amount of account.held.values()) sum = plus(sum, amount);
  return sum;
}

function plus(a: Counted, b: Counted): Counted {
  const sum: Counted = {};
  for (const of of quantities) if (a[of] !== undefined || b[of] !== undefined) sum[of] = (a[of] ?? 0) + (b[of] ?? 0);
  return sum;
}

function counted({ usd, time, ...rest }: Granted): CountedLimits {
  return {
    ...rest,
    ...(usd !== undefined && { nanoUsd: Math.round(usd * 1e9) }),
    ...(time !== undefined && { timeMs: durationMs(time) }),
  };
}

function asAtFirst({ first }: Account, lacking: readonly string[], need: Counted): CountedLimits {
  const granted: CountedLimits = {};
  for (const of of quantities) if (lacking.includes(of)) granted[of] = Math.max(first[of] ?? 0, need[of] ?? 0);
  if (lacking.includes('time')) granted.timeMs = Math.max(first.timeMs ?? 0, 60_000);
  return granted;
}
