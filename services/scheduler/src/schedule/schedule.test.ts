import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { decide, wakeOf, type ScheduleCommand } from './decide-schedule.js';
import type { Definition, Overlap, Times } from './schedule.events.js';
import { evolve, type Schedule } from './schedule.js';

const startMs = Date.parse('2030-01-01T00:00:30Z');
const minuteMs = 60_000;

let schedule: Schedule | undefined;
let nowMs: number;

/** Decides and applies; the events by their short names and what of them matters here. */
function send(command: ScheduleCommand): string[] {
  const events = decide(command, 's', schedule, nowMs);
  // As a ledger would give it back.
  for (const { type, data } of events)
    schedule = evolve(schedule, { type, data: JSON.parse(JSON.stringify(data)), timeMs: nowMs });
  return events.map(({ type, data }) => {
    const { at, run, until, reason, trigger } = data as Record<string, string | undefined>;
    const minute = (text: string) => text.slice(11, 16);
    const about = [
      run && minute(run.slice(2)),
      !run && at && minute(at),
      until && minute(until),
      trigger !== 'time' && trigger,
      reason,
    ];
    return [type.slice(9, -3), ...about].filter(Boolean).join(' ');
  });
}
const tick = (ms = 0) => {
  nowMs += ms;
  return send({ type: 'tick' });
};
const ended = (minute: string) => send({ type: 'run_ended', run: `s:2030-01-01T${minute}:00Z`, state: 'succeeded' });
const the = (): Schedule => {
  if (!schedule) throw new Error('there is no schedule');
  return schedule;
};
function define(overlap: Overlap, times: Times = { everyMs: minuteMs }, catchUpMs = 10 * minuteMs): Definition {
  const starts = {
    workflow: 'w',
    queue: 'default',
    agent: 'agt_1',
    by: { principal: 'agt_1', kind: 'agent' as const },
  };
  return { times, overlap, catchUpMs, starts };
}
const create = (...how: Parameters<typeof define>) => send({ type: 'create', definition: define(...how) });

beforeEach(() => {
  schedule = undefined;
  nowMs = startMs;
});

