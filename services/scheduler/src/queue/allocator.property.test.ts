import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { Allocator, type Row, type Standing } from './allocator.js';
import type { Limits } from './queue.events.js';

const keys = [undefined, 'a', 'b', 'c'];
const limits = fc.record({
  concurrency: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  keyConcurrency: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
  rate: fc.option(fc.constant({ count: 3, periodMs: 100 }), { nil: undefined }),
  keyRate: fc.option(fc.constant({ count: 1, periodMs: 70 }), { nil: undefined }),
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('want' as const), key: fc.constantFrom(...keys), cost: fc.integer({ min: 1, max: 4 }), priority: fc.integer({ min: -1, max: 1 }) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constantFrom('end' as const, 'park' as const, 'wake' as const, 'give up' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 60 }) }) },
  { weight: 1, arbitrary: fc.constant({ what: 'begin anew' as const }) },
); // prettier-ignore
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What must be true of a queue, kept beside the allocator by the simplest means. */
class Model {
  readonly rows = new Map<string, Row>();
  readonly begun: { key: string | undefined; cost: number; atMs: number }[] = [];
  private made = 0;
  private spent: [string | undefined, number][] = [];
  allocator = new Allocator();
  nowMs = 0;

  constructor(readonly limits: Limits) {
    this.allocator.define(limits);
  }

  step(step: Step): void {
    if (step.what === 'want') {
      const { key, cost, priority } = step;
      this.tell({ run: `r${this.made++}`, standing: 'wants', key, cost, priority, sinceMs: this.nowMs });
    } else if (step.what === 'pass') this.nowMs += step.ms;
    else if (step.what === 'begin anew') this.takeOver();
    else this.move(step);
    this.admit();
  }

  of(...standings: Standing[]): Row[] {
    return [...this.rows.values()].filter(({ standing }) => standings.includes(standing));
  }

  admit(): void {
    for (const { run, spentMs, keySpentMs } of this.allocator.admit(this.nowMs)) {
      const row = this.rows.get(run) as Row;
      if (row.standing === 'wants') this.begun.push({ key: row.key, cost: row.cost, atMs: this.nowMs });
      else expect(row.standing).toBe('resumes');
      if (spentMs !== undefined) this.spent.push([undefined, spentMs]);
      if (keySpentMs !== undefined) this.spent.push([row.key, keySpentMs]);
      this.rows.set(run, { ...row, standing: 'holds' });
    }
  }

  /** Another owner, which is told what there is, in any order. */
  private takeOver(): void {
    this.allocator = new Allocator();
    this.allocator.define(this.limits);
    for (const row of [...this.rows.values()].reverse()) this.allocator.set(0, row);
    for (const [key, untilMs] of this.spent) this.allocator.spent(key, untilMs);
    this.allocator.sort();
  }

  private move({ what, which }: { what: 'end' | 'park' | 'wake' | 'give up'; which: number }): void {
    const from = { end: ['holds', 'parked'], park: ['holds'], wake: ['parked'], 'give up': ['wants'] } as const;
    const to = { end: 'gone', park: 'parked', wake: 'resumes', 'give up': 'gone' } as const;
    const some = this.of(...from[what]);
    const row = some[which % Math.max(some.length, 1)];
    if (row) this.tell({ ...row, standing: to[what], sinceMs: this.nowMs });
  }

  private tell(row: Row): void {
    this.allocator.set(0, row);
    if (row.standing === 'gone') this.rows.delete(row.run);
    else this.rows.set(row.run, row);
  }
}

