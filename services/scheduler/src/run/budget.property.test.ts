import { expect, test } from '@jest/globals';
import { DomainError } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { emptyModel, FakePartition, startOf } from '../testing/fake-partition.js';
import { plus } from './budget.js';
import type { Amount, EndedBudget } from './budget.events.js';
import type { RunCommand } from './run.commands.js';

type Step =
  | { what: 'start'; in: number; tokens: number; share: boolean }
  | { what: 'reserve' | 'charge'; in: number; tokens: number }
  | { what: 'settle'; hold: number; part: number }
  | { what: 'add'; in: number; tokens: number }
  | { what: 'end'; in: number };
const which = fc.nat({ max: 9 });
const tokens = fc.integer({ min: 0, max: 60 });
const story: fc.Arbitrary<{ step: Step; again: boolean }[]> = fc.array(
  fc.record({
    step: fc.oneof(
      fc.record({ what: fc.constant('start' as const), in: which, tokens, share: fc.boolean() }),
      fc.record({ what: fc.constantFrom('reserve' as const, 'charge' as const), in: which, tokens }),
      fc.record({ what: fc.constant('settle' as const), hold: which, part: fc.integer({ min: 0, max: 100 }) }),
      fc.record({ what: fc.constant('add' as const), in: which, tokens }),
      fc.record({ what: fc.constant('end' as const), in: which }),
    ),
    /** The command comes twice: its answer was lost, or a reactor died. */
    again: fc.boolean(),
  }),
  { maxLength: 60 },
);

/** A tree of runs as its owners and reactors drive it, and what was really spent in it. */
class Tree {
  readonly partition = new FakePartition();
  readonly runs: { id: string; account: string; ended: boolean }[] = [];
  readonly holds: { account: string; id: string; tokens: number }[] = [];
  spent = 0;
  granted: number;
  private names = 0;

  constructor(limit: number) {
    this.granted = limit;
    this.partition.send('r0', startOf('w', { limits: { tokens: limit } }));
    this.runs.push({ id: 'r0', account: 'r0', ended: false });
  }

  account(id: string) {
    return this.partition.run(id).budget?.own;
  }

  take(step: Step, again: boolean): void {
    switch (step.what) {
      case 'start':
        return this.start(step, again);
      case 'reserve':
      case 'charge':
        return this.spend(step, again);
      case 'settle':
        return this.settle(step, again);
      case 'add':
        return this.add(step, again);
      case 'end':
        return this.end(this.at(step.in).id, again);
    }
  }

  end(id: string, again: boolean): void {
    const run = this.runs.find((each) => each.id === id);
    // A run that ends before those that hold a share of it counts the shares as spent: less exact, and never too little.
    const shares = this.runs.some((each) => !each.ended && this.account(each.id)?.from === id);
    if (!run || run.ended || id === 'r0' || shares) return;
    run.ended = true;
    const live = this.partition.run(id).live ?? this.partition.assign(id);
    const item = { run: id, attempt: live.token, commands: [], idle: false, entries: 0 };
    const end = { type: 'completed' as const, content: {} };
    const [[, data] = []] = this.partition.send(id, { type: 'report', session: 'ses', items: [{ ...item, end }] });
    const { budget } = data as { budget?: EndedBudget };
    // What was reserved and is not settled by now counts as spent.
    for (const hold of this.holds.splice(0))
      if (hold.account === id) this.spent += hold.tokens;
      else this.holds.push(hold);
    if (budget?.from !== undefined)
      this.send(budget.from, { type: 'settle', id, used: plus(budget.used, { children: 1 }) }, again);
  }

  private at(index: number) {
    return this.runs[index % this.runs.length] as (typeof this.runs)[number];
  }

