import { describe, expect, test } from '@jest/globals';
import type { Revoked } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';
import { eventually, verifies } from '@writ/testkit';
import type { Owners } from '../partition/owners.js';
import type { PartitionOwner } from '../partition/partition-owner.js';
import type { RunCommand } from '../run/run.commands.js';
import { FakePartition, startOf, testTenant } from '../testing/fake-partition.js';
import { RevokedRuns } from './revocations.js';

const log = { warn: () => {}, info: () => {}, error: () => {} } as never;
/** A partition with two runs of different agents that has just come here, and who tells what was revoked. */
function given(past: () => AsyncIterable<Revoked>) {
  const partition = new FakePartition();
  partition.send('gone', startOf());
  partition.nowMs += 60 * 60_000;
  partition.send('stays', startOf('w', { agent: 'agt_2' }));
  const handle = {
    model: partition.model,
    execute: async ({ subject, command }: { subject: string; command: RunCommand }) => partition.send(subject, command),
  };
  const owner = { partition: 0, handle } as unknown as PartitionOwner;
  const asked: Date[] = [];
  const told: ((revoked: Revoked) => void)[] = [];
  const revoked = new RevokedRuns({ local: [owner] } as unknown as Owners, log);
  const revocations = {
    onRevoked: (listener: (each: Revoked) => void) => (told.push(listener), () => {}),
    revokedSince: (since: Date) => (asked.push(since), past()),
  };
  return { partition, revoked, revocations, owner, asked, told };
}

const agent = (subject: string): Revoked => ({ subject, kind: 'agent', tenant: testTenant, epoch: 1 });

describe('a partition that comes to a scheduler', () => {
  test('has its runs stopped that were revoked while no scheduler was there, however long ago', async () => {
    verifies('scheduler.revoked_while_away');
    const { partition, revoked, revocations, asked } = given(async function* () {
      yield agent('agt_test');
    });
    const begun = partition.run('gone').startedMs;
    revoked.follow(revocations, () => {});
    await eventually(() => partition.run('gone').ended);
    expect(partition.run('stays').ended).toBe(false);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.getTime()).toBeLessThan(begun);
    revoked.stop();
  });

  test('is looked after again when identity’s ledger could not be read', async () => {
    let tries = 0;
    const { partition, revoked, revocations } = given(async function* () {
      if (tries++ === 0) throw refuse('ledger.unavailable', 'not now');
      yield agent('agt_test');
    });
    revoked.follow(revocations, () => {});
    await eventually(() => partition.run('gone').ended);
    expect(tries).toBe(2);
    revoked.stop();
  });

  test('hears of what is revoked from then on', async () => {
    const { partition, revoked, revocations, told } = given(async function* () {});
    revoked.follow(revocations, () => {});
    for (const tell of told) tell(agent('agt_2'));
    await eventually(() => partition.run('stays').ended);
    expect(partition.run('gone').ended).toBe(false);
    revoked.stop();
  });

  test('stops a run whose start was on its way when the revocation was heard', async () => {
    verifies('scheduler.revoked_ungranted');
    const { partition, revoked, revocations, told } = given(async function* () {});
    revoked.follow(revocations, () => {});
    for (const tell of told) tell(agent('agt_3'));
    const start = (id: string, more: object) => {
      partition.send(id, startOf('w', { ungranted: true, ...more }));
      revoked.committed({ partition: 0, events: partition.eventsOf(id) });
    };
    start('late', { agent: 'agt_3' });
    start('below', { agent: 'agt_4', onBehalfOf: ['agt_3'] });
    start('another', { agent: 'agt_4' });
    await eventually(() => partition.run('late').ended && partition.run('below').ended);
    expect(partition.run('another').ended).toBe(false);
    revoked.stop();
  });
});
