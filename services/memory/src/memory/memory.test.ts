import { expect, test } from '@jest/globals';
import type { MemoryEvent } from './memory.events.js';
import { decide, evolve, type Memory } from './memory.js';

const none: Memory = { status: 'none' };
const remember = { type: 'remember', scope: 'repo/a', text: 'a secret in config.ts' } as const;
const given = (...events: MemoryEvent[]) => events.reduce(evolve, none);
const kept = given(...decide(remember, none, 'mem_1'));

test('what is remembered is kept verbatim, with its scope', () => {
  expect(kept).toEqual({ status: 'kept', scope: 'repo/a', text: 'a secret in config.ts', attributes: {} });
});

test('remembering the same again changes nothing', () => {
  expect(decide(remember, kept, 'mem_1')).toEqual([]);
});

test('an observation never changes', () => {
  expect(() => decide({ ...remember, text: 'something else' }, kept, 'mem_1')).toThrow('never changes');
  expect(() => decide({ ...remember, scope: 'repo/b' }, kept, 'mem_1')).toThrow('never changes');
});

test('what was forgotten leaves no text, and does not come back', () => {
  const forgotten = given(
    ...decide(remember, none, 'mem_1'),
    ...decide({ type: 'forget', reason: 'asked' }, kept, 'mem_1'),
  );
  expect(forgotten).toEqual({ status: 'forgotten', scope: 'repo/a' });
  expect(decide({ type: 'forget', reason: 'again' }, forgotten, 'mem_1')).toEqual([]);
  expect(() => decide(remember, forgotten, 'mem_1')).toThrow('stays so');
});

test('what was never remembered cannot be forgotten', () => {
  expect(() => decide({ type: 'forget', reason: 'asked' }, none, 'mem_1')).toThrow('no memory mem_1');
});
