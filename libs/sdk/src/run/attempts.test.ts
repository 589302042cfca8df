import { expect, test } from '@jest/globals';
import { Attempts, type LiveAttempt } from './attempts.js';
import { systemTimers } from './effects.js';
import { Pulse } from './pulse.js';
import { Writing } from './writing.js';

const done = { type: 'completed', attempt: 1, value: undefined } as const;
const never = new Promise<never>(() => {});
const live = (done: LiveAttempt['done']) => ({
  done,
  abort: new AbortController(),
  pulse: new Pulse(systemTimers, 0, () => {}),
  writing: new Writing(),
});

test('an attempt that another one has taken up is not aborted by who had it before', async () => {
  const attempts = new Attempts(1_000);
  const [before, after] = [{}, {}];
  let made = 0;
  const start = () => (made++, live(never));
  const first = attempts.make('e', before, start);
  expect(attempts.make('e', after, start)).toBe(first);
  attempts.giveUp('e', before, 'gone');
  attempts.orphan('e', before, 'gone');
  expect(first.abort.signal.aborted).toBe(false);
  attempts.giveUp('e', after, 'over');
  expect(first.abort.signal.reason).toBe('over');
  expect(made).toBe(1);
});

test('an orphan is aborted when nobody takes it up, and one that was taken up is not', async () => {
  const attempts = new Attempts(5);
  const [owner, next] = [{}, {}];
  const [lost, kept] = ['lost', 'kept'].map((effect) => attempts.make(effect, owner, () => live(never)));
  for (const effect of ['lost', 'kept']) attempts.orphan(effect, owner, 'no run came back');
  attempts.make('kept', next, () => live(never));
  await new Promise((resolve) => lost!.abort.signal.addEventListener('abort', resolve));
  expect(lost!.abort.signal.reason).toBe('no run came back');
  expect(kept!.abort.signal.aborted).toBe(false);
});

test('what is forgotten is made again', async () => {
  const attempts = new Attempts(5);
  let made = 0;
  const start = () => (made++, live(Promise.resolve(done)));
  for (let i = 0; i < 2; i++) {
    await attempts.make('e', attempts, start).done;
    attempts.forget('e');
  }
  expect(made).toBe(2);
});
