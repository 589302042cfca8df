import { describe, expect, test } from '@jest/globals';
import { Allocator, type Row, type Standing } from './allocator.js';
import type { Limits } from './queue.events.js';

const row = (run: string, more: Partial<Row> = {}): Row => ({
  run, standing: 'wants', cost: 1, priority: 0, sinceMs: 0, ...more,
}); // prettier-ignore

function of(limits: Limits): Allocator {
  const allocator = new Allocator();
  allocator.define(limits);
  return allocator;
}
const runs = (allocator: Allocator, nowMs = 0) => allocator.admit(nowMs).map(({ run }) => run);
const tell = (allocator: Allocator, run: string, standing: Standing, more: Partial<Row> = {}) =>
  allocator.set(0, row(run, { standing, ...more }));

describe('an allocator', () => {
  test('lets no more go on than there are slots, and the next when one waits or ends', () => {
    const allocator = of({ concurrency: 2 });
    for (const run of ['a', 'b', 'c', 'd']) allocator.set(0, row(run));
    expect(runs(allocator)).toEqual(['a', 'b']);
    expect(allocator.limiting).toBe('concurrency');
    tell(allocator, 'a', 'parked');
    expect(runs(allocator)).toEqual(['c']);
    tell(allocator, 'b', 'gone');
    expect(runs(allocator)).toEqual(['d']);
    expect(allocator.count()).toEqual({ holding: 2, waiting: 0 });
  });

  test('lets what began before go on before what has not begun, but not before a higher priority', () => {
    const allocator = of({ concurrency: 1 });
    tell(allocator, 'busy', 'holds');
    allocator.set(0, row('new'));
    tell(allocator, 'old', 'resumes', { sinceMs: 9 });
    allocator.set(0, row('urgent', { priority: 1, sinceMs: 10 }));
    const order = [];
    for (let before = 'busy'; order.length < 3; before = order.at(-1) as string) {
      tell(allocator, before, 'gone');
      order.push(...runs(allocator));
    }
    expect(order).toEqual(['urgent', 'old', 'new']);
  });

  test('keeps a key for its run until that ends, also while it waits', () => {
    const allocator = of({ keyConcurrency: 1 });
    for (const run of ['a1', 'a2', 'b1']) allocator.set(0, row(run, { key: run.slice(0, 1) }));
    expect(runs(allocator)).toEqual(['a1', 'b1']);
    tell(allocator, 'a1', 'parked', { key: 'a' });
    expect(runs(allocator)).toEqual([]);
    expect(allocator.why('a2', 0)).toEqual({ by: 'key', sinceMs: 0, ahead: 0, holders: ['a1'] });
    expect(allocator.limiting).toBe('key');
    tell(allocator, 'a1', 'gone');
    expect(runs(allocator)).toEqual(['a2']);
  });

  test('gives keys their turns whatever their backlogs, by their shares', () => {
    const allocator = of({ concurrency: 1, shares: { big: 3 } });
    for (let i = 0; i < 400; i++) allocator.set(0, row(`many${i}`, { key: 'many' }));
    for (let i = 0; i < 400; i++) allocator.set(0, row(`big${i}`, { key: 'big' }));
    for (let i = 0; i < 10; i++) allocator.set(0, row(`few${i}`, { key: 'few' }));
    const served: string[] = [];
    for (let i = 0; i < 50; i++) {
      const [next = ''] = runs(allocator);
      served.push(next.replace(/\d+/, ''));
      tell(allocator, next, 'gone');
    }
    const share = (key: string) => served.filter((each) => each === key).length;
    expect([share('many'), share('big'), share('few')]).toEqual([10, 30, 10]);
  });

  test('counts turns in cost', () => {
    const allocator = of({ concurrency: 1 });
    for (let i = 0; i < 100; i++) allocator.set(0, row(`dear${i}`, { key: 'dear', cost: 5 }));
    for (let i = 0; i < 100; i++) allocator.set(0, row(`cheap${i}`, { key: 'cheap' }));
    const served: string[] = [];
    for (let i = 0; i < 60; i++) {
      const [next = ''] = runs(allocator);
      served.push(next.replace(/\d+/, ''));
      tell(allocator, next, 'gone');
    }
    expect(served.filter((each) => each === 'dear')).toHaveLength(10);
  });

  test('lets a burst begin at once and then evenly, and says when the next may', () => {
    const allocator = of({ rate: { count: 2, periodMs: 1000 } });
    for (const run of ['a', 'b', 'c', 'd']) allocator.set(0, row(run));
    expect(allocator.admit(0)).toEqual([
      { run: 'a', partition: 0, spentMs: 500 },
      { run: 'b', partition: 0, spentMs: 1000 },
    ]);
    expect(allocator.nextMs).toBe(500);
    expect(allocator.why('c', 0)).toEqual({ by: 'rate', sinceMs: 0, ahead: 0, untilMs: 500, holders: [] });
    expect(runs(allocator, 499)).toEqual([]);
    expect(runs(allocator, 500)).toEqual(['c']);
    expect(runs(allocator, 1000)).toEqual(['d']);
    expect(allocator.nextMs).toBe(Infinity);
  });

  test('holds each key to its own rate, and lets others pass', () => {
    const allocator = of({ keyRate: { count: 1, periodMs: 1000 } });
    for (const run of ['a1', 'a2', 'b1']) allocator.set(0, row(run, { key: run.slice(0, 1) }));
    expect(runs(allocator)).toEqual(['a1', 'b1']);
    expect(allocator.nextMs).toBe(1000);
    expect(runs(allocator, 1000)).toEqual(['a2']);
  });

  test('goes on with a rate as the one before it left it', () => {
    const allocator = of({ rate: { count: 1, periodMs: 1000 }, keyRate: { count: 1, periodMs: 5000 } });
    allocator.spent(undefined, 1500);
    allocator.spent('a', 6000);
    allocator.set(0, row('a1', { key: 'a' }));
    allocator.set(0, row('b1', { key: 'b' }));
    expect(runs(allocator, 1000)).toEqual([]);
    expect(runs(allocator, 1500)).toEqual(['b1']);
  });

  test('lets a run that costs more than its rate ever gives begin when all of it is there', () => {
    const allocator = of({ rate: { count: 3, periodMs: 3000 } });
    allocator.set(0, row('small'));
    allocator.set(0, row('huge', { cost: 100 }));
    expect(runs(allocator)).toEqual(['small']);
    expect(runs(allocator, 999)).toEqual([]);
    expect(runs(allocator, 1000)).toEqual(['huge']);
  });

  test('takes what a partition says as all it has', () => {
    const allocator = of({ concurrency: 1 });
    allocator.set(1, row('a'));
    allocator.set(2, row('b', { sinceMs: 1 }));
    expect(runs(allocator)).toEqual(['a']);
    allocator.replace(1, [row('a')]); // it did not hear that it may
    expect(runs(allocator)).toEqual(['a']);
    allocator.replace(1, []);
    expect(runs(allocator)).toEqual(['b']);
  });
});
