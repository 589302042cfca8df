import { expect, test } from '@jest/globals';
import type { ActingCaller } from '@writ/enforcement';
import { WaitingCalls } from './waiting-calls.js';

const caller = (more: Partial<ActingCaller> = {}): ActingCaller =>
  ({ tenant: 'tnt_1', principal: 'agt_1', run: 'run_1', ...more }) as ActingCaller;

test("only the same caller's same call stands for the one that was asked about", () => {
  const waiting = new WaitingCalls(() => 0);
  waiting.asked(caller(), 'mail/send', { to: 'a' }, 'act_1', '2026-01-01T00:00:00Z');
  expect(waiting.effectOf(caller(), 'mail/send', { to: 'a' })).toBe('act_1');
  expect(waiting.effectOf(caller(), 'mail/send', { to: 'b' })).toBeUndefined();
  expect(waiting.effectOf(caller(), 'mail/drop', { to: 'a' })).toBeUndefined();
  for (const other of [{ principal: 'agt_2' }, { tenant: 'tnt_2' }, { run: 'run_2' }])
    expect(waiting.effectOf(caller(other), 'mail/send', { to: 'a' })).toBeUndefined();
});

test('it ends with the approval, which a repeat does not prolong, or when the call was made', () => {
  let now = Date.parse('2026-01-01T00:00:00Z');
  const waiting = new WaitingCalls(() => now);
  waiting.asked(caller(), 'mail/send', {}, 'act_1', '2026-01-01T00:01:00Z');
  now += 30_000;
  waiting.asked(caller(), 'mail/send', {}, 'act_1', undefined);
  now += 29_999;
  expect(waiting.effectOf(caller(), 'mail/send', {})).toBe('act_1');
  now += 1;
  expect(waiting.effectOf(caller(), 'mail/send', {})).toBeUndefined();
  waiting.asked(caller(), 'mail/send', {}, 'act_2', '2026-01-02T00:00:00Z');
  waiting.settled(caller(), 'mail/send', {});
  expect(waiting.effectOf(caller(), 'mail/send', {})).toBeUndefined();
});

test('a flood of questions forgets the oldest', () => {
  const waiting = new WaitingCalls(() => 0);
  for (let index = 0; index <= 10_000; index++)
    waiting.asked(caller(), 'mail/send', { index }, `act_${index}`, '2026-01-01T00:00:00Z');
  expect(waiting.effectOf(caller(), 'mail/send', { index: 0 })).toBeUndefined();
  expect(waiting.effectOf(caller(), 'mail/send', { index: 1 })).toBe('act_1');
});