  private start({ in: index, tokens: of, share }: Extract<Step, { what: 'start' }>, again: boolean): void {
    const parent = this.at(index);
    const id = `r${this.runs.length}`;
    const reserve = { type: 'reserve' as const, id, by: id };
    const amount: Amount = share ? { tokens: of } : {};
    const kind = share ? ({ start: 'share' } as const) : ({ start: 'child', settled: true } as const);
    if (parent.ended || !this.send(parent.account, { ...reserve, amount, ...kind }, again)) return;
    const budget = { account: parent.account };
    const start = { ...startOf('w', { parent: parent.id, budget, ...(share && { limits: { tokens: of } }) }) };
    this.send(id, start, again);
    this.runs.push({ id, account: share ? id : parent.account, ended: false });
  }

  private spend({ what, in: index, tokens: of }: Extract<Step, { what: 'reserve' | 'charge' }>, again: boolean): void {
    const { id: by, account, ended } = this.at(index);
    const id = `e${++this.names}`;
    const settled = what === 'charge';
    if (
      ended ||
      !this.send(account, { type: 'reserve', id, by, amount: { tokens: of }, ...(settled && { settled }) }, again)
    )
      return;
    if (settled) this.spent += of;
    else this.holds.push({ account, id, tokens: of });
  }

  private settle({ hold: index, part }: Extract<Step, { what: 'settle' }>, again: boolean): void {
    const [hold] = this.holds.splice(index % Math.max(1, this.holds.length), 1);
    if (!hold) return;
    const used = Math.floor((hold.tokens * part) / 100);
    this.spent += used;
    this.send(hold.account, { type: 'settle', id: hold.id, used: { tokens: used } }, again);
  }

  private add({ in: index, tokens: of }: Extract<Step, { what: 'add' }>, again: boolean): void {
    const run = this.at(index);
    if (!this.account(run.id) || run.ended) return;
    const cause = `evt${++this.names}`;
    const [[, data] = []] = this.partition.send(run.id, { type: 'add_budget', limits: { tokens: of }, by: 'psn_1' });
    let { from } = data as { from?: string };
    // The reactor's command, from account to account.
    for (let id = run.id; from !== undefined;) {
      this.send(from, { type: 'extend_budget', id, cause, amount: { tokens: of } }, again);
      id = from;
      from = this.account(id)?.from;
    }
    this.granted += of;
  }

  /** @returns whether it was taken */
  private send(subject: string, command: RunCommand, again: boolean): boolean {
    try {
      const events = this.partition.send(subject, command);
      if (again) this.partition.send(subject, command);
      return !events.some(([type]) => type === 'budget_exhausted');
    } catch (error) {
      if (error instanceof DomainError) return false;
      throw error;
    }
  }
}

test('no tree of runs spends more than was granted, and everything is accounted for at its end', () => {
  verifies('budget.never_over');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), story, (limit, steps) => {
      const tree = new Tree(limit);
      for (const { step, again } of steps) {
        tree.take(step, again);
        for (const { id } of tree.runs) {
          const account = tree.account(id);
          if (!account) continue;
          const { tokens: taken = 0 } = plus(account.used, account.reserved);
          expect(taken).toBeLessThanOrEqual(account.limits.tokens ?? Infinity);
        }
        expect(tree.spent).toBeLessThanOrEqual(tree.granted);
      }
      for (const { id } of tree.runs.toReversed()) tree.end(id, true);
      const root = tree.account('r0');
      const open = tree.holds.filter(({ account }) => account === 'r0').reduce((sum, hold) => sum + hold.tokens, 0);
      expect(root?.used.tokens ?? 0).toBe(tree.spent);
      expect(root?.reserved.tokens ?? 0).toBe(open);
      const replayed = emptyModel();
      for (const { commit, events } of tree.partition.log)
        for (const [index, event] of events.entries()) replayed.evolve(event, { commit, index });
      expect(JSON.stringify(replayed.snapshot())).toBe(JSON.stringify(tree.partition.model.snapshot()));
    }),
    { numRuns: 300 },
  );
});
