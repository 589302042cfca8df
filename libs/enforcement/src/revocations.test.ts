import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { RevokedSet, rememberedMs } from './revocations.js';
import { Freshness, staleAfterMs, type Heartbeat } from './revocations.freshness.js';

const time = '2026-11-23T10:00:00.000Z';
const token = {
  principal: 'agt_b',
  tenant: 'tnt_a',
  id: 'tok_1',
  run: 'run_2',
  act: ['run_2', 'run_1', 'agt_a', 'psn_1'],
  from: ['tok_0'],
};
const revoked = (subject: string, epoch = 1, tenant = 'tnt_a') => ({
  type: 'revocation.issued.v1',
  tenant,
  time,
  data: { subject, kind: 'agent', reason: 'test', epoch },
});

describe('a token loses its authority', () => {
  test.each(['agt_b', 'run_2', 'run_1', 'agt_a', 'psn_1', 'tok_1', 'tok_0', 'tnt_a'])(
    'with the revocation of %s',
    (subject) => {
      verifies('identity.revoked_subtree');
      const set = new RevokedSet();
      set.apply(revoked('agt_other'));
      expect(set.refuses(token)).toBeUndefined();
      set.apply(revoked(subject, 2));
      expect(set.refuses(token)).toEqual({ subject, ended: false });
      expect(set.epoch).toBe(2);
    },
  );

  test('with the end of its run', () => {
    const set = new RevokedSet();
    expect(set.apply({ type: 'grant.closed.v1', tenant: 'tnt_a', time, data: { run: 'run_2' } })).toMatchObject({
      kind: 'ended',
    });
    expect(set.refuses(token)).toEqual({ subject: 'run_2', ended: true });
    set.apply(revoked('run_2'));
    expect(set.refuses(token)).toEqual({ subject: 'run_2', ended: false });
  });

  test('not with the end of the run that started its run, which it may outlive', () => {
    const set = new RevokedSet();
    set.apply({ type: 'grant.closed.v1', tenant: 'tnt_a', time, data: { run: 'run_1' } });
    expect(set.refuses(token)).toBeUndefined();
  });

  test('never by a revocation in another tenant', () => {
    const set = new RevokedSet();
    set.apply(revoked('run_1', 1, 'tnt_evil'));
    expect(set.refuses(token)).toBeUndefined();
    set.apply(revoked('run_1', 2));
    set.apply(revoked('run_1', 3, 'tnt_evil')); // nor is one hidden by it
    expect(set.refuses(token)).toEqual({ subject: 'run_1', ended: false });
  });
});

test('what can concern no living token is forgotten', () => {
  const set = new RevokedSet();
  set.apply(revoked('agt_b'));
  set.prune(Date.parse(time) + rememberedMs);
  expect(set.size).toBe(1);
  set.prune(Date.parse(time) + rememberedMs + 1);
  expect(set.size).toBe(0);
  expect(set.epoch).toBe(1);
});

describe('freshness', () => {
  const beat = (sentMs: number, more: Partial<Heartbeat> = {}): Heartbeat => ({
    commit: 5,
    sentMs,
    clock: 'c1',
    claim: 1,
    epoch: 0,
    floor: 0,
    ...more,
  });

  test('is unknown before the first heartbeat, and grows stale without one', () => {
    verifies('identity.fail_closed');
    const freshness = new Freshness();
    expect(freshness.ageMs(0)).toBe(Number.POSITIVE_INFINITY);
    freshness.commitApplied(5);
    freshness.heard(beat(10_000), 100);
    expect(freshness.ageMs(100)).toBe(0);
    expect(freshness.ageMs(100 + staleAfterMs)).toBe(staleAfterMs);
  });

  test('needs every commit that the heartbeat names', () => {
    const freshness = new Freshness();
    freshness.commitApplied(4);
    freshness.heard(beat(10_000), 100);
    expect(freshness.ageMs(100)).toBe(Number.POSITIVE_INFINITY);
    freshness.commitApplied(5);
    expect(freshness.ageMs(150)).toBe(50);
  });

  test('counts from when a heartbeat was sent, so one that lay in a buffer is old', () => {
    const freshness = new Freshness();
    freshness.commitApplied(5);
    freshness.heard(beat(10_000), 100);
    // Paused for 5 s; then two heartbeats are read at once, of which one is 4,750 ms old.
    freshness.heard(beat(10_250), 5_100);
    expect(freshness.ageMs(5_100)).toBe(4_750);
    freshness.heard(beat(15_000), 5_101);
    expect(freshness.ageMs(5_101)).toBe(1);
  });

  test('survives clocks that drift apart', () => {
    const freshness = new Freshness();
    freshness.commitApplied(5);
    // The sender's clock is 1 % slow for ten minutes: 6 s behind in the end.
    for (let now = 0; now <= 600_000; now += 250) freshness.heard(beat(now * 0.99), now);
    expect(freshness.ageMs(600_000)).toBeLessThan(staleAfterMs);
  });

  test('ignores a deposed owner, and starts anew with a new one', () => {
    const freshness = new Freshness();
    freshness.commitApplied(5);
    freshness.heard(beat(10_000, { claim: 2, clock: 'c2' }), 100);
    freshness.heard(beat(50_000, { claim: 1 }), 3_000);
    expect(freshness.ageMs(3_000)).toBe(2_900);
    freshness.heard(beat(7, { claim: 3, clock: 'c3' }), 3_100);
    expect(freshness.ageMs(3_100)).toBe(0);
  });
});