/** Never more than the limits, and never less than they allow. */
function check(of: Model): void {
  const { concurrency = Infinity, keyConcurrency = Infinity, rate, keyRate } = of.limits;
  const holding = of.of('holds').length;
  expect(holding).toBeLessThanOrEqual(concurrency);
  const waiting = of.of('wants', 'resumes');
  expect(of.allocator.count()).toEqual({ holding, waiting: waiting.length });
  const oldest = Math.min(...waiting.map(({ sinceMs }) => sinceMs));
  expect(of.allocator.oldestMs ?? Infinity).toBe(oldest);
  const admitted = (key: string) => of.of('holds', 'parked', 'resumes').filter((row) => row.key === key).length;
  for (const key of ['a', 'b', 'c']) expect(admitted(key)).toBeLessThanOrEqual(keyConcurrency);
  for (const [bound, which] of [[rate, undefined], [keyRate, 'a'], [keyRate, 'b'], [keyRate, 'c']] as const) {
    if (!bound) continue;
    const begun = of.begun.filter(({ key }) => which === undefined || key === which);
    for (let from = 0; from < begun.length; from++)
      for (let to = from, sum = 0; to < begun.length; to++) {
        sum += Math.min(begun[to]!.cost, bound.count);
        const stretchMs = begun[to]!.atMs - begun[from]!.atMs;
        expect(sum).toBeLessThanOrEqual(bound.count * (1 + stretchMs / bound.periodMs) + 1e-6);
      }
  } // prettier-ignore
  if (holding === concurrency) return;
  expect(of.of('resumes')).toEqual([]);
  for (const row of of.of('wants')) {
    const by = of.allocator.why(row.run, of.nowMs)?.by;
    if (by === 'key') expect(admitted(row.key as string)).toBe(keyConcurrency);
    else if (by === 'rate' || by === 'key_rate') expect(of.allocator.nextMs).toBeGreaterThan(of.nowMs);
    else if (by === 'nothing')
      expect(of.of('wants').some(({ run }) => of.allocator.why(run, of.nowMs)?.by === 'rate')).toBe(true);
    else throw new Error(`${row.run} waits for ${by ?? 'nothing at all'}`);
  }
}

describe('whatever happens, an allocator', () => {
  test('never lets more go on than the limits, leaves nothing free that somebody may have, and lets all go on in the end', () => {
    verifies('queue.fair');
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 60 }), (given, steps) => {
        const model = new Model(JSON.parse(JSON.stringify(given)) as Limits);
        for (const each of steps) {
          model.step(each);
          check(model);
        }
        for (let turns = 0; model.rows.size > 0; turns++) {
          expect(turns).toBeLessThan(500);
          model.step({ what: 'wake', which: 0 });
          model.step({ what: 'end', which: 0 });
          model.step({ what: 'pass', ms: 50 });
        }
      }),
      { numRuns: 150 },
    );
  });

  test('gives backlogged keys what their shares say, to within one turn', () => {
    verifies('queue.fair');
    const shares = fc.record({
      a: fc.integer({ min: 1, max: 5 }),
      b: fc.integer({ min: 1, max: 5 }),
      c: fc.integer({ min: 1, max: 5 }),
    });
    const costs = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(shares, costs, fc.integer({ min: 1, max: 5 }), (given, some, concurrency) => {
        const allocator = new Allocator();
        allocator.define({ concurrency, shares: given });
        const cost = new Map<string, number>();
        for (const key of ['a', 'b', 'c'] as const)
          for (let i = 0; i < 600; i++) {
            const run = `${key}${i}`;
            cost.set(run, some[i % some.length] as number);
            allocator.set(0, { run, standing: 'wants', key, cost: cost.get(run) as number, priority: 0, sinceMs: i });
          }
        const served = { a: 0, b: 0, c: 0 };
        for (let n = 0; n < 300;) {
          for (const { run } of allocator.admit(0)) {
            n++;
            served[run.slice(0, 1) as 'a'] += cost.get(run) as number;
            allocator.set(0, { run, standing: 'gone', cost: 1, priority: 0, sinceMs: 0 });
          }
        }
        // In a turn a key gets its share times the largest cost, and up to one run more or less.
        const turns = (key: 'a' | 'b' | 'c') => served[key] / (given[key] * Math.max(...some));
        const [least = 0, , most = 0] = [turns('a'), turns('b'), turns('c')].sort((x, y) => x - y);
        expect(most - least).toBeLessThanOrEqual(2);
      }),
      { numRuns: 50 },
    );
  });
});
