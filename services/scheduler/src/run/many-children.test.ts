import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import type { WorkerCommand } from './run.commands.js';

const many = 1_000;

test('a run may have a thousand children, and not one more than its limits say', () => {
  verifies('run.many_children');
  const partition = new FakePartition();
  partition.send('r', startOf('w', { limits: { children: many } }));
  const { token, session } = partition.assign('r');
  const report = (commands: WorkerCommand[]) =>
    partition.send('r', {
      type: 'report',
      session,
      items: [{ run: 'r', attempt: token, commands, idle: true, entries: 0 }],
    });
  const wanted = Array.from({ length: many }, (_, at): WorkerCommand => {
    const about = { workflow: 'w', input: {}, attach: false, cancelWithParent: false };
    return { type: 'child', kind: 'child', name: 'c', occurrence: at + 1, child: `c${at}`, ...about };
  });
  expect(report(wanted)).toHaveLength(many);
  for (let at = 0; at < many; at++) {
    const key = { name: 'c', occurrence: at + 1, child: `c${at}` };
    partition.send('r', { type: 'reserve', id: `c${at}`, by: `c${at}`, amount: {}, start: 'child', settled: true });
    partition.send('r', { type: 'child_started', ...key });
    partition.send('r', { type: 'child_ended', outcome: { child: `c${at}`, state: 'succeeded' } });
  }
  expect(partition.run('r')).toMatchObject({ opens: [], budget: { own: { used: { children: many } } } });
  expect(() =>
    partition.send('r', { type: 'reserve', id: 'more', by: 'more', amount: {}, start: 'child', settled: true }),
  ).toThrow('1000 of 1000 children');
});
