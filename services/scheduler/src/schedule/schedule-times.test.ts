import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import type { Definition, Times } from './schedule.events.js';
import { checkDefinition, jitterOf, nextTimes } from './schedule-times.js';

const next = (times: Times, after: string, count = 3) =>
  nextTimes(times, Date.parse(after), count).map((ms) => new Date(ms).toISOString().replace(':00.000Z', 'Z'));
const berlin = (cron: string) => ({ cron, timeZone: 'Europe/Berlin' });
const nowMs = Date.parse('2026-11-23T12:00:00Z');
const check = (times: Times, more: Partial<Definition> = {}) => {
  const starts = {
    workflow: 'w',
    queue: 'default',
    agent: 'agt_1',
    by: { principal: 'agt_1', kind: 'agent' as const },
  };
  return () => checkDefinition({ times, overlap: 'skip', catchUpMs: 0, starts, ...more }, nowMs);
};

describe('the times of a schedule', () => {
  test('are those of a clock on the wall of its time zone, in summer and in winter', () => {
    expect(next(berlin('0 9 * * MON-FRI'), '2026-10-22T12:00Z')).toEqual([
      '2026-10-23T07:00Z',
      '2026-10-26T08:00Z',
      '2026-10-27T08:00Z',
    ]);
  });

  test('that the clocks skip come at the first moment after, once, and no later day moves', () => {
    verifies('schedule.clock_change');
    expect(next(berlin('30 2 * * *'), '2026-03-28T12:00Z')).toEqual([
      '2026-03-29T01:00Z', // 03:00 in summer time: there is no 02:30
      '2026-03-30T00:30Z',
      '2026-03-31T00:30Z',
    ]);
    // A day that has no midnight.
    expect(next({ cron: '0 0 * * *', timeZone: 'America/Sao_Paulo' }, '2018-11-03T12:00Z', 2)).toEqual([
      '2018-11-04T03:00Z',
      '2018-11-05T02:00Z',
    ]);
  });

  test('of day that come twice run the first time only', () => {
    verifies('schedule.clock_change');
    expect(next(berlin('30 2 * * *'), '2026-10-24T12:00Z')).toEqual([
      '2026-10-25T00:30Z', // 02:30 in summer time, not again at 02:30 in winter time
      '2026-10-26T01:30Z',
      '2026-10-27T01:30Z',
    ]);
  });

  test('that repeat within the hour go on evenly through both changes', () => {
    verifies('schedule.clock_change');
    const half = berlin('*/30 * * * *');
    expect(next(half, '2026-10-25T00:00Z', 4)).toEqual(
      ['00:30', '01:00', '01:30', '02:00'].map((t) => `2026-10-25T${t}Z`),
    );
    expect(next(half, '2026-03-29T00:30Z', 3)).toEqual(['01:00', '01:30', '02:00'].map((t) => `2026-03-29T${t}Z`));
    // Half an hour of change.
    expect(next({ cron: '*/15 * * * *', timeZone: 'Australia/Lord_Howe' }, '2026-04-04T14:45Z', 3)).toEqual(
      ['15:00', '15:15', '15:30'].map((t) => `2026-04-04T${t}Z`),
    );
  });

  test('of an interval are counted from 1970, wherever its definition began', () => {
    const fiveMinutes = { everyMs: 300_000, startMs: Date.parse('2026-11-23T12:07Z') };
    expect(next(fiveMinutes, '2026-11-23T11:00Z', 2)).toEqual(['2026-11-23T12:10Z', '2026-11-23T12:15Z']);
  });

  test('lie between its start and its end, both included', () => {
    const times = {
      cron: '0 0 1 * *',
      startMs: Date.parse('2027-01-01T00:00Z'),
      endMs: Date.parse('2027-03-01T00:00Z'),
    };
    expect(next(times, '2026-11-23T12:00Z', 9)).toEqual(['01', '02', '03'].map((month) => `2027-${month}-01T00:00Z`));
  });

  test('with a jitter start later by as much each time they are asked, and less than it', () => {
    const all = Array.from({ length: 200 }, (_, i) =>
      jitterOf({ everyMs: 60_000, jitterMs: 30_000 }, 'nightly', i * 60_000),
    );
    expect(all).toEqual(
      Array.from({ length: 200 }, (_, i) => jitterOf({ everyMs: 60_000, jitterMs: 30_000 }, 'nightly', i * 60_000)),
    );
    expect(Math.max(...all)).toBeLessThanOrEqual(30_000);
    expect(new Set(all).size).toBeGreaterThan(150);
  });
});

describe('a definition is refused', () => {
  test.each<[string, Times, string]>([
    ['with both', { cron: '* * * * *', everyMs: 1000 }, 'either cron or an interval'],
    ['with neither', {}, 'either cron or an interval'],
    ['with four fields', { cron: '* * * *' }, 'five fields'],
    ['with seven', { cron: '* * * * * * *' }, 'five fields'],
    ['that is a date', { cron: '2027-01-01T00:00:00' }, 'five fields'],
    ['with a minute 61', { cron: '61 * * * *' }, 'minute'],
    ['with a zone on Mars', { cron: '0 0 * * *', timeZone: 'Mars/Olympus' }, 'Mars/Olympus'],
    ['of half a second', { everyMs: 500 }, 'whole seconds'],
    ['whose jitter is as long as its interval', { everyMs: 60_000, jitterMs: 60_000 }, 'not shorter'],
  ])('%s', (_, times, why) => {
    expect(check(times)).toThrow(
      expect.objectContaining({ code: 'schedule.bad_definition', message: expect.stringContaining(why) }),
    );
  });

  test.each<[string, Times]>([
    ['that is in the past', { everyMs: 60_000, endMs: nowMs - 1 }],
    ['of a 30th of February', { cron: '0 0 30 2 *' }],
    ['that ends before it begins', { cron: '0 0 * * *', startMs: nowMs + 9e8, endMs: nowMs + 8e8 }],
  ])('%s: it would never be due', (_, times) => {
    verifies('schedule.never_due');
    expect(check(times)).toThrow(expect.objectContaining({ code: 'schedule.never_due' }));
  });
});
