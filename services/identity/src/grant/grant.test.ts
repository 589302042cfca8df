import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { TestPartition, everything, may } from '../testing/partition.js';
import { maxDepth } from './grant.js';

let partition: TestPartition;
const issue = (run: string, command: object) =>
  partition.do('grant', run, { type: 'issue', agent: 'agt_a', ...command });
const refused = (run: string, command: object) =>
  partition.refused('grant', run, { type: 'issue', agent: 'agt_a', ...command });

beforeEach(() => {
  partition = new TestPartition();
  partition.principal('agt_a', ['run.*', 'tool.call']);
  partition.principal('agt_b', ['memory.read']);
});

describe('the grant of a run', () => {
  test('is what its agent holds when nothing less is asked for, and names who started it', () => {
    expect(issue('run_1', { onBehalfOf: ['psn_1'] })).toEqual([
      {
        type: 'grant.issued.v1',
        data: { run: 'run_1', agent: 'agt_a', chain: ['psn_1'], details: [may(['run.*', 'tool.call'])], depth: 0 },
      },
    ]);
  });

  test('is inside what its agent holds', () => {
    verifies('identity.exceeds_parent');
    expect(refused('run_1', { details: [may(['memory.read'])] })).toBe('identity.exceeds_parent');
    expect(issue('run_1', { details: [may(['tool.call'], ['files/*'])] })).toHaveLength(1);
  });

  test('of a child is inside its parent, whatever its own agent holds', () => {
    verifies('identity.exceeds_parent');
    issue('run_1', { details: [may(['run.start']), may(['tool.call'], ['files/*'])] });
    expect(refused('run_2', { parent: 'run_1', details: everything })).toBe('identity.exceeds_parent');
    expect(refused('run_2', { parent: 'run_1', details: [may(['tool.call'])] })).toBe('identity.exceeds_parent');
    expect(refused('run_2', { parent: 'run_1', agent: 'agt_b', details: [may(['memory.read'])] })).toBe(
      'identity.exceeds_parent',
    );
    expect(
      issue('run_2', { parent: 'run_1', agent: 'agt_b', details: [may(['tool.call'], ['files/read_file'])] }),
    ).toMatchObject([{ data: { agent: 'agt_b', parent: 'run_1', chain: ['run_1', 'agt_a'], depth: 1 } }]);
  });

  test('of a child needs run.start of its workflow in the grant of its parent', () => {
    verifies('scheduler.start_permitted');
    issue('run_1', { details: [may(['tool.call']), may(['run.start'], ['review'])] });
    const child = { parent: 'run_1', details: [may(['tool.call'])] };
    expect(refused('run_2', { ...child, workflow: 'deploy' })).toBe('identity.may_not_start');
    expect(issue('run_2', { ...child, workflow: 'review' })).toHaveLength(1);
    expect(refused('run_3', { ...child, parent: 'run_2', workflow: 'review' })).toBe('identity.may_not_start');
  });

  test('is issued once: the same again changes nothing, another one is refused', () => {
    issue('run_1', {});
    expect(issue('run_1', {})).toEqual([]);
    expect(refused('run_1', { details: [may(['run.start'])] })).toBe('identity.grant_exists');
  });

  test('is at most eight delegations deep', () => {
    issue('run_0', {});
    for (let depth = 1; depth <= maxDepth; depth++) issue(`run_${depth}`, { parent: `run_${depth - 1}` });
    expect(refused('run_x', { parent: `run_${maxDepth}` })).toBe('identity.too_deep');
  });

  test('needs an agent and a parent of the same tenant', () => {
    expect(refused('run_1', { agent: 'agt_none' })).toBe('identity.agent_not_found');
    expect(refused('run_1', { parent: 'run_none' })).toBe('identity.grant_not_found');
    issue('run_1', {});
    expect(partition.refused('grant', 'run_2', { type: 'issue', agent: 'agt_a', parent: 'run_1' }, 'tnt_other')).toBe(
      'identity.grant_not_found',
    );
  });

  test.each(['agt_a', 'run_1', 'psn_9', 'tnt_a'])('is refused below a revoked %s', (revoked) => {
    partition.principal('psn_9', ['*']);
    issue('run_1', { onBehalfOf: ['psn_9'] });
    partition.do('revocation', revoked, { type: 'revoke', reason: 'test' });
    expect(refused('run_2', { parent: 'run_1', agent: 'agt_b' })).toBe('identity.revoked');
  });

  test('leaves nothing behind when the run has ended', () => {
    issue('run_1', {});
    expect(partition.do('grant', 'run_1', { type: 'close' })).toEqual([
      { type: 'grant.closed.v1', data: { run: 'run_1' } },
    ]);
    expect(partition.do('grant', 'run_1', { type: 'close' })).toEqual([]);
    expect(refused('run_2', { parent: 'run_1' })).toBe('identity.grant_not_found');
  });
});
