import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { leaseTtlMs, Others } from './others.js';

const second = 1_000;

/** One that heard `b`, which holds partition 3, at 0, and is heard itself each second until `untilMs`. */
function heardUntil(untilMs: number): Others {
  const others = new Others(0);
  others.heard('b', '3', 0);
  for (let ms = 0; ms <= untilMs; ms += second) others.beaten(ms);
  return others;
}

test('who was not heard for the length of a lease is gone, and what it held is free', () => {
  const others = heardUntil(leaseTtlMs);
  expect(others.hold(3)).toBe(true);
  expect(others.beaten(leaseTtlMs + second)).toBe(true);
  expect([...others.names()]).toEqual([]);
  expect(others.hold(3)).toBe(false);
});

test('nobody is gone while the broker takes no word of ours either', () => {
  verifies('ledger.leases');
  const others = heardUntil(2 * second); // then it is lost to both
  expect(others.fresh(leaseTtlMs + second)).toBe(true); // as far as is known
  expect(others.hold(3)).toBe(true);
});

test('when it takes our word again, the others have the length of a lease to be heard, and what they hold is theirs', () => {
  const others = heardUntil(2 * second);
  const back = 60 * second;
  expect(others.fresh(back)).toBe(false);
  expect(others.beaten(back)).toBe(false);
  expect(others.hold(3)).toBe(true);
  expect([others.weak(back), others.weak(back + leaseTtlMs)]).toEqual([true, false]);
  others.beaten(back + leaseTtlMs);
  expect(others.beaten(back + leaseTtlMs + second)).toBe(true);
});

test('who leaves is gone at once, and what is told again is no news', () => {
  const others = new Others(0);
  expect(others.heard('b', '0,1', 0)).toEqual({ news: true, holds: new Set([0, 1]) });
  expect(others.heard('b', '0,1', second).news).toBe(false);
  expect(others.heard('b', undefined, 2 * second).news).toBe(true);
  expect(others.knows('b')).toBe(false);
});
