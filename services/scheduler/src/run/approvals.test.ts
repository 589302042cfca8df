import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import type { End, WorkerCommand } from './run.commands.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
});

const ask = { type: 'ask', kind: 'approval', name: 'ask', occurrence: 1, approval: 'apr_1' } as WorkerCommand;
function report(commands: WorkerCommand[], end?: End) {
  const { live } = partition.run('r');
  const item = { run: 'r', attempt: live?.token ?? '', commands, idle: false, entries: live?.entries ?? 0 };
  return partition.send('r', { type: 'report', session: 'ses', items: [{ ...item, ...(end && { end }) }] });
}

test('two tenants may have a run and an approval of the same id, and each keeps its own', () => {
  verifies('tenants.apart');
  const tenants = [partition.tenant, 'tnt_other'];
  const waiting = () => tenants.map((tenant) => partition.model.index.approvals.get(tenant, 'apr_1')?.tenant);
  report([ask]);
  partition.tenant = 'tnt_other';
  partition.send('r', startOf('w'));
  partition.assign('r');
  report([ask]);
  expect(waiting()).toEqual(tenants);
  expect([...partition.model.index.approvals.all()]).toEqual(tenants.map((tenant) => [tenant, 'apr_1']));
  partition.send('r', { type: 'answer', approval: 'apr_1', expired: false, approved: true, content: {} });
  expect(waiting()).toEqual([tenants[0], undefined]);
});

describe('what nobody waits for any more', () => {
  test.each<[string, () => [string, unknown][]]>([
    ['a failure', () => report([], { type: 'failed', error: { code: 'no', message: 'no' } })],
    ['a success', () => report([], { type: 'completed', content: {} })],
    ['a cancel by force', () => partition.send('r', { type: 'cancel', reason: 'r', force: true, graceMs: 0 })],
    [
      'a wait that is given up',
      () => {
        const error = { code: 'no', message: 'no' };
        return report([{ type: 'abort', kind: 'approval', name: 'ask', occurrence: 1, error }]);
      },
    ],
  ])('is told to who asks people, with %s', (_, act) => {
    verifies('approval.withdrawn');
    report([ask]);
    expect(act().at(-1)?.[1]).toMatchObject({ approvals: ['apr_1'] });
    expect(partition.model.index.approvals.size).toBe(0);
  });

  test('is nothing where everything was answered', () => {
    report([ask]);
    partition.send('r', { type: 'answer', approval: 'apr_1', expired: false, approved: true, content: {} });
    expect(report([], { type: 'completed', content: {} })[0]?.[1]).not.toHaveProperty('approvals');
  });
});