describe('a schedule', () => {
  test('makes the run of a time due once, when the time has come', () => {
    create('skip');
    expect(wakeOf('s', the())).toBe(Date.parse('2030-01-01T00:01:00Z'));
    expect(tick(29_999)).toEqual([]);
    expect(tick(1)).toEqual(['due 00:01']);
    expect(tick()).toEqual([]);
    expect(the().active).toEqual(['s:2030-01-01T00:01:00Z']);
  });

  test('is created once; the same again is no other, another one is refused', () => {
    expect(create('skip')).toEqual(['created']);
    expect(create('skip')).toEqual([]);
    expect(() => create('allow')).toThrow(expect.objectContaining({ code: 'schedule.exists' }));
  });

  test('skips a time while a run goes on, and records it', () => {
    verifies('schedule.overlap');
    create('skip');
    tick(minuteMs);
    expect(tick(minuteMs)).toEqual(['skipped 00:02 overlap']);
    expect(ended('00:01')).toEqual(['run_ended 00:01']);
    expect(tick(minuteMs)).toEqual(['due 00:03']);
  });

  test('that buffers starts one after the other has ended, and skips the others', () => {
    verifies('schedule.overlap');
    create('buffer');
    expect([...tick(minuteMs), ...tick(minuteMs), ...tick(minuteMs)]).toEqual([
      'due 00:01',
      'buffered 00:02',
      'skipped 00:03 overlap',
    ]);
    expect(ended('00:01')).toEqual(['run_ended 00:01', 'due 00:02']);
    expect(ended('00:02')).toEqual(['run_ended 00:02']);
  });

  test('that cancels the other starts the newest when that has ended', () => {
    verifies('schedule.overlap');
    create('cancel');
    tick(minuteMs);
    nowMs += minuteMs;
    const [buffered] = decide({ type: 'tick' }, 's', schedule, nowMs);
    expect(buffered?.data).toMatchObject({ cancel: ['s:2030-01-01T00:01:00Z'] });
    tick();
    expect(tick(minuteMs)).toEqual(['skipped 00:02 replaced', 'buffered 00:03']);
    expect(send({ type: 'run_ended', run: 's:2030-01-01T00:01:00Z', state: 'cancelled' })).toEqual([
      'run_ended 00:01',
      'due 00:03',
    ]);
  });

  test('that allows it lets runs go on side by side', () => {
    verifies('schedule.overlap');
    create('allow');
    expect([...tick(minuteMs), ...tick(minuteMs)]).toEqual(['due 00:01', 'due 00:02']);
    expect(the().active).toHaveLength(2);
  });

  test('makes up for what it missed within its window, and records what is older as skipped', () => {
    verifies('schedule.catch_up');
    create('allow', { everyMs: minuteMs }, 3 * minuteMs);
    expect(tick(60 * minuteMs)).toEqual(['skipped 00:01 00:57 catch_up', 'due 00:58', 'due 00:59', 'due 01:00']);
    expect(tick(minuteMs)).toEqual(['due 01:01']);
  });

  test('that missed very much goes on in portions', () => {
    create('allow', { everyMs: 1000 });
    expect(tick(5 * minuteMs)).toHaveLength(20);
    expect(wakeOf('s', the())).toBeLessThan(nowMs);
  });

  test('that is paused lets times pass, and does not make up for them', () => {
    verifies('schedule.pause');
    create('skip');
    expect(send({ type: 'pause', reason: 'holidays' })).toEqual(['paused holidays']);
    expect(wakeOf('s', the())).toBe(Infinity);
    expect(tick(5 * minuteMs)).toEqual([]);
    expect(send({ type: 'resume' })).toEqual(['resumed']);
    expect(tick(minuteMs)).toEqual(['due 00:06']);
  });

  test('can be triggered at any time, also while it is paused', () => {
    create('skip');
    send({ type: 'pause', reason: 'x' });
    expect(send({ type: 'trigger' })).toEqual(['due 00:00 trigger']);
    expect(() => send({ type: 'trigger' })).toThrow(expect.objectContaining({ code: 'schedule.overlap' }));
    expect(send({ type: 'trigger', overlap: 'allow' })).toEqual(['due 00:00 trigger']);
    expect(new Set(the().active).size).toBe(2);
  });

  test('backfills a range one after another, whatever its own times do', () => {
    verifies('schedule.backfill');
    create('skip', { everyMs: minuteMs, endMs: startMs + minuteMs });
    nowMs += 60 * minuteMs;
    tick();
    const range = { fromMs: Date.parse('2029-12-31T12:00Z'), untilMs: Date.parse('2029-12-31T12:03Z') };
    expect(send({ type: 'backfill', ...range, overlap: 'buffer' })).toEqual([
      'backfill_requested 12:03',
      'due 12:00 backfill',
    ]);
    const end = (run: string) => send({ type: 'run_ended', run: `s:2029-12-31T12:0${run}:00Z`, state: 'failed' });
    expect(end('0')).toEqual(['run_ended 12:00', 'due 12:01 backfill']);
    expect(end('1')).toEqual(['run_ended 12:01', 'due 12:02 backfill', 'backfilled 12:03']);
    expect(end('2')).toEqual(['run_ended 12:02']);
    expect(the().backfills).toEqual([]);
  });

  test('backfills all at once where that is allowed, and refuses a range without times or of the future', () => {
    verifies('schedule.backfill');
    create('skip');
    const at = (text: string) => Date.parse(`2029-12-31T${text}Z`);
    expect(send({ type: 'backfill', fromMs: at('12:00'), untilMs: at('12:02'), overlap: 'allow' })).toEqual([
      'backfill_requested 12:02',
      'due 12:00 backfill',
      'due 12:01 backfill',
      'backfilled 12:02',
    ]);
    for (const [fromMs, untilMs] of [
      [at('12:00'), at('12:00')],
      [at('12:00') + 1, at('12:01')],
      [startMs, startMs + minuteMs],
    ] as const)
      expect(() => send({ type: 'backfill', fromMs, untilMs, overlap: 'allow' })).toThrow(
        expect.objectContaining({ code: 'schedule.bad_range' }),
      );
  });

  test('whose start is refused goes on; without authority it pauses itself and says why', () => {
    verifies('schedule.refused_start');
    create('skip');
    const refused = (minute: string, code: string) => {
      const run = `s:2030-01-01T${minute}:00Z`;
      return send({
        type: 'run_refused',
        atMs: Date.parse(run.slice(2)),
        run,
        error: { code, message: 'agt_1 was revoked' },
      });
    };
    tick(minuteMs);
    expect(refused('00:01', 'policy.denied')).toEqual(['run_refused 00:01']);
    expect(tick(minuteMs)).toEqual(['due 00:02']);
    expect(refused('00:02', 'identity.revoked')).toEqual([
      'run_refused 00:02',
      'paused agt_1 was revoked (identity.revoked)',
    ]);
    expect(tick(minuteMs)).toEqual([]);
    expect(the().recent.map(({ state }) => state)).toEqual(['refused', 'refused']);
  });

  test('hears of the end of a run before of its start, and of neither twice', () => {
    create('skip');
    tick(minuteMs);
    const run = 's:2030-01-01T00:01:00Z';
    expect(ended('00:01')).toEqual(['run_ended 00:01']);
    expect(send({ type: 'run_started', atMs: nowMs, run, attached: false })).toEqual([]);
    expect(ended('00:01')).toEqual([]);
    expect(the().counts).toEqual({ started: 1, skipped: 0, refused: 0 });
    expect(the().recent).toMatchObject([{ run, state: 'succeeded' }]);
  });

  test('that is updated takes its new times from then on; deleted it is gone', () => {
    create('skip');
    expect(send({ type: 'update', definition: define('skip', { everyMs: 60 * minuteMs }) })).toEqual(['updated']);
    expect(tick(minuteMs)).toEqual([]);
    expect(tick(59 * minuteMs)).toEqual(['due 01:00']);
    expect(send({ type: 'delete' })).toEqual(['deleted']);
    expect(() => tick()).toThrow(expect.objectContaining({ code: 'schedule.not_found' }));
  });
});
